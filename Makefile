# bb: `make` builds the programs into build/bin, `make demo` runs the main job, `make check` tests.
# O=DIR builds elsewhere; SAN=1 adds AddressSanitizer and UBSan; CC, CFLAGS, PREFIX, DESTDIR as usual.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all

O      ?= build
PREFIX ?= /usr/local
CC     := $(if $(filter default,$(origin CC)),gcc,$(CC))
CFLAGS ?= -O2 -g
SAN    ?= 0

WARN     := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes
ALL      := -std=c11 -D_GNU_SOURCE -Ilibcommon -I. $(WARN) -fno-math-errno -pthread \
            $(if $(filter 1,$(SAN)),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)
comma    := ,
LIBS     := -lcapstone -ldw -lelf -lz3 -lzstd -ljansson -ldnnl -lgomp -lxxhash -lbsd -lm -ldl

# One archive of everything in libcommon and formats; a program takes from it what it uses.
LIB_SRC  := $(wildcard libcommon/*/*.c formats/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$O/%.o)
PROGS    := $(sort $(basename $(notdir $(wildcard filters/bb-*))))
FILTER_SRC := $(wildcard filters/*.c filters/*/*.c)
TESTS    := $(basename $(notdir $(wildcard tests/unit/*.c)))
SRC      := $(LIB_SRC) $(FILTER_SRC) $(wildcard tests/unit/*.c tests/lib/*.c)

all: $(PROGS:%=$O/bin/%)

# What is missing is installed first; a stamp, so it costs nothing afterwards.
$O/.deps: scripts/install-deps
	@mkdir -p $(@D)
	scripts/install-deps build
	@touch $@

$O/%.o: %.c $O/.deps
	@mkdir -p $(@D)
	$(CC) $(ALL) $(CFLAGS) -MMD -MP -c -o $@ $<

$O/libbb.a: $(LIB_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

define program
$O/bin/$1: $(patsubst %.c,$O/%.o,$(wildcard filters/$1.c filters/$1/*.c)) $O/libbb.a
	@mkdir -p $$(@D)
	$$(CC) $$(ALL) $$(CFLAGS) $$(LDFLAGS) -o $$@ $$(filter %.o,$$^) $O/libbb.a -Wl,--as-needed $$(LIBS)
endef
$(foreach p,$(PROGS),$(eval $(call program,$p)))

$O/unit/%: $O/tests/unit/%.o $O/libbb.a
	@mkdir -p $(@D)
	$(CC) $(ALL) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $O/libbb.a -Wl,--as-needed $(LIBS)

-include $(SRC:%.c=$O/%.d)

clean:
	rm -rf $O

.PHONY: all clean
