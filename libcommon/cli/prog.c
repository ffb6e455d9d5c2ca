/*
 * prog.c: options, help, messages; see prog.h.
 */
#include "cli/prog.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/par.h"

enum { LONG_ONLY = 256 }; /* option i is LONG_ONLY + i to getopt_long */

/* The options every program has; -h and -V act at once and set nothing. */
enum { C_HELP, C_VERSION, C_VERBOSE, C_QUIET, C_THREADS, C_STRICT, C_OUTPUT, C_COUNT };

static void common_options(struct prog *p, struct opt c[C_COUNT])
{
	c[C_HELP] = (struct opt){'h', "help", OPT_FLAG, 0, NULL, NULL, "print this help", 0, 0};
	c[C_VERSION] =
		(struct opt){'V', "version", OPT_FLAG, 0, NULL, NULL, "print the version", 0, 0};
	c[C_VERBOSE] = (struct opt){
		'v', "verbose", OPT_FLAG, 0, &p->verbose, NULL, "say more on stderr", 0, 0};
	c[C_QUIET] = (struct opt){
		'q', "quiet", OPT_FLAG, 0, &p->quiet, NULL, "only errors on stderr", 0, 0};
	c[C_THREADS] = (struct opt){'t', "threads", OPT_UINT, 0, &p->threads, "N",
		"threads to use (default: all processors)", 1, PAR_MAX};
	c[C_STRICT] = (struct opt){0, "strict", OPT_FLAG, 0, &p->strict, NULL,
		"fail at the first bad input instead of skipping it", 0, 0};
	c[C_OUTPUT] = (struct opt){'o', "output", OPT_TEXT, 0, &p->output, "FILE",
		"write to FILE instead of stdout", 0, 0};
}

static void vsay(const struct prog *p, const char *fmt, va_list ap)
{
	struct buf b = {0};

	buf_printf(&b, "%s: ", p->name);
	buf_vprintf(&b, fmt, ap);
	/* Names in messages come from input: one line, and nothing that steers a terminal. */
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] < ' ' || b.p[i] == 0x7f)
			b.p[i] = '?';
	buf_putc(&b, '\n');
	fwrite(b.p, 1, b.n, stderr);
	buf_free(&b);
}

void prog_warn(const struct prog *p, const char *fmt, ...)
{
	va_list ap;

	if (p->quiet)
		return;
	va_start(ap, fmt);
	vsay(p, fmt, ap);
	va_end(ap);
}

void prog_note(const struct prog *p, const char *fmt, ...)
{
	va_list ap;

	if (!p->verbose)
		return;
	va_start(ap, fmt);
	vsay(p, fmt, ap);
	va_end(ap);
}

void prog_error(const struct prog *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(p, fmt, ap);
	va_end(ap);
}

void prog_fail(const struct prog *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(p, fmt, ap);
	va_end(ap);
	exit(EXIT_FAILED);
}

static void synopsis(const struct prog *p, FILE *to)
{
	fprintf(to, "usage: %s [OPTION...]%s%s\n", p->name, p->operands ? " " : "",
		p->operands ? p->operands : "");
}

void prog_usage(const struct prog *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsay(p, fmt, ap);
	va_end(ap);
	synopsis(p, stderr);
	fprintf(stderr, "'%s -h' explains the options\n", p->name);
	exit(EXIT_USAGE);
}

