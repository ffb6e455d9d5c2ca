# bb: `make` builds the programs into build/bin, `make demo` runs the main job, `make check` tests;
# `make help` names the rest. Sources are found, not listed: a new file needs no line here.

.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

O      ?= build
PREFIX ?= /usr/local
SAN    ?= 0
PYTHON ?= /usr/bin/python3
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g

SAN_1      := -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_fuzz   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN_thread := -fsanitize=thread
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ALL  := -std=c11 -D_GNU_SOURCE -Ilibcommon -I. $(WARN) -fno-math-errno -pthread $(SAN_$(SAN))
LIBS := -lcapstone -ldw -lelf -liberty -lz3 -lzstd -ljansson -ldnnl -lgomp -lxxhash -lbsd -lm -ldl

# One archive of everything in libcommon and formats; a program takes from it what it uses.
LIB_SRC := $(wildcard libcommon/*/*.c formats/*.c)
PROGS   := $(sort $(basename $(notdir $(wildcard filters/bb-*))))
TESTS   := $(wildcard tests/unit/*.c tests/fuzz/*.c tests/lib/*.c)
SRC     := $(LIB_SRC) $(wildcard filters/*.c filters/*/*.c) $(TESTS)

all: $(PROGS:%=$O/bin/%)

# What is missing is installed first; the stamps make that cost nothing afterwards.
$O/.deps-%: scripts/install-deps
	@mkdir -p $(@D)
	@scripts/install-deps $*
	@touch $@
$O/.deps-check $O/.deps-demo $O/.deps-paper $O/.deps-peers: | $O/.deps-build

compile = $(CC) $(ALL) $(CFLAGS) -MMD -MP -c -o $@ $<
link    = $(CC) $(ALL) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $O/libbb.a -Wl,--as-needed $(LIBS)

$O/%.o: %.c | $O/.deps-build
	@mkdir -p $(@D)
	$(compile)
$(TESTS:%.c=$O/%.o): | $O/.deps-check
-include $(SRC:%.c=$O/%.d)

$O/libbb.a: $(LIB_SRC:%.c=$O/%.o)
	@rm -f $@
	$(AR) rcs $@ $^

define program
$O/bin/$1: $(patsubst %.c,$O/%.o,$(wildcard filters/$1.c filters/$1/*.c)) $O/libbb.a
	@mkdir -p $$(@D)
	$$(link)
endef
$(foreach p,$(PROGS),$(eval $(call program,$p)))

# ---- tests ---------------------------------------------------------------------------------------

UNIT := $(patsubst tests/unit/%.c,$O/unit/%,$(wildcard tests/unit/*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$O/fuzz/%,$(filter-out %/replay.c,$(wildcard tests/fuzz/*.c)))
HELP := $(patsubst tests/lib/%.c,$O/lib/%,$(wildcard tests/lib/*.c))

$O/unit/%: $O/tests/unit/%.o $O/libbb.a
	@mkdir -p $(@D)
	$(link) -lcbor
# Replays its corpus; with CC=clang-14 SAN=fuzz it is a libFuzzer program.
$O/fuzz/%: $O/tests/fuzz/%.o $(if $(filter-out fuzz,$(SAN)),$O/tests/fuzz/replay.o) $O/libbb.a
	@mkdir -p $(@D)
	$(link) $(if $(filter fuzz,$(SAN)),-fsanitize=fuzzer)
$O/lib/%: $O/tests/lib/%.o $O/libbb.a
	@mkdir -p $(@D)
	$(link)
$O/lib/failio: tests/lib/failio.c | $O/.deps-check
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) -fPIC -shared -o $@ $< -ldl

unit: $(UNIT)
fuzz: $(FUZZ)
tests: all $(UNIT) $(HELP)
# The programs once more with AddressSanitizer and UBSan, for the tests with damaged input.
tests-san: | $O/.deps-check
	+@$(MAKE) O=$O/san SAN=1 all fuzz
tests-fuzz: | $O/.deps-check
	+@$(MAKE) O=$O/fuzzer SAN=fuzz CC=clang-14 fuzz

check: tests tests-san
	$(PYTHON) tests/run.py $O
check-long: tests tests-san tests-fuzz
	+@$(MAKE) O=$O/san SAN=1 unit
	$(PYTHON) tests/run.py --long $O

# Against PyTorch, transformers, tokenizers and others, in a Python environment of their own.
$O/venv/.done: tests/peers/requirements.txt | $O/.deps-peers
	$(PYTHON) -m venv $O/venv
	$O/venv/bin/pip install -q -r $<
	@touch $@
check-peers: all $O/venv/.done
	for t in tests/peers/*.py; do \
		echo "== $$t"; BB=$(abspath $O)/bin O=$(abspath $O) $O/venv/bin/python $$t || exit 1; done

demo: all | $O/.deps-demo
	+@$(MAKE) --no-print-directory -f scripts/demo.mk BB=$O/bin D=$O/demo

paper: all | $O/.deps-paper
	+@$(MAKE) --no-print-directory -f scripts/paper.mk BB=$O/bin/ paper plots

# ---- the rest ------------------------------------------------------------------------------------

MAN  := $(wildcard man/*.[1-8])
DOC  := README.md LICENSE formats/bb.cddl scripts/pipeline.mk
DOCS := $(DESTDIR)$(PREFIX)/share/doc/bb

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DOCS)
	install -m 755 $(PROGS:%=$O/bin/%) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(DOC) $(DOCS)
	for m in $(MAN); do \
		d=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}; install -d $$d && install -m 644 $$m $$d || exit 1; done

uninstall:
	rm -f $(PROGS:%=$(DESTDIR)$(PREFIX)/bin/%) $(foreach m,$(MAN),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $m))/$(notdir $m))
	rm -rf $(DOCS)

deps:
	scripts/install-deps build check demo

config:
	@scripts/config '$(CC)' '$(CFLAGS)' '$(SAN)' '$O' '$(PREFIX)'

clean:
	rm -rf $O

help:
	@sed -n '/^## /s///p' Makefile

## make              the programs, in build/bin
## make demo         from real ELF files to similar functions, in minutes
## make paper        the experiments of the BinBert paper, on a corpus of scripts/corpus.mk: hours
## make check        all tests; check-long: for hours; check-peers: against PyTorch and others
## make install      into PREFIX (/usr/local), below DESTDIR; uninstall
## make config       what was found: compiler, libraries, CUDA
## make deps         installs the Debian packages that build, tests and demo need
## make clean        removes build/
##
## O=DIR builds into DIR, SAN=1 with AddressSanitizer and UBSan, SAN=thread with ThreadSanitizer;
## CC, CFLAGS and LDFLAGS as usual.

.PHONY: all unit fuzz tests tests-san tests-fuzz check check-long check-peers demo paper install uninstall \
	deps config clean help
