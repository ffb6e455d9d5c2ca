/*
 * mutants.c: damaged ELF files. Seeded mutations of headers, section tables, symbols, relocations,
 * unwind tables and contents are read and taken apart in child processes with bounded memory and
 * time: no signal, no hang. Then bb-disasm itself, if it has been built beside this test, gets
 * mutants between two good files: one line for each bad file, the good ones unaffected.
 *
 * BB_MUTANTS=N makes N of them (default 400).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "code/archive.h"
#include "code/body.h"
#include "formats/function.h"
#include "formats/kinds.h"
#include "stream/stream.h"
#include "tests/input.h"
#include "tests/unit.h"

enum { BATCH = 50, SECONDS = 4, MEMORY = 512 << 20, CLI_FILES = 40 };

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static char folder[] = "/tmp/bb-mutants-XXXXXX";

static const char source[] =
	"#include <stdio.h>\n"
	"#include <stdlib.h>\n"
	"extern int other(int);\n"
	"int table[3] = {1, 2, 3};\n"
	"__attribute__((weak)) int other(int x) { return x ? other(x - 1) : table[x]; }\n"
	"int choose(int x) { switch (x) { case 0: return other(1); case 1: puts(\"a\"); break;\n"
	"case 2: return 7; case 3: return other(x); case 4: exit(2); case 5: return x * 3; }\n"
	"return 0; }\n"
	"int main(int c, char **v) { printf(\"%s\", v[0]); return choose(c); }\n";

static char *path_of(const char *name)
{
	static struct buf b[4];
	static unsigned next;
	struct buf *p = &b[next++ % 4];

	buf_reset(p);
	buf_printf(p, "%s/%s", folder, name);
	return buf_text(p);
}

static void save(const char *path, struct input in)
{
	FILE *f = fopen(path, "w");

	CHECK(f && fwrite(in.p, 1, in.n, f) == in.n && fclose(f) == 0);
}

static struct input compile(const char *options)
{
	struct buf command = {0};
	const char *cc = getenv("CC");
	struct input in;

	save(path_of("x.c"), (struct input){(uint8_t *)source, sizeof(source) - 1});
	buf_printf(
		&command, "%s %s -o %s %s", cc ? cc : "cc", options, path_of("x"), path_of("x.c"));
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	in = load(path_of("x"));
	CHECK(in.n > sizeof(Elf64_Ehdr));
	return in;
}

/* The same for another architecture, by clang and lld, without headers or libraries. */
static struct input cross(const char *target, const char *options)
{
	static const char plain[] =
		"extern int puts(const char *); extern void exit(int) __attribute__((noreturn));\n"
		"int table[3] = {1, 2, 3}; extern int other(int);\n"
		"__attribute__((weak)) int other(int x) { return x ? other(x - 1) : table[x]; }\n"
		"int choose(int x) { switch (x) { case 0: return other(1); case 1: puts(\"a\"); "
		"break;\ncase 2: return 7; case 3: return other(x); case 4: exit(2); case 5: "
		"return x * 3; }\nreturn 0; }\n";
	struct buf command = {0};
	struct input in;

	save(path_of("x.c"), (struct input){(uint8_t *)plain, sizeof(plain) - 1});
	buf_printf(&command, "clang-14 --target=%s -O2 -fPIC -nostdlib %s %s -o %s %s", target,
		strstr(options, "-c") ? "" : "-fuse-ld=lld", options, path_of("x"), path_of("x.c"));
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	in = load(path_of("x"));
	CHECK(in.n > sizeof(Elf64_Ehdr));
	return in;
}

/* An archive of the two, one of them with a long name. */
static struct input archive(struct input a, struct input b)
{
	struct buf command = {0};
	struct input in;

	save(path_of("a.o"), a);
	save(path_of("a-name-longer-than-sixteen.o"), b);
	buf_printf(&command, "cd %s && ar rcs x.a a.o a-name-longer-than-sixteen.o", folder);
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	in = load(path_of("x.a"));
	CHECK(archive_is(in.p, in.n));
	return in;
}

