/* words.c: text; code for tests to take apart, see tests/fixture.py. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

size_t word_count(const char *s);
void word_upper(char *s);
int word_palindrome(const char *s);
char *word_reverse(char *s);
char *word_join(const char *a, const char *b, char between);
int word_distance(const char *a, const char *b);
long word_number(const char *s, const char **end);
size_t word_escape(const char *s, char *out, size_t room);
int word_match(const char *pattern, const char *s);
void word_table(FILE *to, const char *const *names, const double *values, int n);
int word_line(FILE *from, char *line, int room);

size_t word_count(const char *s)
{
	size_t n = 0;
	int inside = 0;

	for (; *s; s++) {
		if (isspace((unsigned char)*s)) {
			inside = 0;
		} else if (!inside) {
			inside = 1;
			n++;
		}
	}
	return n;
}

void word_upper(char *s)
{
	for (; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
}

int word_palindrome(const char *s)
{
	size_t i = 0, k = strlen(s);

	while (i < k)
		if (s[i++] != s[--k])
			return 0;
	return 1;
}

char *word_reverse(char *s)
{
	for (size_t i = 0, k = strlen(s); i + 1 < k; i++) {
		char t = s[i];

		s[i] = s[--k];
		s[k] = t;
	}
	return s;
}

char *word_join(const char *a, const char *b, char between)
{
	size_t n = strlen(a), m = strlen(b);
	char *s = malloc(n + m + 2);

	if (!s) {
		fprintf(stderr, "no memory for %zu bytes\n", n + m + 2);
		exit(1);
	}
	memcpy(s, a, n);
	s[n] = between;
	memcpy(s + n + 1, b, m + 1);
	return s;
}

int word_distance(const char *a, const char *b)
{
	int row[65], n = (int)strlen(b);

	if (n > 64)
		return -1;
	for (int k = 0; k <= n; k++)
		row[k] = k;
	for (int i = 1; *a; a++, i++) {
		int left = i, diagonal = i - 1;

		for (int k = 1; k <= n; k++) {
			int cost = diagonal + (*a != b[k - 1]), up = row[k] + 1;

			diagonal = row[k];
			row[k - 1] = left;
			left = left + 1 < up ? left + 1 : up;
			left = cost < left ? cost : left;
		}
		row[n] = left;
	}
	return row[n];
}

long word_number(const char *s, const char **end)
{
	long v = 0;
	int minus = *s == '-';

	for (s += minus; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (*s - '0');
	*end = s;
	return minus ? -v : v;
}

size_t word_escape(const char *s, char *out, size_t room)
{
	size_t n = 0;

	for (; *s && n + 3 < room; s++) {
		switch (*s) {
		case '\n':
			out[n++] = '\\';
			out[n++] = 'n';
			break;
		case '\t':
			out[n++] = '\\';
			out[n++] = 't';
			break;
		case '"':
		case '\\': out[n++] = '\\'; /* fall through */
		default: out[n++] = *s;
		}
	}
	out[n] = '\0';
	return n;
}

int word_match(const char *pattern, const char *s)
{
	for (; *pattern; pattern++, s++) {
		if (*pattern == '*') {
			do
				if (word_match(pattern + 1, s))
					return 1;
			while (*s++);
			return 0;
		}
		if (!*s || (*pattern != '?' && *pattern != *s))
			return 0;
	}
	return !*s;
}

void word_table(FILE *to, const char *const *names, const double *values, int n)
{
	for (int i = 0; i < n; i++)
		fprintf(to, "%-20s %10.3f\n", names[i], values[i]);
}

int word_line(FILE *from, char *line, int room)
{
	if (!fgets(line, room, from))
		return -1;
	line[strcspn(line, "\n")] = '\0';
	return (int)strlen(line);
}
