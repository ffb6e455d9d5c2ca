/*
 * stream.h: the record stream every filter reads and writes; man 5 bb-stream.
 *
 * A stream is one or more members. A member is a header frame, frames of records, a trailer frame.
 * Readers check everything: that each frame is whole, that the trailer is there, and that record
 * count and digest agree with what was read. A stream that passed is complete.
 *
 * All members of a stream hold records of one kind. Two ways to read. stream_read gives one record
 * after another. For parallel work, stream_next gives packed frames in order, which any thread may
 * unpack, and stream_account, called in order, does the checking. Writing mirrors it: a stream_pack
 * gathers and compresses records on any thread, stream_put writes packs in order.
 */
#ifndef STREAM_H
#define STREAM_H

#include "base/hash.h"
#include "stream/field.h"

enum {
	STREAM_VERSION = 1,           /* of the container */
	STREAM_FRAME = 512 << 10,     /* a frame is closed when it holds this much */
	STREAM_RECORD_MAX = 64 << 20, /* bytes of one record, and so of a frame */
	STREAM_TRAILER_MAX = 1024,    /* a trailer frame holds no more than this */
	STREAM_INPUTS_MAX = 8,        /* input digests a trailer can name */
};

/* One step of how a stream came to be. */
struct provenance {
	const char *tool, *version;
	struct texts options; /* those that change the output, as "name" or "name=value" */
};

struct stream_header {
	uint64_t bb;         /* STREAM_VERSION */
	const char *kind;    /* name of the record kind */
	uint64_t version;    /* of the kind */
	struct records prov; /* struct provenance, first step first */
};

struct stream_trailer {
	uint64_t end; /* 1 */
	uint64_t records;
	uint64_t skipped;  /* inputs this step could not use */
	struct u8s digest; /* XXH3-128 over all record bytes of the member, 16 bytes */
	struct u8s inputs; /* digests of the members this one was made from, 16 bytes each */
};

extern const struct fields stream_header_fields, stream_trailer_fields;

/* ---- reading ---- */

enum stream_type { STREAM_HEADER = 1, STREAM_RECORDS, STREAM_TRAILER };

struct stream_item {
	enum stream_type type;
	const char *file;   /* name for messages; owned by the reader */
	struct buf packed;  /* the compressed frame, of any type; reused from call to call */
	size_t raw;         /* its size when unpacked */
	struct arena arena; /* holds what follows */
	struct stream_header header;   /* when type is STREAM_HEADER */
	struct stream_trailer trailer; /* when type is STREAM_TRAILER */
};

struct stream_reader;

/*
 * Reads the files one after another as one stream; "-" is stdin, and no file at all means stdin.
 * The paths must outlive the reader. Never NULL: a file that cannot be opened is an error of the
 * first read. `want` is the kind the records must have, or NULL to take any that is in `kinds`
 * (a list ended by NULL).
 */
struct stream_reader *stream_open(
	char *const *paths, size_t n, const struct kind *want, const struct kind *const *kinds);
void stream_close(struct stream_reader *r);
/* "file: what: why" of the last -1. */
const char *stream_error(const struct stream_reader *r);
/* Kind of the current member; NULL before the first header. */
const struct kind *stream_kind(const struct stream_reader *r);
/* Header of the current member, good until the next one is read; NULL before the first. */
const struct stream_header *stream_header(const struct stream_reader *r);
/* The option of the program's last step in h that begins so, or NULL; "" if it took no step. */
const char *stream_step_option(const struct stream_header *h, const char *tool, const char *option);
/* Bytes read so far, and in all files together (0 when that cannot be known). */
void stream_position(const struct stream_reader *r, uint64_t *done, uint64_t *total);
/* Digest over the digests of all members read to their end so far. */
void stream_digest(const struct stream_reader *r, uint8_t digest[HASH_BYTES]);
/* Records that went by, in members read to their end and in the current one. */
uint64_t stream_count(const struct stream_reader *r);

/*
 * Reads the next record into rec (a struct of stream_kind): 1, 0 at the end of all files, or -1.
 * What rec points to is good until the next call.
 */
int stream_read(struct stream_reader *r, void *rec) MUST_CHECK;
/* The bytes of the record that stream_read gave last, good until the next call. */
void stream_raw(const struct stream_reader *r, const uint8_t **p, size_t *n);

/* Reads the next frame: 1, 0 at the end, -1. Zero-initialise the item; free with stream_item_free.
 */
int stream_next(struct stream_reader *r, struct stream_item *item) MUST_CHECK;
void stream_item_free(struct stream_item *item);
/*
 * Unpacks a frame of records into raw (reset first); any thread, each with a scratch of its own
 * (starts as NULL, freed with stream_unpack_free). 0 or -1.
 */
int stream_unpack(
	const struct stream_item *item, void **scratch, struct buf *raw, struct err *e) MUST_CHECK;
void stream_unpack_free(void *scratch);
/*
 * Tells the reader, in order, what each item held: for records their bytes and number; for a
 * trailer it compares. 0, or -1 with "file: why" in e when the trailer disagrees. May run while
 * another thread is in stream_next: the two share nothing but the reader's pointer.
 */
int stream_account(struct stream_reader *r, const struct stream_item *item, const struct buf *raw,
	uint64_t count, struct err *e) MUST_CHECK;

/* ---- writing ---- */

/* Records gathered into compressed frames, by one thread. Zero-initialise. */
struct stream_pack {
	struct buf raw;    /* bytes of all records in order */
	struct buf packed; /* finished frames */
	size_t open;       /* first byte of raw that is in no frame yet */
	uint64_t count;    /* records */
	void *zstd;
};

/* Adds a record: 0, or -1 when it is larger than STREAM_RECORD_MAX (then it is not added). */
int stream_pack_record(struct stream_pack *p, const struct kind *k, const void *rec) MUST_CHECK;
/* The same for a record that begins as the one of field_share. */
int stream_pack_shared(
	struct stream_pack *p, const struct field_shared *s, const void *rec) MUST_CHECK;
/* Adds an already encoded record. */
void stream_pack_raw(struct stream_pack *p, const uint8_t *rec, size_t n);
/* Closes the last frame; call before stream_put, in the worker: this is where the time goes. */
void stream_pack_finish(struct stream_pack *p);
void stream_pack_reset(struct stream_pack *p);
void stream_pack_free(struct stream_pack *p);

struct stream_writer;
/* Writes to fd, which stays the caller's. */
struct stream_writer *stream_create(int fd);
void stream_free(struct stream_writer *w);
/* errno text of the last -1. */
const char *stream_write_error(const struct stream_writer *w);
/*
 * Starts a member of the kind. Its provenance is that of `from` (may be NULL) and then `step`.
 * 0 or -1.
 */
int stream_begin(struct stream_writer *w, const struct kind *k, const struct stream_header *from,
	const struct provenance *step) MUST_CHECK;
/* Writes one record into the open member. 0 or -1. */
int stream_write(struct stream_writer *w, const struct kind *k, const void *rec) MUST_CHECK;
int stream_write_raw(struct stream_writer *w, const uint8_t *rec, size_t n) MUST_CHECK;
/* Writes a finished pack and resets it. 0 or -1. */
int stream_put(struct stream_writer *w, struct stream_pack *p) MUST_CHECK;
/* Ends the member with its trailer; `inputs` is ninputs digests. 0 or -1. */
int stream_end(struct stream_writer *w, uint64_t skipped, const uint8_t *inputs,
	size_t ninputs) MUST_CHECK;

#endif