/* The names and sizes of members come out as they went in. */
static void members(struct input in, struct input a, struct input b)
{
	struct arena names = {0};
	struct archive walk = archive_open(in.p, in.n, &names);
	struct archive_member m;
	struct err e;

	CHECK(archive_next(&walk, &m, &e) == 1);
	CHECK(!strcmp(m.name, "a.o") && m.n == a.n && !memcmp(m.p, a.p, a.n));
	CHECK(archive_next(&walk, &m, &e) == 1);
	CHECK(!strcmp(m.name, "a-name-longer-than-sixteen.o") && m.n == b.n);
	CHECK(archive_next(&walk, &m, &e) == 0);
	arena_free(&names);
}

/* ---- mutations ---- */

static uint64_t nasty(struct rng *r, size_t n)
{
	switch (rng_below(r, 9)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return UINT64_MAX;
	case 3: return UINT64_MAX - rng_below(r, 64);
	case 4: return n;
	case 5: return n - 1 - rng_below(r, 64);
	case 6: return UINT64_C(1) << rng_below(r, 64);
	case 7: return rng_below(r, n);
	default: return rng_u64(r);
	}
}

/* Writes a nasty number of 1, 2, 4 or 8 bytes somewhere in [from, to). */
static void poke(struct input in, size_t from, size_t to, struct rng *r)
{
	size_t size = (size_t)1 << rng_below(r, 4), at;
	uint64_t v = nasty(r, in.n);

	if (to > in.n || from >= to || to - from < size)
		return;
	at = from + rng_below(r, to - from - size + 1);
	if (rng_below(r, 2))
		at -= (at - from) % size; /* where fields are */
	memcpy(in.p + at, &v, size);
}

/* A number of an ELF file, in its byte order. */
static size_t number(const uint8_t *file, size_t at, unsigned size)
{
	size_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (size_t)file[at + i] << 8 * (file[EI_DATA] == ELFDATA2MSB ? size - 1 - i : i);
	return v;
}

/* Where things are in a file of either class. */
struct shape {
	size_t header, phoff, phsize, phnum, shoff, shsize, shnum;
};

static struct shape shape_of(const uint8_t *f)
{
	if (f[EI_CLASS] == ELFCLASS64)
		return (struct shape){sizeof(Elf64_Ehdr), number(f, 32, 8), sizeof(Elf64_Phdr),
			number(f, 56, 2), number(f, 40, 8), sizeof(Elf64_Shdr), number(f, 60, 2)};
	return (struct shape){sizeof(Elf32_Ehdr), number(f, 28, 4), sizeof(Elf32_Phdr),
		number(f, 44, 2), number(f, 32, 4), sizeof(Elf32_Shdr), number(f, 48, 2)};
}

/* Pokes into a random section, or into the section table. */
static void poke_section(struct input in, const uint8_t *good, const struct shape *s, struct rng *r)
{
	size_t at = s->shoff + rng_below(r, s->shnum) * s->shsize;
	bool wide = good[EI_CLASS] == ELFCLASS64;

	if (rng_below(r, 2)) {
		poke(in, at, at + s->shsize, r);
	} else if (number(good, at + 4, 4) != SHT_NOBITS) {
		size_t offset = number(good, at + (wide ? 24 : 16), wide ? 8 : 4);

		poke(in, offset, offset + number(good, at + (wide ? 32 : 20), wide ? 8 : 4), r);
	}
}

/* A damaged copy of an archive: half of the changes in text, where its headers are. */
static struct input mutate_archive(struct input good, struct rng *r)
{
	static const char text[] = "0123456789 /#`\n";
	struct input in = {mem_alloc(good.n, 1), good.n};
	size_t header = 8;

	memcpy(in.p, good.p, good.n);
	for (unsigned k = 1 + (unsigned)rng_below(r, 6); k; k--) {
		char digits[11] = "";

		poke(in, 0, in.n, r);
		/* some header on the way */
		for (header = 8; header + 60 < in.n && rng_below(r, 4);) {
			memcpy(digits, good.p + header + 48, 10);
			header += 60 + ((strtoul(digits, NULL, 10) + 1) & ~1ul);
		}
		if (header + 60 <= in.n)
			in.p[header + rng_below(r, 60)] = (uint8_t)text[rng_below(r, sizeof(text))];
	}
	if (!rng_below(r, 8))
		in.n = rng_below(r, in.n);
	return in;
}

