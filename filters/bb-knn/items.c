/* items.c: see items.h. */
#include "items.h"

#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "formats/embedding.h"
#include "formats/sequence.h"
#include "formats/tokens.h"

struct view items_view(const struct kind *k, const void *rec)
{
	const struct embedding *m = rec;
	const struct sequence *q = rec;
	const struct tokens *t = rec;

	if (k == &embedding_kind)
		return (struct view){m->unit, &m->origin, &m->labels, m->group, m->insns};
	if (k == &sequence_kind)
		return (struct view){q->unit, &q->origin, &q->labels, q->group, sequence_insns(q)};
	return (struct view){t->unit, &t->origin, &t->labels, t->group, tokens_insns(t)};
}

uint64_t items_id(struct items *s, const struct view *v)
{
	const struct origin *o = v->origin;

	buf_reset(&s->key);
	buf_put(&s->key, o->bin.p, o->bin.n);
	buf_printf(&s->key, "%" PRIx64 " %" PRIx64 " %s %s", o->fn, o->addr, v->unit, o->name);
	return hash_64(s->key.p, s->key.n);
}

static const char *keep_text(struct items *s, const char *text)
{
	return map_put(&s->texts, text, strlen(text), NULL)->key;
}

static const struct labels *keep_labels(struct items *s, const struct labels *l)
{
	struct map_entry *entry;
	struct labels *kept;
	const char *text;
	bool made;

	buf_reset(&s->key);
	for (size_t i = 0; i < l->n; i++) {
		buf_put(&s->key, l->p[i].key, strlen(l->p[i].key) + 1);
		buf_put(&s->key, l->p[i].value, strlen(l->p[i].value) + 1);
	}
	entry = map_put(&s->label_sets, s->key.p, s->key.n, &made);
	if (!made)
		return (const struct labels *)(uintptr_t)entry->value;
	kept = arena_get(&s->arena, 1, sizeof(*kept));
	*kept = (struct labels){arena_get(&s->arena, l->n, sizeof(*kept->p)), l->n};
	text = entry->key;
	for (size_t i = 0; i < l->n; i++) {
		kept->p[i].key = text;
		text += strlen(text) + 1;
		kept->p[i].value = text;
		text += strlen(text) + 1;
	}
	entry->value = (uintptr_t)kept;
	return kept;
}

/* The number of the item's group; the item gets the text that is kept. */
static uint32_t keep_group(struct items *s, struct item *item, const char *group)
{
	struct map_entry *entry;
	bool made;

	item->group = "";
	if (!*group)
		return ITEMS_NONE;
	entry = map_put(&s->groups, group, strlen(group), &made);
	if (made) {
		entry->value = s->groups.count - 1;
		s->group_size = mem_grow(
			s->group_size, &s->group_cap, s->groups.count, sizeof(*s->group_size));
		s->group_size[entry->value] = 0;
	}
	s->group_size[entry->value]++;
	item->group = entry->key;
	return (uint32_t)entry->value;
}

/* The number of the id of item s->n. */
static uint32_t keep_owner(struct items *s, const struct item *item)
{
	bool made;
	uint64_t *number = map64_put(&s->ids, item->id, &made), owner;

	if (made) {
		owner = *number = s->ids.count - 1;
		s->first = mem_grow(s->first, &s->first_cap, s->ids.count, sizeof(*s->first));
		s->first[owner] = (uint32_t)s->n;
	} else {
		owner = *number;
		++*map64_put(&s->more, owner, NULL);
		++*map64_put(&s->more_of, owner << 32 | item->group_number, NULL);
	}
	return (uint32_t)owner;
}

/* The numbers to compare. */
static int add_content(struct items *s, const struct kind *k, const void *rec, struct err *e)
{
	const struct embedding *m = rec;
	const struct sequence *q = rec;
	const struct tokens *t = rec;
	uint64_t *set;

	if (k == &embedding_kind)
		return cosine_add(&s->index.cosine, m->vec.p, m->vec.n, e);
	if (k == &sequence_kind) {
		jaccard_add(&s->index.set, q->hashes.p, q->hashes.n);
		return 0;
	}
	if (s->n && t->vocab != s->vocab)
		return err_set(e,
			"tokens of vocabulary %016" PRIx64 ", the others are of %016" PRIx64,
			t->vocab, s->vocab);
	s->vocab = t->vocab;
	buf_reset(&s->set);
	set = buf_reserve(&s->set, t->ids.n * sizeof(*set));
	for (size_t i = 0; i < t->ids.n; i++)
		set[i] = t->ids.p[i];
	jaccard_add(&s->index.set, set, t->ids.n);
	return 0;
}

int items_add(struct items *s, const struct kind *k, const void *rec, struct err *e)
{
	struct view v = items_view(k, rec);
	const struct origin *o = v.origin;
	struct item *item;

	if (s->n == ITEMS_NONE - 1)
		return err_set(e, "more than 2^32 - 2 records");
	if (add_content(s, k, rec, e) < 0)
		return -1;
	s->item = mem_grow(s->item, &s->item_cap, s->n + 1, sizeof(*s->item));
	s->owner = mem_grow(s->owner, &s->owner_cap, s->n + 1, sizeof(*s->owner));
	item = &s->item[s->n];
	item->id = items_id(s, &v);
	item->unit = keep_text(s, v.unit);
	item->origin = *o;
	item->origin.bin.p = (uint8_t *)map_put(&s->texts, o->bin.p, o->bin.n, NULL)->key;
	item->origin.file = keep_text(s, o->file);
	item->origin.name = keep_text(s, o->name);
	item->labels = keep_labels(s, v.labels);
	item->group_number = keep_group(s, item, v.group);
	s->owner[s->n] = keep_owner(s, item);
	s->n++;
	return 0;
}

void items_reset(struct items *s)
{
	ann_reset(&s->index);
	s->n = 0;
	map_reset(&s->groups);
	map64_reset(&s->ids);
	map64_reset(&s->more);
	map64_reset(&s->more_of);
	map_reset(&s->texts);
	map_reset(&s->label_sets);
	arena_reset(&s->arena);
}

void items_free(struct items *s)
{
	ann_free(&s->index);
	mem_free(s->item);
	mem_free(s->owner);
	mem_free(s->group_size);
	map_free(&s->groups);
	map64_free(&s->ids);
	mem_free(s->first);
	map64_free(&s->more);
	map64_free(&s->more_of);
	map_free(&s->texts);
	map_free(&s->label_sets);
	arena_free(&s->arena);
	buf_free(&s->key);
	buf_free(&s->set);
	*s = (struct items){0};
}

static uint64_t count_of(const struct map64 *m, uint64_t key)
{
	const uint64_t *n = map64_get(m, key);

	return n ? *n : 0;
}

struct relation items_relate(const struct items *s, const struct item *to)
{
	const struct map_entry *group =
		*to->group ? map_get(&s->groups, to->group, strlen(to->group)) : NULL;
	const uint64_t *owner = map64_get(&s->ids, to->id);
	struct relation r = {.owner = owner ? (uint32_t)*owner : ITEMS_NONE,
		.group = group ? (uint32_t)group->value : ITEMS_NONE,
		.pool = s->n};

	if (group)
		r.relevant = s->group_size[r.group];
	if (!owner)
		return r;
	r.pool -= 1 + count_of(&s->more, r.owner);
	if (group) {
		r.relevant -= s->item[s->first[r.owner]].group_number == r.group;
		r.relevant -= count_of(&s->more_of, (uint64_t)r.owner << 32 | r.group);
	}
	return r;
}
