/*
 * bb-cat: concatenates streams and verifies them, counts, cuts, and turns records into text and
 * JSON and JSON into records.
 *
 * Whatever it does, it reads every frame, so its status 0 means: complete and undamaged.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/filter.h"
#include "formats/kinds.h"
#include "plain.h"
#include "text.h"

struct options {
	bool count, json, text, header, cddl, demangle;
	uint64_t head;
	const char *from_json;
};

/* ---- streams to streams ---- */

static void pass(
	UNUSED void *worker, UNUSED const struct kind *k, UNUSED void *rec, struct filter_out *out)
{
	filter_pass(out);
}

/* Copies the first n > 0 records of the whole input, then stops reading. */
static int head(struct prog *p, uint64_t n)
{
	struct output *out = output_open(p);
	struct stream_reader *in = filter_open(p, NULL);
	struct stream_writer *w = output_stream(out);
	void *rec = mem_alloc(1, kinds_largest());
	int got = stream_read(in, rec), status = EXIT_OK;
	const struct kind *k = stream_kind(in);

	if (got >= 0 && stream_begin(w, k, stream_header(in), output_step(out)) < 0)
		status = output_failed(out);
	while (got > 0 && status == EXIT_OK) {
		const uint8_t *raw;
		size_t size;

		stream_raw(in, &raw, &size);
		if (stream_write_raw(w, raw, size) < 0)
			status = output_failed(out);
		if (--n == 0)
			break;
		got = stream_read(in, rec);
		if (got > 0 && stream_kind(in) != k) {
			prog_error(p, "kind changes from '%s' to '%s'", k->name,
				stream_kind(in)->name);
			status = EXIT_FAILED;
		}
	}
	if (got < 0) {
		prog_error(p, "%s", stream_error(in));
		status = EXIT_FAILED;
	}
	if (status == EXIT_OK && stream_end(w, 0, NULL, 0) < 0)
		status = output_failed(out);
	mem_free(rec);
	stream_close(in);
	return output_close(out, status);
}

/* JSON lines on stdin or in files to one member. A bad line is skipped. */
static int from_json(struct prog *p, const struct kind *k)
{
	static char *const only_stdin[] = {"-"};
	char *const *paths = p->nargs ? p->args : only_stdin;
	struct output *out = output_open(p);
	struct stream_writer *w = output_stream(out);
	void *rec = mem_alloc(1, k->fields->size);
	uint64_t skipped = 0;
	struct arena a = {0};
	char *line = NULL;
	size_t cap = 0;
	int status = stream_begin(w, k, NULL, output_step(out)) < 0 ? output_failed(out) : EXIT_OK;

	for (size_t i = 0; status == EXIT_OK && i < MAX(p->nargs, (size_t)1); i++) {
		FILE *f = strcmp(paths[i], "-") ? fopen(paths[i], "r") : stdin;
		uint64_t number = 0;
		ssize_t n = 0;

		if (!f) {
			prog_error(p, "%s: cannot open: %s", paths[i], strerror(errno));
			status = EXIT_FAILED;
			break;
		}
		while (status == EXIT_OK && (n = getline(&line, &cap, f)) >= 0) {
			struct err e;

			number++;
			arena_reset(&a);
			if (field_from_json(k->fields, line, (size_t)n, rec, &a, &e) < 0 ||
				k->check(rec, &e) < 0) {
				prog_error(p, "%s: line %llu: %s", paths[i],
					(unsigned long long)number, e.text);
				skipped++;
				if (p->strict)
					status = EXIT_FAILED;
			} else if (stream_write(w, k, rec) < 0) {
				status = output_failed(out);
			}
		}
		if (ferror(f)) {
			prog_error(p, "%s: cannot read: %s", paths[i], strerror(errno));
			status = EXIT_FAILED;
		}
		if (f != stdin)
			fclose(f);
	}
	if (status == EXIT_OK && stream_end(w, skipped, NULL, 0) < 0)
		status = output_failed(out);
	free(line);
	arena_free(&a);
	mem_free(rec);
	return output_close(out, status);
}

/* ---- streams to text ---- */

