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
# PRETRAIN TUNE CLASSIFY    options of bb-train in the trainings; SEED is that of everything
#
# Methods  elm  pre-trained on strands and their expressions (BinBert)
#          mlm  pre-trained on strands alone (BinBert-MLM)
#          fs   not pre-trained (BinBert-FS)
#          METHOD-ft  the same, fine-tuned
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

PRETRAIN_small ?= --config tiny --steps 6000
PRETRAIN_full  ?= --config base --epochs 1
TUNE_small     ?= --loss infonce --steps 2000
TUNE_full      ?= --loss mse --epochs 20
CLASSIFY_small ?= --epochs 5 --lr 5e-4
CLASSIFY_full  ?= --epochs 20
PRETRAIN       ?= $(PRETRAIN_$(PRESET))
TUNE           ?= $(TUNE_$(PRESET))
CLASSIFY       ?= $(CLASSIFY_$(PRESET))
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

# All files of a stage in $1.
merge     = find $1 -name '*.bb' | LC_ALL=C sort | xargs cat
json      = $(BB)bb-cat -j
to_tokens = $(BB)bb-cat --from-json tokens

# ---- pre-training: models/METHOD -----------------------------------------------------------------

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

METHODS := elm mlm fs

include $(HERE)paper/similarity.mk $(HERE)paper/tasks.mk

# ---- the table -----------------------------------------------------------------------------------

$(OUT)/paper.json: $(RESULTS) $(HERE)paper/published.tsv $(HERE)paper/collect.jq
	@cd $(OUT)/results && for r in */*.json; do \
		jq -c --arg experiment $${r%/*} --arg method $$(basename $$r .json) \
			--rawfile published $(abspath $(HERE)paper/published.tsv) -f $(abspath $(HERE)paper/collect.jq) $$r; \
	done | jq -s . > $(abspath $@)

$(OUT)/paper.md: $(OUT)/paper.json $(HERE)paper/table.jq
	@jq -r -f $(HERE)paper/table.jq $< > $@
	@cat $@

.PHONY: paper

