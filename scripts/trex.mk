# trex.mk: the experiments of the Trex paper (arXiv 2012.08680): functions across processors and levels.
#
#	make -f scripts/trex.mk corpus CORPUS=DIR -j2     # the data, once; `install` as root before it
#	make -f scripts/trex.mk        CORPUS=DIR         # the experiments; man 7 bb-corpus
#
# Written: OUT/trex.md, OUT/trex.json; by `model` OUT/models/trex-ft alone. Each stage is a file; a stopped run
# goes on.
#
# CORPUS  folder of corpus.mk           OUT   folder of all that is made here
# PRESET  small, or full: the paper's size, which wants a GPU (DEVICE=cuda)
# ARCHS LEVELS COMPILER TRAIN TEST      what of the corpus
# DEVICE  of the trainings              SEED  of everything
# METHODS those of the table; see below
# CONFIG VOCAB_SIZE LENGTH RUNS PRETRAIN SIMILAR TUNE     sizes, traces of a function, and options of bb-train
#
# Training and test are different projects (corpus/projects.mk). On the test side no function is left that is
# on the training side, by text without names, as the model sees it, or by name and source file. Functions are
# alike if their name and source file are the same.

O       ?= build
PRESET  ?= small
CORPUS  ?= $O/corpus
OUT     ?= $O/trex-$(PRESET)
SEED    ?= 1
DEVICE  ?= cpu
BB      ?= $(if $(wildcard build/bin/bb-disasm),build/bin/,)

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
include $(HERE)corpus/projects.mk

ARCHS    ?= x86_64 i386 aarch64 arm mips mipsel
LEVELS   ?= O0 O1 O2 O3
COMPILER ?= gcc-12
TRAIN    ?= $(TRAIN_cross)
TEST     ?= $(TEST_cross)

FUNCTIONS ?= functions

# Of functions of fewer instructions little can be said; the model sees the first LENGTH tokens.
LEAST ?= 5

# The paper: 8 layers of 768, 12 heads, inputs of 512 tokens, 10 epochs over 1,472,066 functions.
CONFIG_small     := layers=2,hidden=128,heads=4,intermediate=512
CONFIG_full      := layers=8,hidden=768,heads=12,intermediate=3072
LENGTH_small     := 256
LENGTH_full      := 512
VOCAB_SIZE_small := 2048
VOCAB_SIZE_full  := 4096
RUNS_small       := 1
RUNS_full        := 3
PRETRAIN_small   := --lr 1e-3 --steps 400
PRETRAIN_full    := --epochs 10
SIMILAR_small    := --loss infonce
SIMILAR_full     := --loss cosine
TUNE_small       := --lr 1e-3 --steps 300
TUNE_full        := --epochs 10
$(foreach v,CONFIG LENGTH VOCAB_SIZE RUNS PRETRAIN SIMILAR TUNE,$(eval $v ?= $$($v_$(PRESET))))

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := trex

trex: $(OUT)/trex.md

corpus install:
	+for a in $(ARCHS); do \
		$(MAKE) -f $(HERE)corpus.mk $(filter install,$@) ARCH=$$a CORPUS=$(CORPUS) PRESET=cross \
			PROJECTS='$(TRAIN) $(TEST)' COMPILERS='$(COMPILER)' LEVELS='$(LEVELS)'; done

json = $(BB)bb-cat -j
bare = $(HERE)trex/bare

# ---- functions: SIDE/ARCH.fn, and as sequences with their groups SIDE/ARCH.bb ---------------------

