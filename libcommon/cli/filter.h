/*
 * filter.h: the skeleton of a filter: where its output goes, and the loop of those that turn each
 * record into some records.
 *
 *	int main(int argc, char **argv)
 *	{
 *		struct options o = {.unit = "strand"};
 *		const struct opt opts[] = {{'u', "unit", OPT_TEXT, OPT_CONTENT, &o.unit, ...}};
 *		struct prog p = {.name = "bb-x", .opts = opts, .nopts = COUNT_OF(opts), ...};
 *
 *		prog_start(&p, argc, argv);
 *		return filter_map(&p, &(struct filter){.in = &function_kind, ...}, &o);
 *	}
 */
#ifndef FILTER_H
#define FILTER_H

#include "cli/prog.h"
#include "stream/stream.h"

/* ---- output: a stream on stdout or in the file of -o, complete or not there ---- */

struct output;
/*
 * Opens what -o says, or stdout. A terminal is refused. Exits on failure. A file is written
 * beside its name and renamed when complete.
 */
struct output *output_open(struct prog *p);
struct stream_writer *output_stream(struct output *o);
/* The provenance step of this program, for stream_begin. */
const struct provenance *output_step(struct output *o);
/* Prints why the last write failed; returns EXIT_FAILED. */
int output_failed(struct output *o);
/* Completes or, when status is not 0, abandons the output. Returns the exit status. */
int output_close(struct output *o, int status);

/* ---- progress on stderr: only on a terminal or with -v ---- */

struct progress;
/* `unit` is what is counted, in the plural. */
struct progress *progress_new(const struct prog *p, const char *unit);
/* Called as often as one likes: `count` units so far; done of total bytes (total 0: unknown). */
void progress_tick(struct progress *g, uint64_t count, uint64_t done, uint64_t total);
/* Prints the summary line: units, time, rate, skipped. */
void progress_free(struct progress *g, uint64_t skipped);

/* ---- the loop ---- */

struct filter_out;
/* Adds a record of the filter's output kind. A record over the size limit is skipped, counted. */
void filter_emit(struct filter_out *out, const void *rec);
/* The same for a record that begins as the one of field_share. */
void filter_emit_shared(struct filter_out *out, const struct field_shared *s, const void *rec);
/* Passes the input record on as it is, with keys this version does not know. */
void filter_pass(struct filter_out *out);
/* Counts the input record as skipped and says why (one line with the reason). */
void filter_skip(struct filter_out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);
/*
 * The same for what is wrong with many records, as all of a file: of equal reasons one after
 * another one line is printed, with the number of records.
 */
void filter_skip_alike(struct filter_out *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct filter {
	const struct kind *in, *out; /* in NULL: any kind; out NULL: same as input */
	bool same; /* records, provenance and trailers stay what they were: work only checks */
	void *(*worker_new)(void *ctx);    /* state of one thread; may be NULL */
	void (*worker_free)(void *worker); /* may be NULL */
	/*
	 * Turns one record into any number of records; its memory is good until it returns.
	 * Runs on many threads; the results come out in the order of the input.
	 */
	void (*work)(void *worker, const struct kind *kind, void *rec, struct filter_out *out);
};

/* Runs a filter without memory from record to record over all operands. Returns the exit status. */
int filter_map(struct prog *p, const struct filter *f, void *ctx);

/*
 * One thread after another: for filters that remember. Opens the operands for reading records of
 * kind `want` (NULL: any).
 */
struct stream_reader *filter_open(struct prog *p, const struct kind *want);

#endif