/* Where text goes: the file of -o, or stdout. */
static void text_output(struct prog *p)
{
	if (p->output && !freopen(p->output, "w", stdout))
		prog_fail(p, "%s: cannot create: %s", p->output, strerror(errno));
}

static int print_records(struct prog *p, const struct options *o)
{
	struct stream_reader *in = filter_open(p, NULL);
	struct text *text = text_new();
	void *rec = mem_alloc(1, kinds_largest());
	struct arena names = {0};
	struct buf b = {0};
	uint64_t count = 0;
	int got = 0;

	while ((!o->head || count < o->head) && (got = stream_read(in, rec)) > 0) {
		count++;
		buf_reset(&b);
		arena_reset(&names);
		if (o->demangle)
			plain_names(stream_kind(in), rec, &names);
		if (o->json) {
			field_json(&b, stream_kind(in)->fields, rec);
			buf_putc(&b, '\n');
		} else if (o->text) {
			text_record(text, &b, stream_kind(in), rec);
		}
		if (b.n && fwrite(b.p, 1, b.n, stdout) != b.n)
			break; /* prog_end says why */
	}
	if (o->head && count == o->head)
		got = 0;
	if (got < 0)
		prog_error(p, "%s", stream_error(in));
	else if (o->count)
		printf("%llu\n", (unsigned long long)count);
	buf_free(&b);
	arena_free(&names);
	mem_free(rec);
	text_free(text);
	stream_close(in);
	return prog_end(p, got < 0 ? EXIT_FAILED : EXIT_OK);
}

static void header_json(
	const struct stream_header *h, const struct stream_trailer *t, struct buf *b)
{
	buf_puts(b, "{\"header\":");
	field_json(b, &stream_header_fields, h);
	buf_puts(b, ",\"trailer\":");
	field_json(b, &stream_trailer_fields, t);
	buf_puts(b, "}\n");
}

static void header_text(
	const struct stream_header *h, const struct stream_trailer *t, struct buf *b)
{
	const struct provenance *step = h->prov.p;

	buf_printf(b, "kind      %s, version %llu\n", h->kind, (unsigned long long)h->version);
	for (size_t i = 0; i < h->prov.n; i++) {
		buf_printf(b, "%s%s %s", i ? "          " : "made by   ", step[i].tool,
			step[i].version);
		for (size_t k = 0; k < step[i].options.n; k++)
			buf_printf(b, " --%s", step[i].options.p[k]);
		buf_putc(b, '\n');
	}
	buf_printf(b, "records   %llu\nskipped   %llu\ndigest    ", (unsigned long long)t->records,
		(unsigned long long)t->skipped);
	for (size_t i = 0; i < t->digest.n; i++)
		buf_printf(b, "%02x", t->digest.p[i]);
	for (size_t i = 0; i < t->inputs.n; i++)
		buf_printf(b, "%s%02x", i % HASH_BYTES ? "" : "\nfrom      ", t->inputs.p[i]);
	buf_putc(b, '\n');
}

/* Headers and trailers of all members; the records between them are verified. */
static int print_headers(struct prog *p, const struct options *o)
{
	struct stream_reader *in = filter_open(p, NULL);
	struct stream_item item = {0};
	struct buf raw = {0}, b = {0};
	struct arena a = {0};
	void *scratch = NULL;
	void *rec = mem_alloc(1, kinds_largest());
	struct err e;
	int got;

	while ((got = stream_next(in, &item)) > 0) {
		uint64_t count = 0;

		buf_reset(&raw);
		if (item.type == STREAM_RECORDS && stream_unpack(&item, &scratch, &raw, &e) < 0) {
			prog_error(p, "%s: %s", item.file, e.text);
			got = -2;
			break;
		}
		for (size_t at = 0; at < raw.n; count++) {
			ptrdiff_t took;

			arena_reset(&a);
			took = field_decode(
				stream_kind(in)->fields, raw.p + at, raw.n - at, rec, &a, &e);
			if (took < 0 || stream_kind(in)->check(rec, &e) < 0) {
				prog_error(p, "%s: %s", item.file, e.text);
				got = -2;
				break;
			}
			at += (size_t)took;
		}
		if (got < 0)
			break;
		if (stream_account(in, &item, &raw, count, &e) < 0) {
			prog_error(p, "%s", e.text);
			got = -2;
			break;
		}
		if (item.type != STREAM_TRAILER)
			continue;
		buf_reset(&b);
		(o->json ? header_json : header_text)(stream_header(in), &item.trailer, &b);
		fwrite(b.p, 1, b.n, stdout);
	}
	if (got == -1)
		prog_error(p, "%s", stream_error(in));
	stream_item_free(&item);
	stream_unpack_free(scratch);
	buf_free(&raw);
	buf_free(&b);
	arena_free(&a);
	mem_free(rec);
	stream_close(in);
	return prog_end(p, got < 0 ? EXIT_FAILED : EXIT_OK);
}

