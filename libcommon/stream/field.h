/*
 * field.h: records described as data.
 *
 * A record kind is a C struct and a table of its fields. From the table come the CBOR encoder and
 * decoder, the JSON text and its reader, the CDDL, and what tests need. A record is one CBOR map
 * with text keys in table order; empty optional fields are left out; unknown keys are ignored
 * when read; a missing required key is an error (RFC 8949; typed arrays RFC 8746, little-endian).
 *
 * Decoded text, arrays and nested records live in the arena given to the decoder.
 */
#ifndef FIELD_H
#define FIELD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"

enum field_type {      /* the C member                        in CBOR */
	FIELD_U64,     /* uint64_t: a count below 2^63        unsigned integer */
	FIELD_ADDR,    /* uint64_t: an address or hash        unsigned integer; hex text in JSON */
	FIELD_F32,     /* float, finite                       float */
	FIELD_TEXT,    /* const char *, terminated UTF-8      text */
	FIELD_BYTES,   /* struct u8s                          byte string; hex text in JSON */
	FIELD_U8S,     /* struct u8s                          typed array */
	FIELD_U32S,    /* struct u32s                         typed array of the narrowest fitting
			  width */
	FIELD_HALVES,  /* struct u8s, of 1 to 15              byte string: see halves.h */
	FIELD_NUMBERS, /* struct u32s, mostly small          the same */
	FIELD_STEPS,  /* struct u32s, ascending              the same, of the differences: the first
			 item from 0, each other from the one before */
	FIELD_SIGNED, /* struct i32s, mostly near 0          the same */
	FIELD_ADDRS,  /* struct u64s                         the same; hex texts in JSON */
	FIELD_F32S,   /* struct f32s, all finite             typed array */
	FIELD_TEXTS,  /* struct texts                        array of text */
	FIELD_LABELS, /* struct labels                      map from text to text, keys in order */
	FIELD_RECORD, /* the nested struct itself           map, by `sub` */
	FIELD_RECORDS, /* struct records                    array of maps, by `sub` */
};

/* Arrays: n items at p. Whoever fills the struct owns them; decoded ones are in the arena. */
struct u8s {
	uint8_t *p;
	size_t n;
};
struct u32s {
	uint32_t *p;
	size_t n;
};
struct i32s {
	int32_t *p;
	size_t n;
};
struct u64s {
	uint64_t *p;
	size_t n;
};
struct f32s {
	float *p;
	size_t n;
};
struct texts {
	const char **p;
	size_t n;
};
struct records {
	void *p;
	size_t n;
}; /* n structs of sub->size bytes */
struct label {
	const char *key, *value;
};
struct labels {
	struct label *p;
	size_t n;
}; /* sorted by key, no key twice */

enum {
	FIELD_REQUIRED = 1,
	FIELD_DEPTH = 8,    /* of nested records */
	FIELD_KEY_MAX = 16, /* bytes of a key with the 0 that ends it */
};

struct field {
	uint8_t nkey;            /* these two are written as FIELD_KEY("name") */
	char key[FIELD_KEY_MAX]; /* terminated */
	enum field_type type;
	unsigned flags;           /* FIELD_REQUIRED */
	size_t offset;            /* of the member */
	size_t exact;             /* bytes of a FIELD_BYTES of fixed length; 0: any */
	const struct fields *sub; /* of a nested record */
	const char *doc;          /* one line: meaning, unit */
};

#define FIELD_KEY(text) sizeof(text) - 1, text

struct fields {
	const char *name; /* CDDL rule name */
	size_t size;      /* bytes of the struct */
	const struct field *f;
	size_t n;
};

/* A record kind: what a stream can hold. */
struct kind {
	const char *name; /* "function", as in the header */
	unsigned version;
	const struct fields *fields;
	const char *doc;
	/* Checks what the table cannot say (lengths that must agree, indices in range). 0 or -1. */
	int (*check)(const void *rec, struct err *e);
	/* Fills rec with a random valid record for tests; memory from the arena. */
	void (*sample)(void *rec, struct arena *a, struct rng *r);
	const char *maker; /* the program that writes the kind, for messages; may be NULL */
};

/* The value of a label, or NULL. */
const char *field_label(const struct labels *l, const char *key);

/* Makes rec an empty record: zeros, and "" for texts, so that nobody meets a NULL. */
void field_clear(const struct fields *fs, void *rec);
/* Appends the record as CBOR. */
void field_encode(struct buf *b, const struct fields *fs, const void *rec);

/*
 * The beginning of records that are equal up to one member: encoded once, copied into each.
 * Zero-initialise.
 */
struct field_shared {
	struct buf text; /* the rest is field.c's: */
	struct field_level {
		const struct fields *fs;
		size_t i;    /* the field that leads to the member */
		size_t n;    /* fields of this map in text */
		size_t head; /* where the map begins in text */
	} level[FIELD_DEPTH];
	unsigned depth;
};
/*
 * Takes what stands before the member at `offset` in rec, which may lie in required nested
 * records; the texts and arrays of rec are not needed any longer.
 */
void field_share(struct field_shared *s, const struct fields *fs, const void *rec, size_t offset);
/* field_encode of a record that begins as the one of field_share. */
void field_encode_shared(struct buf *b, const struct field_shared *s, const void *rec);
void field_shared_free(struct field_shared *s);

/*
 * Decodes one record from the n bytes at p into rec: the number of bytes it took, or -1. Texts are
 * checked to be UTF-8 without NUL, depth is limited, and nothing is allocated before the declared
 * length was compared with what is there.
 */
ptrdiff_t field_decode(const struct fields *fs, const uint8_t *p, size_t n, void *rec,
	struct arena *a, struct err *e) MUST_CHECK;

/* Appends the record as JSON on one line, no newline. */
void field_json(struct buf *b, const struct fields *fs, const void *rec);
/* Reads one JSON object of n bytes, the inverse of field_json. 0 or -1. */
int field_from_json(const struct fields *fs, const char *text, size_t n, void *rec, struct arena *a,
	struct err *e) MUST_CHECK;
/* Appends the CDDL rule (RFC 8610) of the fields; nested ones are named, not included. */
void field_cddl(struct buf *b, const struct fields *fs);
/* Appends s as a JSON string with quotes. */
void field_json_text(struct buf *b, const char *s);

#endif
