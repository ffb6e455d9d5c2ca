# demo.mk: the main job on real files, in a minute or two; `make demo` runs it. Every stage is one pipe.
#
#  1 compile  bb's own modules by gcc at O0 and O3 and by clang at O3, a shared object each; O0 is stripped
#  2 read     functions -> what their strands compute -> tokens -> vectors, by the model in models/functions
#  3 search   the stripped functions among those of the other two builds
#
# Everything stays under $(D); remove it to start again. The model has not seen bb's code.

D     ?= build/demo
BB    ?= build/bin
MODEL ?= models/functions

PATH := $(abspath $(BB)):$(PATH)
export PATH
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := demo

# ---- 1 compile: own/module/compiler-level/module.so --------------------------------------------

MODULES  := base cli code nn text ann formats sem stream $(sort $(basename $(notdir $(wildcard filters/bb-*))))
CELLS    := gcc-O0 gcc-O3 clang-O3
CC_gcc   := gcc
CC_clang := clang-14

# The sources of module $1, without the part that needs CUDA's headers. The shared objects of cell $1, or
# those with $2 before their names.
sources = $(filter-out libcommon/nn/nn_cuda%,$(wildcard \
	libcommon/$1/*.c $(filter formats,$1)/*.c filters/$1.c filters/$1/*.c))
own     = $(foreach m,$(MODULES),$D/own/$m/$1/$2$m.so)

define compile
$D/own/$1/$2/$1.so: $(call sources,$1)
	@mkdir -p $$(@D)
	@$(CC_$(word 1,$(subst -, ,$2))) -$(word 2,$(subst -, ,$2)) -w -std=c11 -D_GNU_SOURCE -Ilibcommon -I. -pthread \
		-fPIC -shared -o $$@ $$^
	@strip -o $$(@D)/stripped-$1.so $$@
endef
$(foreach m,$(MODULES),$(foreach c,$(CELLS),$(eval $(call compile,$m,$c))))

objects: $(foreach c,$(CELLS),$(call own,$c))

$D/own/done: $(foreach m,$(MODULES),$(call sources,$m))
	@echo "== 1. $(words $(MODULES)) modules of bb, by gcc -O0, gcc -O3 and clang -O3"
	@$(MAKE) -s -j2 -f scripts/demo.mk objects
	@touch $@

# ---- 2 read: BUILD.bb, BUILD.emb ---------------------------------------------------------------

# Shared objects to what each function computes, and that to tokens. The rest is for comparison: the
# code itself as tokens.
read = bb-disasm --label-path '{project}/{compiler}-{opt}/{file}' $1
what = bb-strands --group '{file}:{name}' | bb-sym -q | bb-join --shape

$D/gcc-O0.what $D/gcc-O3.what $D/clang-O3.what: $D/%.what: $D/own/done
	@$(call read,$(call own,$*)) | $(what) -o $@
$D/stripped.what: $D/own/done
	@echo "== 2. functions to vectors: bb-disasm | bb-strands | bb-sym | bb-join --shape | bb-tok | bb-embed"
	@$(call read,$(call own,gcc-O0,stripped-)) | $(what) -o $@

$D/%.bb: $D/%.what $(MODEL)/vocab.txt
	@bb-tok -m $(MODEL) -o $@ $<
$D/%.emb: $D/%.bb $(MODEL)/model.safetensors
	@bb-embed -m $(MODEL) -o $@ $<

# ---- 3 search ----------------------------------------------------------------------------------

BUILDS := stripped gcc-O0 gcc-O3 clang-O3
demo: $(BUILDS:%=$D/%.emb)
	@scripts/demo-show $D "$(MODULES)"

.PHONY: demo objects
