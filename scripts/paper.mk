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

# What is searched for. The paper looks up one of each group among all of them (section 6.1.2, 6.1.3,
# 6.3.1): 833 groups of 59 strands, 505 of 13 blocks, 267 of 14 functions. Functions are a group when they
# are builds of one source, blocks when they are of the same lines of it, strands when they have the
# same expression; these groups are taken when they are about as large as the paper's.
SUBJECTS         := functions blocks strands
CHOOSE_functions := -v groups=267
CHOOSE_blocks    := -v groups=505
CHOOSE_strands   := -v groups=833 -v least=20 -v most=100
# What of the training side is tuned on.
TUNE_ON_functions := -v groups=1000000
TUNE_ON_blocks    := -v groups=6000
TUNE_ON_strands   := -v groups=4000 -v most=20

# Functions are also looked up in pools drawn for this many of them.
QUERIES := 2000
POOLS   := 100 1000 10000
LEAST   := 5

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

# ---- functions, blocks and strands with their groups ---------------------------------------------

# All files of a stage in $1.
merge     = find $1 -name '*.bb' | LC_ALL=C sort | xargs cat
json      = $(BB)bb-cat -j
functions = $(json) | $(HERE)paper/functions -v least=$(LEAST)
strands   = $(call merge,$(@D)/functions) | $(BB)bb-strands | $(BB)bb-sym -q | $(json) | $(HERE)paper/strands | \
	$(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(VOCAB)
to_tokens = $(BB)bb-cat --from-json tokens

$(OUT)/train/names: $(OUT)/train/done
	$(call merge,$(@D)/units) | $(functions) -v names=1 | LC_ALL=C sort -u > $@

$(OUT)/train/functions.bb: $(OUT)/train/done $(HERE)paper/functions
	$(call merge,$(@D)/units) | $(functions) | $(to_tokens) | $(BB)bb-uniq -o $@

$(OUT)/test/functions.bb: $(OUT)/test/done $(OUT)/train/names $(HERE)paper/functions
	$(call merge,$(@D)/units) | $(functions) -v skip=$(OUT)/train/names | $(to_tokens) | \
		$(BB)bb-uniq --except <($(call merge,$(OUT)/train/units)) -o $@

$(OUT)/train/strands.bb: $(OUT)/train/done $(HERE)paper/strands
	$(strands) | $(BB)bb-uniq --by code -o $@

$(OUT)/test/strands.bb: $(OUT)/test/done $(HERE)paper/strands
	$(strands) | $(BB)bb-uniq --by code --except <($(call merge,$(OUT)/train/tokens)) -o $@

blocks = find $(@D)/functions -name '*.bb' | LC_ALL=C sort | while read -r f; do \
		elf=$${f\#$(@D)/functions/}; \
		$(BB)bb-strands -u block $$f | $(json) | $(HERE)paper/blocks $(ELF)/$${elf%.bb}; \
	done | $(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(VOCAB)

$(OUT)/train/blocks.bb: $(OUT)/train/done $(HERE)paper/blocks
	$(blocks) | $(BB)bb-uniq --by code -o $@

$(OUT)/test/blocks.bb: $(OUT)/test/done $(OUT)/train/blocks.bb $(HERE)paper/blocks
	$(blocks) | $(BB)bb-uniq --by code --except $(OUT)/train/blocks.bb -o $@

# What is tuned on; pool and queries; queries of the drawn pools.
$(SUBJECTS:%=$(OUT)/train/%-tune.bb): $(OUT)/train/%-tune.bb: $(OUT)/train/%.bb $(HERE)paper/choose
	$(json) $< | $(HERE)paper/choose $(TUNE_ON_$*) -v seed=$(SEED) | $(to_tokens) -o $@

$(SUBJECTS:%=$(OUT)/test/%-pool.bb): $(OUT)/test/%-pool.bb: $(OUT)/test/%.bb $(HERE)paper/choose
	$(json) $< | $(HERE)paper/choose $(CHOOSE_$*) -v seed=$(SEED) | $(to_tokens) -o $@

$(SUBJECTS:%=$(OUT)/test/%-queries.bb): $(OUT)/test/%-queries.bb: $(OUT)/test/%.bb $(HERE)paper/choose
	$(json) $< | $(HERE)paper/choose $(CHOOSE_$*) -v seed=$(SEED) -v one=1 | $(to_tokens) -o $@

$(OUT)/test/functions-many.bb: $(OUT)/test/functions.bb $(HERE)paper/choose
	$(json) $< | $(HERE)paper/choose -v groups=$(QUERIES) -v seed=$(SEED) -v one=1 | $(to_tokens) -o $@

# ---- models: models/METHOD, tuned/SUBJECT/METHOD -------------------------------------------------

tokens = $(call merge,$(OUT)/train/tokens) | $(BB)bb-uniq
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

# $1 subject
define tuned
$(OUT)/tuned/$1/%/config.json: $(OUT)/models/%/config.json $(OUT)/train/$1-tune.bb
	@mkdir -p $$(@D)
	$(BB)bb-train --task similarity $(TUNE) --seed $(SEED) --init $$(<D) -o $$(@D) $(OUT)/train/$1-tune.bb
endef
$(foreach s,$(SUBJECTS),$(eval $(call tuned,$s)))

# ---- vectors: vectors/METHOD/SET.bb --------------------------------------------------------------

# Of the last layer of a tuned model (METHOD-ft), of the second last of another; jaccard: the tokens.
# $1 a set, $2 its subject
define vectors
$(OUT)/vectors/%-ft/$1.bb: $(OUT)/tuned/$2/%/config.json $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) -o $$@ $(OUT)/test/$1.bb

$(OUT)/vectors/%/$1.bb: $(OUT)/models/%/config.json $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) --layer -2 -o $$@ $(OUT)/test/$1.bb

$(OUT)/vectors/jaccard/$1.bb: $(OUT)/test/$1.bb
	@mkdir -p $$(@D)
	cp $$< $$@
endef
$(foreach s,$(SUBJECTS),$(foreach x,pool queries,$(eval $(call vectors,$s-$x,$s))))
$(foreach x,functions functions-many,$(eval $(call vectors,$x,functions)))

# What the strands of the functions compute, in place of their tokens.
$(OUT)/vectors/expressions/functions.bb: $(OUT)/test/functions.bb $(HERE)paper/meanings
	@mkdir -p $(@D)
	$(call merge,$(OUT)/test/functions) | $(BB)bb-strands | $(BB)bb-sym -q | $(BB)bb-tok -m $(VOCAB) | $(json) | \
		$(HERE)paper/meanings - <($(json) $<) | $(to_tokens) -o $@

$(OUT)/vectors/expressions/functions-%.bb: $(OUT)/test/functions-%.bb $(OUT)/vectors/expressions/functions.bb
	$(json) $(word 2,$^) | grep -F -f <($(json) $< | grep -o '"origin":{[^}]*}') | $(to_tokens) -o $@

# ---- results: results/EXPERIMENT/METHOD.json -----------------------------------------------------

LEARNED           := elm-ft mlm-ft fs-ft elm mlm fs
METHODS_functions := $(LEARNED) jaccard expressions
METHODS_blocks    := $(LEARNED) jaccard
METHODS_strands   := $(LEARNED) jaccard
K_functions       := 5,10,25
K_blocks          := 5,10,25
K_strands         := 10,25,40

# $1 subject
define ranking
$(OUT)/results/$1/%.json: $(OUT)/vectors/%/$1-pool.bb $(OUT)/vectors/%/$1-queries.bb
	@mkdir -p $$(@D)
	$(BB)bb-knn -q -k 40 -c $$^ | $(BB)bb-eval -j -k $(K_$1) > $$@
endef
$(foreach s,$(SUBJECTS),$(eval $(call ranking,$s)))

# Queries are looked up in pools of one function alike and others that are not, which vary like the
# query does: only in the level (one compiler), only in the compiler (one level), or in both.
VARY_level    := $(COMPILERS:%=compiler=%)
VARY_compiler := $(LEVELS:%=opt=%)
VARY_both     := all
conditions     = $(if $(filter all,$1),,--query-where $1 --where $1)

# $1 what varies, $2 size of the pool
define pools
$(OUT)/results/$1-$2/%.json: $(OUT)/vectors/%/functions.bb $(OUT)/vectors/%/functions-many.bb
	@mkdir -p $$(@D)
	{ $(foreach w,$(VARY_$1),$(BB)bb-knn -q -k 100 --pool $2 -s $(SEED) $(call conditions,$w) -c $$^;) } | \
		$(BB)bb-eval -j -k 1,5,10 > $$@
endef
$(foreach v,level compiler both,$(foreach n,$(POOLS),$(eval $(call pools,$v,$n))))

RESULTS := $(foreach s,$(SUBJECTS),$(METHODS_$s:%=$(OUT)/results/$s/%.json)) \
	$(foreach v,level compiler both,$(foreach n,$(POOLS),$(METHODS_functions:%=$(OUT)/results/$v-$n/%.json)))

$(OUT)/paper.json: $(RESULTS) $(HERE)paper/published.tsv $(HERE)paper/collect.jq
	@cd $(OUT)/results && for r in */*.json; do \
		jq -c --arg experiment $${r%/*} --arg method $$(basename $$r .json) \
			--rawfile published $(abspath $(HERE)paper/published.tsv) -f $(abspath $(HERE)paper/collect.jq) $$r; \
	done | jq -s . > $(abspath $@)

$(OUT)/paper.md: $(OUT)/paper.json $(HERE)paper/table.jq
	@jq -r -f $(HERE)paper/table.jq $< > $@
	@cat $@

.PHONY: paper
