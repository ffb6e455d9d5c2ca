# demo.mk: the main job on real files, in minutes; `make demo` runs it. Every stage is one pipe.
#
#  1 learn    strands of programs every Debian has -> vocabulary, a small pre-trained model
#  2 compile  bb's own modules with gcc and clang at O0 to O3, a shared object each
#  3 tune     on the functions of some modules: equal source is alike, whatever compiled it
#  4 search   the functions of the other modules: an O0 build, stripped, among the O3 build
#
# Everything stays under $(D); remove it to start again. Modules in MODULES_TEST take no part in
# the steps 1 to 3.

D    ?= build/demo
BB   ?= build/bin
SEED := 1

PATH := $(abspath $(BB)):$(PATH)
export PATH
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := demo

# ---- 1 learn -----------------------------------------------------------------------------------

SYSTEM := $(wildcard $(addprefix /usr/bin/,bash dpkg tar sed grep find sort ls cp gzip diff perl \
	apt-get dpkg-deb systemctl login passwd))
CONFIG := layers=1,hidden=256,heads=4,intermediate=512,max_len=512

$D/strands.bb:
	@echo "== 1. strands and their symbolic expressions, from $(words $(SYSTEM)) programs of this machine"
	@mkdir -p $(@D)
	bb-disasm $(SYSTEM) | bb-strands | bb-sym | bb-uniq -o $@

$D/vocab/vocab.txt: $D/strands.bb
	bb-vocab -n 4096 -o $(@D) $<

$D/pretrained/config.json: $D/strands.bb $D/vocab/vocab.txt
	@echo "== pre-training: guess hidden words of code and expressions; do the two belong together?"
	bb-tok -m $D/vocab $< | bb-train --config $(CONFIG) --vocab $D/vocab --steps 200 --lr 1e-3 \
		-s $(SEED) -o $(@D)

# ---- 2 compile: own/module/compiler-level/module.so --------------------------------------------

MODULES_TUNE := base cli code nn text ann formats \
	$(sort $(basename $(notdir $(wildcard filters/bb-*))))
MODULES_TEST := sem stream
COMPILERS    := gcc clang
LEVELS       := O0 O1 O2 O3
CC_gcc       := gcc
CC_clang     := clang-14

# The sources of module $1 (without the part that needs CUDA's headers); its shared objects by compilers $2 and levels $3.
sources = $(filter-out libcommon/nn/nn_cuda%,$(wildcard \
	libcommon/$1/*.c $(filter formats,$1)/*.c filters/$1.c filters/$1/*.c))
own     = $(foreach m,$1,$(foreach c,$2,$(foreach l,$3,$D/own/$m/$c-$l/$m.so)))

define compile
$D/own/$1/$2-$3/$1.so: $(call sources,$1)
	@mkdir -p $$(@D)
	@$(CC_$2) -$3 -w -std=c11 -D_GNU_SOURCE -Ilibcommon -I. -pthread -fPIC -shared -o $$@ $$^
	@strip -o $$(@D)/stripped-$1.so $$@
endef
$(foreach m,$(MODULES_TUNE) $(MODULES_TEST),$(foreach c,$(COMPILERS),$(foreach l,$(LEVELS),\
	$(eval $(call compile,$m,$c,$l)))))

objects: $(call own,$(MODULES_TUNE) $(MODULES_TEST),$(COMPILERS),$(LEVELS))

$D/own/done: $(foreach m,$(MODULES_TUNE) $(MODULES_TEST),$(call sources,$m))
	@echo "== 2. $(words $(MODULES_TUNE) $(MODULES_TEST)) modules of bb, by $(COMPILERS) at $(LEVELS)"
	@$(MAKE) -s -j2 -f scripts/demo.mk objects
	@touch $@

# ---- 3 tune ------------------------------------------------------------------------------------

# Shared objects to tokens, a function each.
units = bb-disasm --label-path '{project}/{compiler}-{opt}/{file}' $1 | \
	bb-strands -u function --min-insns 5 | bb-tok -m $D/vocab --max-insns 150 -o $@

$D/tune.bb: $D/own/done $D/vocab/vocab.txt
	@echo "== 3. fine-tuning on the functions of $(MODULES_TUNE)"
	@$(call units,$(call own,$(MODULES_TUNE),$(COMPILERS),$(LEVELS)))

SIMILAR := bb-train --task similarity --pool rare -s $(SEED)

# --scratch: minutes of pre-training make rare words alike, which are what tells functions apart;
# started from the pre-trained weights the model finds fewer functions. Hours of it may pay.
$D/model/config.json: $D/pretrained/config.json $D/tune.bb
	$(SIMILAR) --loss infonce --temperature 0.05 --lr 5e-4 --epochs 2 --batch-tokens 32768 \
		--init $D/pretrained --scratch -o $(@D) $D/tune.bb

# What learning is compared with: the same vectors without tuning.
$D/untuned/config.json $D/untrained/config.json: $D/%/config.json: $D/pretrained/config.json $D/tune.bb
	@$(SIMILAR) -q --steps 0 --init $D/pretrained $(if $(filter untrained,$*),--scratch) \
		-o $(@D) $D/tune.bb

# ---- 4 search ----------------------------------------------------------------------------------

$D/O0.bb $D/O3.bb: $D/%.bb: $D/own/done $D/vocab/vocab.txt
	@$(call units,$(call own,$(MODULES_TEST),gcc,$*))
$D/stripped.bb: $D/own/done $D/vocab/vocab.txt
	@$(call units,$(foreach m,$(MODULES_TEST),$D/own/$m/gcc-O0/stripped-$m.so))

define embed
$D/$1/%.emb: $D/%.bb $D/$1/config.json
	@bb-embed -m $$(@D) -o $$@ $$<
endef
$(foreach m,model untuned untrained,$(eval $(call embed,$m)))

demo: $D/model/stripped.emb $(foreach m,model untuned untrained,$D/$m/O0.emb $D/$m/O3.emb)
	@scripts/demo-show $D $(SEED) "$(MODULES_TEST)"

.PHONY: demo objects