static void help_option(const struct opt *o)
{
	char left[64];

	snprintf(left, sizeof(left), "%s%c%s--%s%s%s", o->c ? "-" : "  ", o->c ? o->c : ' ',
		o->c ? ", " : " ", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	if (strlen(left) > 26)
		printf("  %s\n  %-26s  %s\n", left, "", o->help);
	else
		printf("  %-26s  %s\n", left, o->help);
}

static _Noreturn void help(struct prog *p, const struct opt *common, size_t ncommon)
{
	printf("%s - %s\n\n", p->name, p->brief);
	synopsis(p, stdout);
	if (p->detail)
		printf("\n%s\n", p->detail);
	if (p->nopts)
		printf("\noptions:\n");
	for (size_t i = 0; i < p->nopts; i++)
		help_option(&p->opts[i]);
	printf("\ncommon options:\n");
	for (size_t i = 0; i < ncommon; i++)
		help_option(&common[i]);
	printf("\nexample:\n%s\n\nman 1 %s says more, man 7 bb is the map of the suite.\n",
		p->example, p->name);
	exit(prog_end(p, EXIT_OK));
}

static bool parse_uint(const char *s, uint64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoull(s, &end, 0);
	return *s >= '0' && *s <= '9' && !*end && !errno;
}

static bool parse_int(const char *s, int64_t *v)
{
	char *end;

	errno = 0;
	*v = strtoll(s, &end, 0);
	return ((*s >= '0' && *s <= '9') || *s == '-') && end != s && !*end && !errno;
}

static bool parse_real(const char *s, double *v)
{
	char *end;

	*v = strtod(s, &end);
	return end != s && !*end && isfinite(*v) && *s != ' ';
}

static void set(const struct prog *p, const struct opt *o, const char *arg)
{
	struct opt_list *list = o->dst;
	uint64_t u;
	int64_t i;

	switch (o->type) {
	case OPT_FLAG: *(bool *)o->dst = true; break;
	case OPT_TEXT: *(const char **)o->dst = arg; break;
	case OPT_LIST:
		list->p = mem_grow(list->p, &list->cap, list->n + 1, sizeof(*list->p));
		list->p[list->n++] = arg;
		break;
	case OPT_UINT:
		if (!parse_uint(arg, &u) || ((o->min || o->max) && (u < o->min || u > o->max)))
			prog_usage(p, "--%s: '%s' is not a whole number%s", o->name, arg,
				o->min || o->max ? " in the allowed range" : "");
		*(uint64_t *)o->dst = u;
		break;
	case OPT_INT:
		if (!parse_int(arg, &i) ||
			((o->min || o->max) && (i < (int64_t)o->min || i > (int64_t)o->max)))
			prog_usage(p, "--%s: '%s' is not a whole number%s", o->name, arg,
				o->min || o->max ? " in the allowed range" : "");
		*(int64_t *)o->dst = i;
		break;
	case OPT_REAL:
		if (!parse_real(arg, o->dst))
			prog_usage(p, "--%s: '%s' is not a number", o->name, arg);
		break;
	}
}

/* The text is kept to the end of the process. */
static void add_content(struct prog *p, struct buf *text)
{
	p->content.p =
		mem_grow(p->content.p, &p->content.cap, p->content.n + 1, sizeof(*p->content.p));
	p->content.p[p->content.n++] = buf_text(text);
}

int prog_content_file(struct prog *p, const char *name, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct hash *h = hash_new();
	uint8_t digest[HASH_BYTES];
	struct buf b = {0};
	char part[1 << 16];
	size_t n;
	bool bad = !f;

	while (f && (n = fread(part, 1, sizeof(part), f)) > 0)
		hash_put(h, part, n);
	bad |= f && ferror(f);
	if (f)
		fclose(f);
	hash_get(h, digest);
	hash_free(h);
	if (bad)
		return -1;
	buf_printf(&b, "%s=", name);
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(&b, "%02x", digest[i]);
	add_content(p, &b);
	return 0;
}

void prog_content(struct prog *p, const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	add_content(p, &b);
}

/* Every content option that was given or is not at its zero: "unit=strand". */
static void record_content(struct prog *p, const bool *given)
{
	for (size_t i = 0; i < p->nopts; i++) {
		const struct opt *o = &p->opts[i];
		const struct opt_list *list = o->dst;
		struct buf b = {0};

		if (!(o->flags & OPT_CONTENT) || (o->type == OPT_FLAG && !*(bool *)o->dst) ||
			(o->type == OPT_UINT && !given[i] && !*(uint64_t *)o->dst) ||
			(o->type == OPT_TEXT && !*(const char **)o->dst) ||
			(o->type == OPT_LIST && !list->n))
			continue;
		buf_puts(&b, o->name);
		switch (o->type) {
		case OPT_FLAG: break;
		case OPT_UINT:
			buf_printf(&b, "=%llu", (unsigned long long)*(uint64_t *)o->dst);
			break;
		case OPT_INT: buf_printf(&b, "=%lld", (long long)*(int64_t *)o->dst); break;
		case OPT_REAL: buf_printf(&b, "=%.17g", *(double *)o->dst); break;
		case OPT_TEXT: buf_printf(&b, "=%s", *(const char **)o->dst); break;
		case OPT_LIST:
			for (size_t k = 0; k < list->n; k++)
				buf_printf(&b, "%c%s", k ? ' ' : '=', list->p[k]);
			break;
		}
		add_content(p, &b);
	}
}

void prog_start(struct prog *p, int argc, char **argv)
{
	struct opt common[C_COUNT];
	size_t ncommon = p->no_output ? C_OUTPUT : C_COUNT, n = p->nopts + ncommon, at = 0;
	struct option *table = mem_zalloc(n + 1, sizeof(*table));
	const struct opt **all = mem_alloc(n, sizeof(const struct opt *));
	char *letters = mem_zalloc(2 * n + 2, 1);
	bool *given = mem_zalloc(n, sizeof(*given));
	int c;

	p->threads = par_cpus();
	common_options(p, common);
	/* A program may give a common letter another meaning (bb-cat -t); the long name stays. */
	for (size_t i = 0; i < ncommon; i++)
		for (size_t k = 0; k < p->nopts; k++)
			if (common[i].c == p->opts[k].c)
				common[i].c = 0;
	letters[at++] = ':';
	for (size_t i = 0; i < n; i++) {
		const struct opt *o = all[i] = i < p->nopts ? &p->opts[i] : &common[i - p->nopts];

		table[i] = (struct option){o->name,
			o->type == OPT_FLAG ? no_argument : required_argument, NULL,
			LONG_ONLY + (int)i};
		if (o->c) {
			letters[at++] = o->c;
			if (o->type != OPT_FLAG)
				letters[at++] = ':';
		}
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, letters, table, NULL)) != -1) {
		const struct opt *o;
		size_t at_opt = 0;

		if (c == '?' || c == ':') {
			const char *what = argv[optind - 1];
			char letter[3] = {'-', (char)optopt, '\0'};

			if (optopt > 0 && optopt < 256)
				what = letter;
			prog_usage(p,
				c == ':' ? "option %s needs an argument" : "unknown option %s",
				what);
		}
		while (c != LONG_ONLY + (int)at_opt && (c >= LONG_ONLY || all[at_opt]->c != c))
			at_opt++;
		o = all[at_opt];
		given[at_opt] = true;
		if (o == &common[C_HELP])
			help(p, common, ncommon);
		if (o == &common[C_VERSION]) {
			printf("%s %s\n", p->name, BB_VERSION);
			exit(prog_end(p, EXIT_OK));
		}
		set(p, o, optarg);
	}
	p->args = argv + optind;
	p->nargs = (size_t)(argc - optind);
	if (!p->operands && p->nargs)
		prog_usage(p, "takes no operand, got '%s'", p->args[0]);
	record_content(p, given);
	mem_free(given);
	mem_free(table);
	mem_free(all);
	mem_free(letters);
}

int prog_end(struct prog *p, int status)
{
	bool bad = ferror(stdout);

	if (fclose(stdout) != 0 || bad) {
		prog_error(p, "stdout: cannot write: %s", strerror(errno ? errno : EIO));
		return EXIT_FAILED;
	}
	return status;
}

const char *prog_model(const char *name)
{
	static const char *const places[] = {"share/bb/models", "../models"};
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct buf b = {0};

	if (n <= 0 || !*name || strchr(name, '/') || access(name, F_OK) == 0)
		return name;
	self[n] = '\0';
	for (int up = 0; up < 2; up++) /* PREFIX/bin/program */
		if (strrchr(self, '/'))
			*strrchr(self, '/') = '\0';
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		buf_reset(&b);
		buf_printf(&b, "%s/%s/%s", self, places[i], name);
		if (access(buf_text(&b), F_OK) == 0)
			return (char *)b.p;
	}
	buf_free(&b);
	return name;
}
