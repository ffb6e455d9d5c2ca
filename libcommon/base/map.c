/* map.c: open addressing with linear probing; see map.h. */
#include "base/map.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static size_t find(const struct map *m, uint64_t h, const void *key, size_t n)
{
	size_t i = h & (m->nslots - 1);

	for (; m->slot[i]; i = (i + 1) & (m->nslots - 1)) {
		const struct map_entry *e = &m->e[m->slot[i] - 1];

		if (e->hash == h && e->n == n && (n == 0 || !memcmp(e->key, key, n)))
			break;
	}
	return i;
}

struct map_entry *map_get(const struct map *m, const void *key, size_t n)
{
	size_t i;

	if (!m->count)
		return NULL;
	i = find(m, hash_64(key, n), key, n);
	return m->slot[i] ? &m->e[m->slot[i] - 1] : NULL;
}

static void rehash(struct map *m, size_t nslots)
{
	mem_free(m->slot);
	m->slot = mem_zalloc(nslots, sizeof(*m->slot));
	m->nslots = nslots;
	for (size_t k = 0; k < m->count; k++) {
		size_t i = m->e[k].hash & (nslots - 1);

		while (m->slot[i])
			i = (i + 1) & (nslots - 1);
		m->slot[i] = (uint32_t)k + 1;
	}
}

struct map_entry *map_put(struct map *m, const void *key, size_t n, bool *made)
{
	uint64_t h = hash_64(key, n);
	struct map_entry *e;
	size_t i;

	if (2 * (m->count + 1) > m->nslots)
		rehash(m, m->nslots ? 2 * m->nslots : 64);
	i = find(m, h, key, n);
	if (made)
		*made = !m->slot[i];
	if (m->slot[i])
		return &m->e[m->slot[i] - 1];
	m->e = mem_grow(m->e, &m->cap, m->count + 1, sizeof(*m->e));
	e = &m->e[m->count++];
	*e = (struct map_entry){arena_str(&m->keys, key, n), n, h, 0};
	m->slot[i] = (uint32_t)m->count;
	return e;
}

void map_reset(struct map *m)
{
	m->count = 0;
	if (m->slot)
		memset(m->slot, 0, m->nslots * sizeof(*m->slot));
	arena_reset(&m->keys);
}

void map_free(struct map *m)
{
	mem_free(m->e);
	mem_free(m->slot);
	arena_free(&m->keys);
	*m = (struct map){0};
}

static size_t find64(const struct map64 *m, uint64_t key)
{
	size_t i = hash_mix(key) & (m->nslots - 1);

	while (m->used[i] && m->kv[2 * i] != key)
		i = (i + 1) & (m->nslots - 1);
	return i;
}

uint64_t *map64_get(const struct map64 *m, uint64_t key)
{
	size_t i;

	if (!m->count)
		return NULL;
	i = find64(m, key);
	return m->used[i] ? &m->kv[2 * i + 1] : NULL;
}

uint64_t *map64_put(struct map64 *m, uint64_t key, bool *made)
{
	size_t i;

	if (2 * (m->count + 1) > m->nslots) {
		struct map64 old = *m;

		m->nslots = old.nslots ? 2 * old.nslots : 64;
		m->kv = mem_alloc(2 * m->nslots, sizeof(*m->kv));
		m->used = mem_zalloc(m->nslots, 1);
		for (size_t k = 0; k < old.nslots; k++) {
			if (!old.used[k])
				continue;
			i = find64(m, old.kv[2 * k]);
			m->used[i] = 1;
			memcpy(&m->kv[2 * i], &old.kv[2 * k], 2 * sizeof(*m->kv));
		}
		mem_free(old.kv);
		mem_free(old.used);
	}
	i = find64(m, key);
	if (made)
		*made = !m->used[i];
	if (!m->used[i]) {
		m->used[i] = 1;
		m->kv[2 * i] = key;
		m->kv[2 * i + 1] = 0;
		m->count++;
	}
	return &m->kv[2 * i + 1];
}

void map64_reset(struct map64 *m)
{
	m->count = 0;
	if (m->used)
		memset(m->used, 0, m->nslots);
}

void map64_free(struct map64 *m)
{
	mem_free(m->kv);
	mem_free(m->used);
	*m = (struct map64){0};
}
