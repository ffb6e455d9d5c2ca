# paper.mk: the experiments of the BinBert paper (arXiv 2208.06692, section 6), beside its figures.
#
#	make -f scripts/corpus.mk CORPUS=DIR PRESET=small     # the data, once
#	make -f scripts/paper.mk  CORPUS=DIR PRESET=small     # the experiments
#
# Written: OUT/paper.md and OUT/paper.json. Each stage is a file; a stopped run goes on.
#
# CORPUS  folder of corpus.mk           OUT   folder of all that is made here
# PRESET  small or full: projects, sizes of the data sets and of the model
# MODEL   a pre-trained model to take instead of training one; its vocabulary is used by all
# PRETRAIN TUNE    options of bb-train in the two trainings; SEED is that of everything
#
# Models   elm  pre-trained on strands and their expressions (BinBert)
#          mlm  pre-trained on strands alone (BinBert-MLM)
#          fs   not pre-trained (BinBert-FS)
#
# Training and test are different projects (corpus/projects.mk). On the test side no function is
# left whose name, or whose text as the model sees it, is on the training side: projects share code.
# Nothing is chosen by the test projects: the epoch is chosen by part of the training functions.

O      ?= build
PRESET ?= small
CORPUS ?= $(O)/corpus
OUT    ?= $(O)/paper-$(PRESET)
SEED   ?= 1
BB     ?= $(if $(wildcard build/bin/bb-disasm),build/bin/,)

# What the paper says: 267 queries in 3,627 functions of at most 150 instructions.
QUERIES_paper := 267
# Pools are drawn for each of these.
QUERIES_pools := 2000
POOLS         := 100 1000 10000
LEAST         := 5

PRETRAIN_small ?= --config small --steps 1500
PRETRAIN_full  ?= --config base --epochs 1
TUNE_small     ?= --loss infonce --steps 1000
TUNE_full      ?= --loss mse --epochs 20
PRETRAIN       ?= $(PRETRAIN_$(PRESET))
TUNE           ?= $(TUNE_$(PRESET))
VOCAB_SIZE     ?= 4096

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
include $(HERE)corpus/projects.mk

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := paper