elf = $(wildcard $(foreach p,$($1),$(foreach l,$(LEVELS),$(CORPUS)/elf$(if $(filter-out x86_64,$2),-$2)/$p/$(COMPILER)-$l/*)))
files_of = $(or $(call elf,$1,$2),$(error $(CORPUS): nothing of $($1) for $2: make -f scripts/trex.mk corpus CORPUS=$(CORPUS)))

# $1 train or test, $2 TRAIN or TEST, $3 processor
define functions
$(OUT)/$1/$3.fn:
	@mkdir -p $$(@D)
	$(BB)bb-disasm -q -g -l arch=$3 --label-path '{project}/{compiler}-{opt}/{file}' -o $$@ $$(call files_of,$2,$3)
endef
$(foreach a,$(ARCHS),$(eval $(call functions,train,TRAIN,$a))$(eval $(call functions,test,TEST,$a)))

# With a group, without main and the parts that compilers split off.
$(foreach s,train test,$(ARCHS:%=$(OUT)/$s/%.bb)): %.bb: %.fn
	$(BB)bb-strands -u function --min-insns $(LEAST) --group '{source}' $< | $(json) | grep '"group":"[^"]' | \
		grep -vE '"name":"[^"]*\.(cold|part)|"group":"main@' | $(BB)bb-cat --from-json sequence | $(BB)bb-uniq -o $@

$(OUT)/train/groups: $(ARCHS:%=$(OUT)/train/%.bb)
	cat $^ | $(json) | grep -o '"group":"[^"]*"' | LC_ALL=C sort -u > $@

# The same with and without the names of what is called.
$(OUT)/%/named.bb: $(foreach a,$(ARCHS),$(OUT)/%/$a.bb)
	cat $^ > $@.part
	mv $@.part $@

$(OUT)/%/bare.bb: $(OUT)/%/named.bb
	$(json) $< | $(bare) | $(BB)bb-cat --from-json sequence | $(BB)bb-uniq -o $@

# ---- what is looked up: find/named and find/bare, a stream for each processor and level -----------

$(OUT)/vocab/vocab.txt: $(OUT)/train/named.bb
	$(BB)bb-vocab -n $(VOCAB_SIZE) -o $(@D) $<

$(OUT)/train/tokens-%.bb: $(OUT)/train/%.bb $(OUT)/vocab/vocab.txt
	$(BB)bb-tok -m $(OUT)/vocab -L $(LENGTH) $< | $(BB)bb-uniq -o $@

# Chosen by text without names, each once for each processor (big- and little-endian MIPS are one text); one of
# each group is asked for.
$(OUT)/test/chosen.json: $(ARCHS:%=$(OUT)/test/%.bb) $(OUT)/train/tokens-bare.bb $(OUT)/train/groups
	for a in $(ARCHS); do \
		$(json) $(OUT)/test/$$a.bb | $(bare) | $(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(OUT)/vocab -L $(LENGTH) | \
			$(json) | LC_ALL=C grep -vFf $(OUT)/train/groups | $(BB)bb-cat --from-json tokens | \
			$(BB)bb-uniq --except $(OUT)/train/tokens-bare.bb | $(json); done > $@.all
	$(HERE)paper/choose -v label=1 -v keep=1 -v asks=1000000 -v seed=$(SEED) $@.all $@.all > $@
	rm $@.all

split = mkdir -p $(@D) && $(HERE)trex/split -v kind=$1 -v dir=$(@D) -v bb=$(BB) && touch $@

$(OUT)/find/named/done: $(OUT)/test/named.bb $(OUT)/test/chosen.json
	$(json) $< | $(HERE)paper/like $(OUT)/test/chosen.json - | { $(call split,sequence); }

$(OUT)/find/bare/done: $(OUT)/test/named.bb $(OUT)/test/chosen.json
	$(json) $< | $(HERE)paper/like $(OUT)/test/chosen.json - | $(bare) | { $(call split,sequence); }

# $1 the folder of what is read, $2 a command from a stream of a cell to a stream
each = @mkdir -p $(@D) && for f in $(OUT)/find/$1/*.bb; do { $2; } < $$f > $(@D)/$${f\#\#*/} || exit; done && touch $@

# ---- no learning: vectors/METHOD, as all methods a stream for each processor and level ------------

$(OUT)/vectors/words-%/done: $(OUT)/find/%/done $(OUT)/vocab/vocab.txt
	$(call each,$*,$(BB)bb-tok -m $(OUT)/vocab -L 4096)

$(OUT)/vectors/imports/done: $(OUT)/find/named/done
	$(call each,named,$(json) | $(HERE)trex/imports | $(BB)bb-cat --from-json sequence)

$(OUT)/vectors/sizes/done: $(OUT)/find/named/done $(ARCHS:%=$(OUT)/test/%.fn)
	$(HERE)trex/sizes <(cat $(OUT)/find/named/*.bb | $(json)) <(cat $(ARCHS:%=$(OUT)/test/%.fn) | $(json)) | \
		{ $(call split,embedding); }

# What strands compute, of the processors whose instructions have a meaning; and the model that comes with bb.
$(OUT)/find/shapes/done: $(ARCHS:%=$(OUT)/test/%.fn) $(OUT)/test/chosen.json
	cat $(ARCHS:%=$(OUT)/test/%.fn) | $(json) | $(bare) | $(BB)bb-cat --from-json function | \
		$(BB)bb-strands -q --group '{source}' | $(BB)bb-sym -q | $(BB)bb-join --shape | $(json) | \
		$(HERE)paper/like $(OUT)/test/chosen.json - | { $(call split,sequence); }

$(OUT)/vectors/shapes/done: $(OUT)/find/shapes/done
	$(call each,shapes,cat)

$(OUT)/vectors/pieces/done: $(OUT)/find/shapes/done
	$(call each,shapes,$(BB)bb-tok -q -m $(FUNCTIONS))

$(OUT)/vectors/functions/done: $(OUT)/find/shapes/done
	$(call each,shapes,$(BB)bb-tok -q -m $(FUNCTIONS) | $(BB)bb-embed -q -m $(FUNCTIONS))

# ---- BinBert's encoder on code, from scratch ------------------------------------------------------

train = $(BB)bb-train --seed $(SEED) --device $(DEVICE)

$(OUT)/models/bert-%/config.json: $(OUT)/train/tokens-%.bb
	@mkdir -p $(@D)
	$(train) --task similarity $(SIMILAR) $(TUNE) --config $(CONFIG),max_len=$(LENGTH) --vocab $(OUT)/vocab -o $(@D) $<

$(OUT)/vectors/bert-%/done: $(OUT)/find/%/done $(OUT)/models/bert-%/config.json
	$(call each,$*,$(BB)bb-tok -m $(OUT)/vocab -L $(LENGTH) | $(BB)bb-embed -m $(OUT)/models/bert-$*)

# ---- Trex: pre-trained on micro-traces, tuned on code -----------------------------------------------

$(OUT)/train/traced.bb: $(OUT)/train/bare.bb
	$(BB)bb-trace -n $(RUNS) --seed $(SEED) -o $@ $<

$(OUT)/vocab-trex/vocab.txt: $(OUT)/train/traced.bb
	$(BB)bb-vocab -n $(VOCAB_SIZE) -o $(@D) $<

$(OUT)/train/trex-%.bb: $(OUT)/train/%.bb $(OUT)/vocab-trex/vocab.txt
	$(BB)bb-tok -m $(OUT)/vocab-trex -L $(LENGTH) $< | $(BB)bb-uniq -o $@

$(OUT)/models/trex-pre/config.json: $(OUT)/train/trex-traced.bb
	@mkdir -p $(@D)
	$(train) --task trex $(PRETRAIN) --config $(CONFIG),max_len=$(LENGTH) --vocab $(OUT)/vocab-trex -o $(@D) $<

# trex-fs has the size of trex-pre and none of its weights.
$(OUT)/models/trex-ft/config.json $(OUT)/models/trex-fs/config.json: $(OUT)/models/trex-pre/config.json $(OUT)/train/trex-bare.bb
	@mkdir -p $(@D)
	$(train) --task similarity $(SIMILAR) $(TUNE) --init $(<D) $(if $(findstring trex-fs,$@),--scratch) -o $(@D) $(word 2,$^)

# Tuned on code, and asked with a trace or without one.
embed = $(BB)bb-tok -m $(OUT)/models/$1 -L $(LENGTH) | $(BB)bb-embed -m $(OUT)/models/$1

$(OUT)/vectors/trex-pre/done $(OUT)/vectors/trex-ft/done $(OUT)/vectors/trex-fs/done: $(OUT)/vectors/%/done: \
		$(OUT)/find/bare/done $(OUT)/models/%/config.json
	$(call each,bare,$(call embed,$*))

$(OUT)/vectors/%-traced/done: $(OUT)/find/bare/done $(OUT)/models/%/config.json
	$(call each,bare,$(BB)bb-trace --seed $(SEED) | $(call embed,$*))

$(OUT)/vectors/words-traced/done: $(OUT)/find/bare/done $(OUT)/vocab-trex/vocab.txt
	$(call each,bare,$(BB)bb-tok -m $(OUT)/vocab-trex -L 4096)

model: $(OUT)/models/trex-ft/config.json

# ---- results ----------------------------------------------------------------------------------------

METHODS ?= sizes imports words-named words-bare words-traced shapes pieces functions bert-named bert-bare \
	trex-fs trex-pre trex-ft trex-ft-traced
measure  = $(if $(filter imports words-% shapes pieces,$1),-m idf)

$(OUT)/results/%.json: $(OUT)/vectors/%/done $(HERE)bench/cross
	@mkdir -p $(@D)
	BB=$(BB) SEED=$(SEED) $(HERE)bench/cross $(call measure,$*) $(<D) > $@

# No text on both sides, by other means than those that took it out.
texts = $(json) $1 | grep -o '"ids":\[[^]]*\]' | LC_ALL=C sort -u

$(OUT)/overlap.json: $(OUT)/train/tokens-bare.bb $(OUT)/test/chosen.json
	echo "{\"texts\":$$(LC_ALL=C comm -12 <($(call texts,$<)) <(grep -o '"ids":\[[^]]*\]' $(word 2,$^) | LC_ALL=C sort -u) | wc -l)}" > $@.part
	jq -e 'add == 0' $@.part > /dev/null || { echo "trex: code on both sides: $$(cat $@.part)" >&2; exit 1; }
	mv $@.part $@

$(OUT)/trex.json: $(METHODS:%=$(OUT)/results/%.json) $(OUT)/overlap.json $(HERE)trex/collect.jq
	jq -n --arg preset '$(PRESET)' --arg seed $(SEED) --arg train '$(TRAIN)' --arg test '$(TEST)' --arg archs '$(ARCHS)' \
		--arg cells '$(LEVELS:%=$(COMPILER)-%)' --arg config '$(CONFIG),max_len=$(LENGTH)' \
		--slurpfile overlap $(OUT)/overlap.json -f $(HERE)trex/collect.jq $(METHODS:%=$(OUT)/results/%.json) > $@

$(OUT)/trex.md: $(OUT)/trex.json $(HERE)trex/table.jq
	jq -r -f $(HERE)trex/table.jq $< > $@
	@cat $@

.PHONY: trex model corpus install
