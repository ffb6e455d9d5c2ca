/* rng.c: Philox4x32-10; see rng.h. */
#include "base/rng.h"

#include <math.h>

void rng_at(uint64_t seed, uint64_t step, uint64_t index, uint32_t out[4])
{
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
	uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
	uint32_t c2 = (uint32_t)step, c3 = (uint32_t)(step >> 32);

	for (int round = 0; round < 10; round++) {
		uint64_t a = (uint64_t)0xD2511F53u * c0, b = (uint64_t)0xCD9E8D57u * c2;

		c0 = (uint32_t)(b >> 32) ^ c1 ^ k0;
		c1 = (uint32_t)b;
		c2 = (uint32_t)(a >> 32) ^ c3 ^ k1;
		c3 = (uint32_t)a;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

struct rng rng_new(uint64_t seed, uint64_t step)
{
	return (struct rng){.seed = seed, .step = step};
}

uint32_t rng_u32(struct rng *r)
{
	if (!r->left) {
		rng_at(r->seed, r->step, r->index++, r->buf);
		r->left = 4;
	}
	return r->buf[--r->left];
}

uint64_t rng_u64(struct rng *r)
{
	uint64_t hi = rng_u32(r);

	return hi << 32 | rng_u32(r);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	uint64_t v, limit = -n % n; /* 2^64 mod n: values below it would be favoured */

	do
		v = rng_u64(r);
	while (v < limit);
	return v % n;
}

float rng_f32(struct rng *r)
{
	return (float)(rng_u32(r) >> 8) * 0x1p-24f;
}

float rng_normal(struct rng *r)
{
	float u = (float)((rng_u32(r) >> 8) + 1) * 0x1p-24f, v = rng_f32(r);

	return sqrtf(-2.0f * logf(u)) * cosf(6.28318531f * v);
}