/* A damaged copy. */
static struct input mutate(struct input good, struct rng *r)
{
	struct shape s = shape_of(good.p);
	struct input in = {mem_alloc(good.n, 1), good.n};
	unsigned changes = 1 + (unsigned)rng_below(r, 4);

	memcpy(in.p, good.p, good.n);
	while (changes--) {
		switch (rng_below(r, 8)) {
		case 0: poke(in, 4, s.header, r); break;
		case 1: poke(in, 0, in.n, r); break;
		case 2: poke(in, s.phoff, s.phoff + s.phnum * s.phsize, r); break;
		default: poke_section(in, good.p, &s, r); break;
		}
	}
	if (!rng_below(r, 12))
		in.n = rng_below(r, in.n);
	return in;
}

/* ---- in a child process ---- */

static void take_apart(struct input in, unsigned flags, struct insn_decoder *d, struct body *b)
{
	struct err e;
	struct image *im = image_new(in.p, in.n, flags, &(struct survey_crew){&d, NULL}, &e);

	for (size_t i = 0; im && i < im->functions.n; i++) {
		if (body_build(b, d, im, &im->functions.f[i]) < 0)
			continue;
	}
	image_free(im);
}

/* All members of a damaged archive; the walk must end. */
static void take_members_apart(struct input in, struct insn_decoder *d, struct body *b)
{
	struct arena names = {0};
	struct archive a = archive_open(in.p, in.n, &names);
	struct archive_member m;
	struct err e;

	while (archive_is(in.p, in.n) && archive_next(&a, &m, &e) > 0) {
		struct input member;

		if (!m.p) /* of a thin archive */
			continue;
		/* a copy, so that nothing can be read beyond the member unseen */
		member = (struct input){mem_alloc(m.n, 1), m.n};
		memcpy(member.p, m.p, m.n);
		take_apart(member, 0, d, b);
		mem_free(member.p);
	}
	arena_free(&names);
}

static void limit(void)
{
	struct rlimit memory = {MEMORY, MEMORY}, core = {0, 0};

	setrlimit(RLIMIT_CORE, &core);
	if (!SANITIZED)
		setrlimit(RLIMIT_AS, &memory);
}

/* Mutants first to end-1; the child's exit status is 0 when all went well. */
static int batch(const struct input *good, size_t ngood, unsigned first, unsigned end)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0) {
		struct insn_decoder *d = insn_open(ARCH_X86_64);
		struct body b = {0};

		limit();
		for (unsigned i = first; i < end; i++) {
			struct rng r = rng_new(7, i);
			bool archive = archive_is(good[i % ngood].p, good[i % ngood].n);
			struct input in = (archive ? mutate_archive : mutate)(good[i % ngood], &r);

			alarm(SECONDS);
			if (archive)
				take_members_apart(in, d, &b);
			else
				take_apart(in, i & 1 ? IMAGE_IGNORE_SYMBOLS : 0, d, &b);
			mem_free(in.p);
		}
		body_free(&b);
		insn_close(d);
		_exit(0);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	if (status)
		fprintf(stderr, "mutants %u to %u: status 0x%x\n", first, end - 1, status);
	return status;
}

/* ---- bb-disasm ---- */

static char *program(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);

	CHECK(n > 0);
	path[n] = 0;
	strcat(dirname(path), "/../bin/bb-disasm");
	return access(path, X_OK) ? NULL : path;
}

/* Runs the program on good, mutants, good; its exit status. Lines on stderr in *lines. */
static int run(char *bin, char **paths, size_t n, unsigned *lines)
{
	char *argv[CLI_FILES + 16], *errors = path_of("errors");
	size_t a = 0;
	int status;
	pid_t child;
	FILE *f;

	argv[a++] = bin;
	argv[a++] = "-t2";
	argv[a++] = "-o";
	argv[a++] = path_of("out");
	for (size_t i = 0; i < n; i++)
		argv[a++] = paths[i];
	argv[a] = NULL;
	child = fork();
	if (child == 0) {
		limit();
		alarm(SECONDS * 10);
		if (!freopen(errors, "w", stderr))
			_exit(99);
		execv(bin, argv);
		_exit(98);
	}
	CHECK(child > 0 && waitpid(child, &status, 0) == child);
	*lines = 0;
	f = fopen(errors, "r");
	CHECK(f != NULL);
	for (int c; (c = getc(f)) != EOF;)
		*lines += c == '\n';
	fclose(f);
	return status;
}

