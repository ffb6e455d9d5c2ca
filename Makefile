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
CUDA   ?= auto
PYTHON ?= /usr/bin/python3
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g

SAN_1      := -fsanitize=address,undefined -fno-sanitize-recover=all
SAN_fuzz   := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SAN_thread := -fsanitize=thread
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ALL  := -std=c11 -D_GNU_SOURCE -Ilibcommon -I. $(WARN) -fno-math-errno -pthread $(SAN_$(SAN))
LIBS := -lcapstone -ldw -lelf -liberty -lz3 -lzstd -ljansson -ldnnl -lgomp -lxxhash -lunicorn -lbsd -lm -ldl

# One archive of everything in libcommon and formats; a program takes from it what it uses.
LIB_SRC := $(filter-out libcommon/nn/nn_cuda%,$(wildcard libcommon/*/*.c formats/*.c))
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

# ---- CUDA: a shared object that programs open when they are asked to; see libcommon/nn/nn_open.h ---

CUDA_C  := $(wildcard libcommon/nn/nn_cuda*.c) libcommon/base/mem.c libcommon/base/buf.c
CUDA_CU := $(wildcard libcommon/nn/kernels*.cu)
CUDA_AT := $(if $(filter 0,$(CUDA)),,$(shell scripts/find-cuda))
NVCC    := $(word 1,$(CUDA_AT))
ifeq ($(CUDA)$(NVCC),1)
$(error CUDA=1, but $(shell scripts/find-cuda -v 2>&1))
endif
shared = $(CC) $(ALL) $(CFLAGS) -fPIC -fvisibility=hidden -MMD -MP -c -o $@

$O/cuda/%.o: %.c | $O/.deps-build
	@mkdir -p $(@D)
	$(shared) -isystem $(word 2,$(CUDA_AT)) $<
# What the assembler says of registers and spills is kept beside the object, for tests/check/cuda.py.
$O/cuda/%.o: %.cu
	@mkdir -p $(@D)
	$(NVCC) -std=c++14 -O3 -Ilibcommon -I. -Xcompiler -fPIC,-fvisibility=hidden,-fno-exceptions,-fno-threadsafe-statics \
		-gencode arch=compute_80,code=sm_80 -gencode arch=compute_90,code=sm_90 \
		-gencode arch=compute_90,code=compute_90 -Xptxas -v -MMD -MP -c -o $@ $< 2> $@.log || { cat $@.log >&2; exit 1; }
	@grep -i warning $@.log >&2 || :
$O/lib/bb/nn_cuda.so: $(CUDA_C:%.c=$O/cuda/%.o) $(CUDA_CU:%.cu=$O/cuda/%.o)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -shared -Wl,-z,defs -o $@ $^ -L$(word 3,$(CUDA_AT)) \
		-Wl,-rpath,$(word 3,$(CUDA_AT)),-rpath,/usr/local/cuda/lib64 \
		-lcublasLt -lcudart_static -ldl -lrt -lpthread -lm
$O/cuda/lt: tests/cuda/lt.c libcommon/nn/nn_cuda_gemm.c $O/cuda/libcommon/base/mem.o | $O/.deps-check
	@mkdir -p $(@D)
	$(CC) $(ALL) $(CFLAGS) -isystem $(word 2,$(CUDA_AT)) -o $@ $< $O/cuda/libcommon/base/mem.o \
		-L$(word 3,$(CUDA_AT)) -Wl,-rpath,$(word 3,$(CUDA_AT)) -lcublasLt
all: $(if $(NVCC),$O/lib/bb/nn_cuda.so)

# The same sources for a device that tests/cuda emulates, and programs that find it: O/emu/bin.
EMU_CU := $(CUDA_CU:%.cu=$O/emu/%.o)
EMU    := $(patsubst %,$O/emu/tests/cuda/%.o,device runtime watch)
EMU_C  := $(CUDA_C:%.c=$O/emu/%.o) $(EMU)
$(EMU_C): $O/emu/%.o: %.c | $O/.deps-check
	@mkdir -p $(@D)
	$(shared) -Itests/cuda/include $<
$(EMU_CU): $O/emu/%.o: %.cu
	@mkdir -p $(@D)
	$(shared) -include tests/cuda/device.h -x c $<
$O/emu/lib/bb/nn_cuda.so: $(EMU_C) $(EMU_CU)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -shared -o $@ $^ -lm
$O/emu/bin/%: $O/bin/% | $O/emu/lib/bb/nn_cuda.so
	@mkdir -p $(@D)
	ln -f $< $@
$O/emu/bin/parity: $O/lib/parity | $O/emu/lib/bb/nn_cuda.so
	@mkdir -p $(@D)
	ln -f $< $@
$O/emu/bin/gpu: $O/bench/gpu | $O/emu/lib/bb/nn_cuda.so
	@mkdir -p $(@D)
	ln -f $< $@
# Once more with each access of the kernels checked (tests/cuda/watch.c), and kernels that are wrong.
WATCH_CU := $(CUDA_CU:%.cu=$O/watch/%.o)
watched   = $(filter-out -fsanitize=%,$(shared)) -fsanitize=thread -fno-tree-vectorize \
	-fno-tree-slp-vectorize -DDEVICE_WATCH -include tests/cuda/device.h -x c $<
$(WATCH_CU): $O/watch/%.o: %.cu
	@mkdir -p $(@D)
	$(watched)
$O/watch/tests/cuda/faults.o: tests/cuda/faults.c | $O/.deps-check
	@mkdir -p $(@D)
	$(watched) -Itests/cuda/include
$O/watch/lib/bb/nn_cuda.so: $(EMU_C) $(WATCH_CU)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -shared -o $@ $^ -lm
$O/watch/bin/faults: $O/watch/tests/cuda/faults.o $(EMU)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -o $@ $^ -lm
$O/watch/bin/parity: $O/lib/parity | $O/watch/lib/bb/nn_cuda.so
	@mkdir -p $(@D)
	ln -f $< $@
# And the kernels with one fault each: NAME.sed makes it in the source file before the first dot.
MUTANTS := $(patsubst tests/cuda/mutants/%.sed,$O/watch/mutant/%,$(wildcard tests/cuda/mutants/*.sed))
$O/watch/mutant/%.cu: tests/cuda/mutants/%.sed $(CUDA_CU)
	@mkdir -p $(@D)
	sed -f $< libcommon/nn/$(firstword $(subst ., ,$*)).cu > $@
	! cmp -s $@ libcommon/nn/$(firstword $(subst ., ,$*)).cu
$O/watch/mutant/%.o: $O/watch/mutant/%.cu | $O/.deps-check
	$(watched) -Ilibcommon/nn
$O/watch/mutant/%/lib/bb/nn_cuda.so: $O/watch/mutant/%.o $(EMU_C) $(WATCH_CU)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -shared -o $@ $< $(EMU_C) -lm \
		$(filter-out %/$(firstword $(subst ., ,$*)).o,$(WATCH_CU))
$O/watch/mutant/%/bin/parity: $O/lib/parity
	@mkdir -p $(@D)
	ln -f $< $@
emu: $(patsubst %,$O/emu/%,bin/bb-train bin/bb-embed bin/parity bin/gpu lib/bb/nn_cuda.so) \
	$(patsubst %,$O/watch/%,bin/faults bin/parity lib/bb/nn_cuda.so) \
	$(MUTANTS:%=%/lib/bb/nn_cuda.so) $(MUTANTS:%=%/bin/parity)
-include $(WATCH_CU:.o=.d) $O/watch/tests/cuda/faults.d
-include $(EMU_C:.o=.d) $(EMU_CU:.o=.d) $(CUDA_C:%.c=$O/cuda/%.d) $(CUDA_CU:%.cu=$O/cuda/%.d)

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

# What scripts/bench/gpu runs on a machine where nothing is built; see there.
$O/bench/gpu: $O/scripts/bench/gpu.o $O/libbb.a
	@mkdir -p $(@D)
	$(link)
bench-gpu: all $O/bench/gpu $O/lib/parity
-include $O/scripts/bench/gpu.d

unit: $(UNIT)
fuzz: $(FUZZ)
tests: all $(UNIT) $(HELP) emu $(if $(NVCC),$O/cuda/lt)
# The programs once more with AddressSanitizer and UBSan, for the tests with damaged input.
tests-san: | $O/.deps-check
	+@$(MAKE) O=$O/san SAN=1 CUDA=0 all fuzz
tests-fuzz: | $O/.deps-check
	+@$(MAKE) O=$O/fuzzer SAN=fuzz CUDA=0 CC=clang-14 fuzz

check: tests tests-san
	$(PYTHON) tests/run.py $O
check-long: tests tests-san tests-fuzz
	+@$(MAKE) O=$O/san SAN=1 CUDA=0 unit emu
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
DATA := $(DESTDIR)$(PREFIX)/share/bb

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DOCS)
	install -m 755 $(PROGS:%=$O/bin/%) $(DESTDIR)$(PREFIX)/bin
	if [ -f $O/lib/bb/nn_cuda.so ]; then \
		install -d $(DESTDIR)$(PREFIX)/lib/bb && \
		install -m 755 $O/lib/bb/nn_cuda.so $(DESTDIR)$(PREFIX)/lib/bb; fi
	install -m 644 $(DOC) $(DOCS)
	install -d $(DATA)/models/functions
	install -m 644 models/functions/* $(DATA)/models/functions
	for m in $(MAN); do \
		d=$(DESTDIR)$(PREFIX)/share/man/man$${m##*.}; install -d $$d && install -m 644 $$m $$d || exit 1; done

uninstall:
	rm -f $(PROGS:%=$(DESTDIR)$(PREFIX)/bin/%) $(foreach m,$(MAN),$(DESTDIR)$(PREFIX)/share/man/man$(subst .,,$(suffix $m))/$(notdir $m))
	rm -rf $(DOCS) $(DATA) $(DESTDIR)$(PREFIX)/lib/bb

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
## make bench-gpu    what scripts/bench/gpu measures a GPU with
## make config       what was found: compiler, libraries, CUDA
## make deps         installs the Debian packages that build, tests and demo need
## make clean        removes build/
##
## O=DIR builds into DIR, CUDA=0 without the CUDA backend, CUDA=1 not without it (default: when nvcc
## is found in CUDA_HOME, PATH or /usr/local/cuda), SAN=1 with AddressSanitizer and UBSan, SAN=thread
## with ThreadSanitizer; CC, CFLAGS and LDFLAGS as usual.

.PHONY: all emu bench-gpu unit fuzz tests tests-san tests-fuzz check check-long check-peers demo paper install \
	uninstall deps config clean help