ELF       := $(CORPUS)/elf
here       = $(filter $(notdir $(wildcard $(ELF)/*)),$1)
TRAIN     := $(call here,$(TRAIN_$(PRESET)))
TEST      := $(call here,$(TEST_$(PRESET)))
CELLS     := $(sort $(notdir $(wildcard $(addprefix $(ELF)/,$(addsuffix /*,$(TEST))))))
LEVELS    := $(sort $(foreach c,$(CELLS),$(lastword $(subst -, ,$c))))
COMPILERS := $(sort $(foreach c,$(CELLS),$(c:-$(lastword $(subst -, ,$c))=)))
VOCAB     := $(or $(MODEL),$(OUT)/train/vocab)

paper: $(OUT)/paper.md

# ---- files to tokens: pipeline.mk, once for each side --------------------------------------------

pipeline = $(MAKE) -s -f $(HERE)pipeline.mk CORPUS=$(ELF) BB=$(BB) LABELS='{project}/{compiler}-{opt}/{file}' \
	VOCAB_SIZE=$(VOCAB_SIZE) MAX_INSNS=150 OUT=$(@D)

$(OUT)/train/files.mk $(OUT)/test/files.mk: $(OUT)/%/files.mk:
	@mkdir -p $(@D)
	cd $(ELF) && printf 'FILES += %s\n' $(if $(filter train,$*),$(TRAIN:%=%/*/*),$(TEST:%=%/*/*)) > $(abspath $@)

$(OUT)/train/done: $(OUT)/train/files.mk
	+$(pipeline) $(if $(MODEL),MODEL=$(MODEL)) tokens units
	touch $@

$(OUT)/test/done: $(OUT)/test/files.mk $(OUT)/train/done
	+$(pipeline) MODEL=$(VOCAB) units
	touch $@

# ---- functions -----------------------------------------------------------------------------------

units     = find $(@D)/units -name '*.bb' | LC_ALL=C sort | xargs cat
functions = $(BB)bb-cat -j $1 | $(HERE)paper/functions -v least=$(LEAST)
to_tokens = $(BB)bb-cat --from-json tokens

$(OUT)/train/names: $(OUT)/train/done
	$(units) | $(call functions) -v names=1 | LC_ALL=C sort > $@

$(OUT)/train/functions.bb: $(OUT)/train/done
	$(units) | $(call functions) | $(to_tokens) | $(BB)bb-uniq -o $@

# What bb-uniq leaves after all of the training functions is new.
$(OUT)/test/functions.bb: $(OUT)/test/done $(OUT)/train/names $(OUT)/train/functions.bb
	$(units) | $(call functions) -v skip=$(OUT)/train/names | $(to_tokens) -o $@.all
	cat $(OUT)/train/functions.bb $@.all | $(BB)bb-uniq | $(BB)bb-cat -j | \
		tail -n +$$(($$($(BB)bb-cat -c $(OUT)/train/functions.bb) + 1)) | $(to_tokens) -o $@
	rm $@.all

$(OUT)/test/queries-%.bb: $(OUT)/test/functions.bb
	$(call functions,$<) -v queries=$* -v seed=$(SEED) | $(to_tokens) -o $@

# ---- models --------------------------------------------------------------------------------------

tokens = find $(OUT)/train/tokens -name '*.bb' | LC_ALL=C sort | xargs cat | $(BB)bb-uniq
train  = $(BB)bb-train --vocab $(VOCAB) --seed $(SEED)

$(OUT)/models/elm/config.json: $(OUT)/train/done $(MODEL:%=%/config.json)
	@mkdir -p $(@D)
	$(if $(MODEL),cp $(MODEL)/* $(@D),$(tokens) | $(train) $(PRETRAIN) -o $(@D))

$(OUT)/models/mlm/config.json: $(OUT)/train/done
	@mkdir -p $(@D)
	$(tokens) | $(train) $(PRETRAIN) --task mlm -o $(@D)

$(OUT)/models/fs/config.json: $(OUT)/train/done
	@mkdir -p $(@D)
	$(train) $(PRETRAIN) --steps 0 -o $(@D) < /dev/null

$(OUT)/models/%-ft/config.json: $(OUT)/models/%/config.json $(OUT)/train/functions.bb
	@mkdir -p $(@D)
	$(BB)bb-train --task similarity $(TUNE) --seed $(SEED) --init $(<D) -o $(@D) $(OUT)/train/functions.bb

# ---- vectors: the last layer of a tuned model, the second last of another; sets for Jaccard ------

# $1 a set of functions
define vectors
$(OUT)/vectors/%-ft/$1.bb: $(OUT)/models/%-ft/config.json $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) -o $$@ $(OUT)/test/$1.bb

$(OUT)/vectors/%/$1.bb: $(OUT)/models/%/config.json $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) --layer -2 -o $$@ $(OUT)/test/$1.bb

$(OUT)/vectors/jaccard/$1.bb: $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	cp $$< $$@
endef
$(foreach s,functions queries-$(QUERIES_paper) queries-$(QUERIES_pools),$(eval $(call vectors,$s)))

# What the strands of the functions compute, in place of tokens.
$(OUT)/vectors/expressions/functions.bb: $(OUT)/test/functions.bb $(HERE)paper/meanings
	@mkdir -p $(@D)
	find $(OUT)/test/functions -name '*.bb' | LC_ALL=C sort | xargs cat | $(BB)bb-strands | $(BB)bb-sym -q | \
		$(BB)bb-tok -m $(VOCAB) | $(BB)bb-cat -j | \
		$(HERE)paper/meanings - <($(BB)bb-cat -j $<) | $(to_tokens) -o $@

$(OUT)/vectors/expressions/queries-%.bb: $(OUT)/test/queries-%.bb $(OUT)/vectors/expressions/functions.bb
	$(BB)bb-cat -j $(word 2,$^) | grep -F -f <($(BB)bb-cat -j $< | grep -o '"origin":{[^}]*}') | $(to_tokens) -o $@

# ---- results: results/EXPERIMENT/MODEL.json ------------------------------------------------------

BEFORE := elm mlm fs
AFTER  := elm-ft mlm-ft fs-ft
METHODS := $(AFTER) $(BEFORE) jaccard expressions

$(OUT)/results/functions/%.json: $(OUT)/vectors/%/functions.bb $(OUT)/vectors/%/queries-$(QUERIES_paper).bb
	@mkdir -p $(@D)
	$(BB)bb-knn -q -k 25 -c $^ | $(BB)bb-eval -j -k 5,10,25 > $@

# Queries are looked up in pools of one function alike and others that are not, which vary like the
# query does: only in the level (one compiler), only in the compiler (one level), or in both.
VARY_level    := $(COMPILERS:%=compiler=%)
VARY_compiler := $(LEVELS:%=opt=%)
VARY_both     := all
conditions     = $(if $(filter all,$1),,--query-where $1 --where $1)

# $1 what varies, $2 size of the pool
define pools
$(OUT)/results/$1-$2/%.json: $(OUT)/vectors/%/functions.bb $(OUT)/vectors/%/queries-$(QUERIES_pools).bb
	@mkdir -p $$(@D)
	{ $(foreach w,$(VARY_$1),$(BB)bb-knn -q -k 100 --pool $2 -s $(SEED) $(call conditions,$w) -c $$^;) } | \
		$(BB)bb-eval -j -k 1,5,10 > $$@
endef
$(foreach v,level compiler both,$(foreach n,$(POOLS),$(eval $(call pools,$v,$n))))

EXPERIMENTS := functions $(foreach v,level compiler both,$(POOLS:%=$v-%))
RESULTS     := $(foreach e,$(EXPERIMENTS),$(METHODS:%=$(OUT)/results/$e/%.json))

$(OUT)/paper.json: $(RESULTS) $(HERE)paper/published.tsv $(HERE)paper/collect.jq
	@cd $(OUT)/results && for r in */*.json; do \
		jq -c --arg experiment $${r%/*} --arg method $$(basename $$r .json) \
			--rawfile published $(abspath $(HERE)paper/published.tsv) -f $(abspath $(HERE)paper/collect.jq) $$r; \
	done | jq -s . > $(abspath $@)

$(OUT)/paper.md: $(OUT)/paper.json $(HERE)paper/table.jq
	@jq -r -f $(HERE)paper/table.jq $< > $@
	@cat $@

.PHONY: paper