/* Records of the file of that name in the output. */
static size_t records(const char *name)
{
	char *path = path_of("out");
	struct stream_reader *s = stream_open(&path, 1, &function_kind, kinds_all);
	struct function f;
	size_t n = 0;
	int got;

	while ((got = stream_read(s, &f)) > 0)
		n += !strcmp(f.file, name);
	CHECK(got == 0);
	stream_close(s);
	return n;
}

static void command_line(const struct input *good, size_t ngood)
{
	char *bin = program(), *paths[CLI_FILES + 2];
	unsigned lines, alone;
	struct buf name = {0};

	if (!bin) {
		printf("bb-disasm is not built: the library alone was tested\n");
		return;
	}
	for (unsigned i = 0; i < CLI_FILES; i++) {
		struct rng r = rng_new(8, i);
		struct input in = mutate(good[i % ngood], &r);

		buf_reset(&name);
		buf_printf(&name, "m%u", i);
		paths[i + 1] = mem_strdup(path_of(buf_text(&name)));
		save(paths[i + 1], in);
		mem_free(in.p);
	}
	save(path_of("good"), good[0]);
	paths[0] = mem_strdup(path_of("good"));
	CHECK(run(bin, paths, 1, &lines) == 0 && lines == 0);
	alone = (unsigned)records("good");
	CHECK(alone >= 3);
	paths[CLI_FILES + 1] = paths[0];
	CHECK(run(bin, paths, CLI_FILES + 2, &lines) == 0);
	CHECK(lines > 3 && lines <= CLI_FILES);
	CHECK(records("good") == 2 * alone);
	printf("bb-disasm: %u of %d mutants refused, good files unaffected\n", lines, CLI_FILES);
	for (unsigned i = 0; i <= CLI_FILES; i++)
		mem_free(paths[i]);
	buf_free(&name);
}

int main(void)
{
	const char *env = getenv("BB_MUTANTS");
	unsigned n = env ? (unsigned)strtoul(env, NULL, 10) : 400, bad = 0;
	struct input good[16];
	struct buf command = {0};

	CHECK(mkdtemp(folder) != NULL);
	good[0] = compile("-c -O1 -fPIC -g");
	good[1] = compile("-O2 -fPIE -pie");
	good[2] = compile("-O0 -fno-pie -no-pie");
	good[3] = compile("-c -O2 -ffunction-sections");
	good[4] = load("/bin/ls");
	good[5] = cross("i386-linux-gnu", "-shared");
	good[6] = cross("aarch64-linux-gnu", "-shared");
	good[7] = cross("aarch64-linux-gnu", "-c");
	good[8] = cross("mips-linux-gnu", "-shared");
	good[9] = cross("mipsel-linux-gnu", "-shared");
	good[10] = cross("mips-linux-gnu", "-c");
	good[11] = cross("arm-linux-gnueabihf -mthumb", "-shared -funwind-tables");
	good[12] = cross("arm-linux-gnueabihf -marm", "-shared");
	good[13] = cross("arm-linux-gnueabihf -mthumb", "-c -funwind-tables");
	good[14] = cross("armeb-linux-gnueabihf -mthumb", "-c");
	good[15] = archive(good[0], good[3]); /* the last */
	members(good[15], good[0], good[3]);
	for (unsigned i = 0; i < n; i += BATCH)
		bad += batch(good, COUNT_OF(good), i, MIN(i + BATCH, n)) != 0;
	CHECK(bad == 0);
	printf("%u mutants in batches of %d, %u batches failed\n", n, BATCH, bad);
	command_line(good, COUNT_OF(good) - 1);
	buf_printf(&command, "rm -r %s", folder);
	CHECK(system(buf_text(&command)) == 0);
	buf_free(&command);
	for (size_t i = 0; i < COUNT_OF(good); i++)
		mem_free(good[i].p);
	return unit_done();
}
