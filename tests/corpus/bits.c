/* bits.c: checksums, bits and numbers; code for tests to take apart, see tests/fixture.py. */
#include <stddef.h>
#include <stdint.h>

uint32_t crc32_bits(const uint8_t *p, size_t n);
uint32_t adler(const uint8_t *p, size_t n);
uint64_t fnv(const char *s);
unsigned popcount(uint64_t v);
uint32_t swap_bytes(uint32_t v);
uint32_t rotate(uint32_t v, unsigned by);
void tea_encrypt(uint32_t v[2], const uint32_t key[4]);
unsigned gcd(unsigned a, unsigned b);
uint64_t power_mod(uint64_t base, uint64_t e, uint64_t m);
double polynomial(const double *c, int n, double x);
void matrix_multiply(const float *a, const float *b, float *c, int n);
int day_of(int month, int day, int leap);
const char *day_name(unsigned day);

uint32_t crc32_bits(const uint8_t *p, size_t n)
{
	uint32_t crc = 0xffffffffu;

	while (n--) {
		crc ^= *p++;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320u & -(crc & 1));
	}
	return ~crc;
}

uint32_t adler(const uint8_t *p, size_t n)
{
	uint32_t a = 1, b = 0;

	for (size_t i = 0; i < n; i++) {
		a = (a + p[i]) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

uint64_t fnv(const char *s)
{
	uint64_t h = 14695981039346656037u;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 1099511628211u;
	return h;
}

unsigned popcount(uint64_t v)
{
	unsigned n = 0;

	for (; v; v &= v - 1)
		n++;
	return n;
}

uint32_t swap_bytes(uint32_t v)
{
	return v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24;
}

uint32_t rotate(uint32_t v, unsigned by)
{
	by &= 31;
	return by ? v << by | v >> (32 - by) : v;
}

void tea_encrypt(uint32_t v[2], const uint32_t key[4])
{
	uint32_t sum = 0, a = v[0], b = v[1];

	for (int i = 0; i < 32; i++) {
		sum += 0x9e3779b9u;
		a += ((b << 4) + key[0]) ^ (b + sum) ^ ((b >> 5) + key[1]);
		b += ((a << 4) + key[2]) ^ (a + sum) ^ ((a >> 5) + key[3]);
	}
	v[0] = a;
	v[1] = b;
}

unsigned gcd(unsigned a, unsigned b)
{
	while (b) {
		unsigned t = a % b;

		a = b;
		b = t;
	}
	return a;
}

uint64_t power_mod(uint64_t base, uint64_t e, uint64_t m)
{
	uint64_t r = 1 % m;

	for (base %= m; e; e >>= 1) {
		if (e & 1)
			r = r * base % m;
		base = base * base % m;
	}
	return r;
}

double polynomial(const double *c, int n, double x)
{
	double y = 0;

	while (n--)
		y = y * x + c[n];
	return y;
}

void matrix_multiply(const float *a, const float *b, float *c, int n)
{
	for (int i = 0; i < n; i++)
		for (int k = 0; k < n; k++) {
			float sum = 0;

			for (int j = 0; j < n; j++)
				sum += a[i * n + j] * b[j * n + k];
			c[i * n + k] = sum;
		}
}

int day_of(int month, int day, int leap)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

	return before[month - 1] + day + (leap && month > 2);
}

const char *day_name(unsigned day)
{
	switch (day % 7) {
	case 0: return "Sunday";
	case 1: return "Monday";
	case 2: return "Tuesday";
	case 3: return "Wednesday";
	case 4: return "Thursday";
	case 5: return "Friday";
	default: return "Saturday";
	}
}