static int print_cddl(struct prog *p)
{
	struct buf b = {0};

	kinds_cddl(&b);
	fwrite(b.p, 1, b.n, stdout);
	buf_free(&b);
	return prog_end(p, EXIT_OK);
}

int main(int argc, char **argv)
{
	struct options o = {0};
	const struct opt opts[] = {
		{'c', "count", OPT_FLAG, 0, &o.count, NULL, "print only the number of records", 0,
			0},
		{'n', "head", OPT_UINT, OPT_CONTENT, &o.head, "N", "only the first N records", 1,
			UINT64_MAX},
		{'t', "text", OPT_FLAG, 0, &o.text, NULL, "print records as text for people", 0, 0},
		{'j', "json", OPT_FLAG, 0, &o.json, NULL, "print records as JSON, one a line", 0,
			0},
		{'C', "demangle", OPT_FLAG, 0, &o.demangle, NULL,
			"print names of C++, Rust and D as they are in the source (with -t, -j)", 0,
			0},
		{'H', "header", OPT_FLAG, 0, &o.header, NULL,
			"print headers, provenance and trailers (with -j as JSON)", 0, 0},
		{0, "from-json", OPT_TEXT, OPT_CONTENT, &o.from_json, "KIND",
			"read JSON lines and write records of that kind", 0, 0},
		{0, "cddl", OPT_FLAG, 0, &o.cddl, NULL, "print the record kinds as CDDL (RFC 8610)",
			0, 0},
	};
	struct prog p = {
		.name = "bb-cat",
		.operands = "[FILE...]",
		.brief = "concatenate, verify, count and print record streams",
		.detail = "Without options it copies its inputs to one stream and verifies them: "
			  "status 0 means\n"
			  "that every frame was whole and every trailer agreed.",
		.example = "  bb-cat -c strands.bb                  # how many? (and: is it "
			   "undamaged?)\n"
			   "  bb-cat -j functions.bb | jq -r .name\n"
			   "  bb-knn -c corpus.emb queries.emb | bb-cat -t | less",
		.opts = opts,
		.nopts = COUNT_OF(opts),
	};
	bool text;

	prog_start(&p, argc, argv);
	text = o.count || o.json || o.text || o.header || o.cddl;
	if (o.count + o.text + (o.json && !o.header) + o.header + o.cddl + (o.from_json != NULL) >
		1)
		prog_usage(&p, "choose one of -c, -t, -j, -H, --cddl, --from-json");
	if (o.head && (o.header || o.cddl || o.from_json))
		prog_usage(&p, "-n does not go with -H, --cddl or --from-json");
	if (o.demangle && !o.text && (!o.json || o.header))
		prog_usage(&p, "-C goes with -t and -j only");
	if (text)
		text_output(&p);
	if (o.cddl)
		return print_cddl(&p);
	if (o.header)
		return print_headers(&p, &o);
	if (text)
		return print_records(&p, &o);
	if (o.from_json) {
		if (!kinds_find(o.from_json))
			prog_usage(&p, "--from-json: there is no record kind '%s'", o.from_json);
		return from_json(&p, kinds_find(o.from_json));
	}
	if (o.head)
		return head(&p, o.head);
	return filter_map(&p, &(struct filter){.same = true, .work = pass}, NULL);
}
