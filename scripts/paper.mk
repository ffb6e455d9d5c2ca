# paper.mk: the experiments of the BinBert paper (arXiv 2208.06692, section 6), beside its figures.
#
#	make -f scripts/corpus.mk CORPUS=DIR PRESET=small -j2     # the data, once
#	make paper                CORPUS=DIR PRESET=small         # the experiments; man 7 bb-corpus
#
# Written: OUT/paper.md, OUT/paper.json; by `plots` OUT/plots/*.png; by `model` OUT/tuned/functions/shapes
# alone, the model for function search that comes with bb as models/functions. Each stage is a file; a
# stopped run goes on.
#
# CORPUS  folder of corpus.mk           OUT   folder of all that is made here
# PRESET  tiny, small or full: projects, sizes of the data sets and of the model
# MODEL   a pre-trained model to take instead of training one; its size and vocabulary are used by all
# METHODS which of elm, mlm and fs;     SEED  of everything
# CONFIG  size of the model             PRETRAIN, SIMILAR_functions ..., CLASSIFY_functions ...   options
#         of bb-train in the trainings
#
# Methods  elm  pre-trained on strands and their expressions (BinBert)
#          mlm  pre-trained on strands alone (BinBert-MLM)
#          fs   not pre-trained (BinBert-FS)
#          METHOD-ft  the same, fine-tuned
#
# Training and test are different projects (corpus/projects.mk). On the test side no strand, block or
# function is left that is on the training side, by text as the model sees it, nor a function of the
# same name and source file: projects share code. overlap.json says that nothing is. Nothing is chosen
# by the test projects: the epoch is chosen by part of the training side.

O       ?= build
PRESET  ?= small
CORPUS  ?= $O/corpus
OUT     ?= $O/paper-$(PRESET)
SEED    ?= 1
METHODS ?= elm mlm fs
PYTHON  ?= python3
BB      ?= $(if $(wildcard build/bin/bb-disasm),build/bin/,)

# The paper: 12 layers of 768, batches of 256 strands, learning rate 1e-4, one epoch; 20 epochs of tuning.
CONFIG_tiny    := layers=2,hidden=64,heads=2,intermediate=256,max_len=512
CONFIG_small   := tiny
CONFIG_full    := base
PRETRAIN_tiny  := --steps 300 --lr 1e-3
PRETRAIN_small := --steps 600 --lr 1e-3
PRETRAIN_full  := --epochs 1 --lr 1e-4
SIMILAR_tiny   := --loss infonce --lr 1e-3 --steps 80
SIMILAR_small  := --loss infonce --lr 1e-3 --steps 80
SIMILAR_full   := --loss mse --epochs 20
CLASSIFY_tiny  := --lr 1e-3 --batch-tokens 2048 --steps 100
CLASSIFY_small := --lr 1e-3 --batch-tokens 2048 --epochs 2
CLASSIFY_full  := --epochs 20
# Functions are ten times as long as blocks.
CLASSIFY_functions_small := --lr 1e-3 --batch-tokens 2048 --steps 400

# What reads the shapes of strands needs no attention: with one layer, functions of curl were found less
# often after training on coreutils and gsl (MRR of 1,000: 0.859, without 0.872) at ten times the cost.
CONFIG_shapes_tiny  := layers=0,hidden=64,heads=2,max_len=512
CONFIG_shapes_small := layers=0,hidden=512,heads=8,max_len=512
CONFIG_shapes_full  := $(CONFIG_shapes_small)
SIMILAR_shapes      ?= --pool rare --loss infonce --temperature 0.05 --lr 1e-3 --batch-tokens 32768 --dtype bf16 \
	--epochs $(if $(filter tiny,$(PRESET)),1,2)

CONFIG   ?= $(CONFIG_$(PRESET))
PRETRAIN ?= $(PRETRAIN_$(PRESET))
of_preset = $(or $($1_$2_$(PRESET)),$($1_$(PRESET)))
$(foreach s,functions blocks strands,$(eval SIMILAR_$s ?= $$(call of_preset,SIMILAR,$s)))
$(foreach s,functions blocks strands recover execute,$(eval CLASSIFY_$s ?= $$(call of_preset,CLASSIFY,$s)))
CONFIG_shapes ?= $(CONFIG_shapes_$(PRESET))
VOCAB_SIZE    ?= 4096
VOCAB_SIZE_shapes ?= 16384

HERE := $(dir $(lastword $(MAKEFILE_LIST)))
include $(HERE)corpus/projects.mk

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := paper

ELF       := $(CORPUS)/elf
here       = $(or $(filter $(notdir $(wildcard $(ELF)/*)),$($1)),$(error \
	$(ELF): none of $($1): make -f scripts/corpus.mk PRESET=$(PRESET) CORPUS=$(CORPUS)))
TRAIN     := $(call here,TRAIN_$(PRESET))
TEST      := $(call here,TEST_$(PRESET))
CELLS     := $(sort $(notdir $(wildcard $(addprefix $(ELF)/,$(addsuffix /*,$(TEST))))))
LEVELS    := $(sort $(foreach c,$(CELLS),$(lastword $(subst -, ,$c))))
COMPILERS := $(sort $(foreach c,$(CELLS),$(c:-$(lastword $(subst -, ,$c))=)))
VOCAB     := $(or $(MODEL),$(OUT)/train/vocab)

paper: $(OUT)/paper.md

# ---- files to functions and strands with expressions: pipeline.mk, once for each side ------------

pipeline = $(MAKE) -s -f $(HERE)pipeline.mk CORPUS=$(ELF) BB=$(BB) LABELS='{project}/{compiler}-{opt}/{file}' \
	DISASM=--dwarf VOCAB_SIZE=$(VOCAB_SIZE) OUT=$(@D)

$(OUT)/train/files.mk $(OUT)/test/files.mk: $(OUT)/%/files.mk:
	@mkdir -p $(@D)
	cd $(ELF) && printf 'FILES += %s\n' $(if $(filter train,$*),$(TRAIN:%=%/*/*),$(TEST:%=%/*/*)) > $(abspath $@)

$(OUT)/train/done: $(OUT)/train/files.mk
	+$(pipeline) MODEL=$(or $(MODEL),$(@D)/model) strands tokens
	touch $@

$(OUT)/test/done: $(OUT)/test/files.mk
	+$(pipeline) strands
	touch $@

# All files of a stage in $1.
merge     = find $1 -name '*.bb' | LC_ALL=C sort | xargs cat
json      = $(BB)bb-cat -j
to_tokens = $(BB)bb-cat --from-json tokens

# ---- pre-training: models/METHOD -----------------------------------------------------------------

# What the others start from has the size and the vocabulary of the first.
first  = $(OUT)/models/elm/config.json
tokens = $(call merge,$(OUT)/train/tokens) | $(BB)bb-uniq
train  = $(BB)bb-train $(PRETRAIN) --seed $(SEED)

$(OUT)/models/elm/config.json: $(OUT)/train/done $(MODEL:%=%/config.json)
	@mkdir -p $(@D)
	$(if $(MODEL),cp $(MODEL)/* $(@D),$(tokens) | $(train) --config $(CONFIG) --vocab $(VOCAB) -o $(@D))

$(OUT)/models/mlm/config.json: $(first)
	@mkdir -p $(@D)
	$(tokens) | $(train) --init $(<D) --scratch --task mlm -o $(@D)

$(OUT)/models/fs/config.json: $(first)
	@mkdir -p $(@D)
	$(train) --init $(<D) --scratch --steps 0 -o $(@D) < /dev/null

include $(HERE)paper/similarity.mk $(HERE)paper/tasks.mk

# ---- no text on both sides -----------------------------------------------------------------------

# The tokens of a set's code, a line a record, each once; bb-uniq, which took them out, has no part in this.
texts = $(json) $1 | grep -o '"ids":\[[^]]*\]' | LC_ALL=C sort -u

$(OUT)/overlap.json: $(foreach s,$(SUBJECTS) recover execute,$(OUT)/train/$s.bb $(OUT)/test/$s.bb)
	for s in $(SUBJECTS) recover execute; do \
		echo "{\"$$s\":$$(LC_ALL=C comm -12 <($(call texts,$(OUT)/train/$$s.bb)) <($(call texts,$(OUT)/test/$$s.bb)) | wc -l)}"; \
	done | jq -s add > $@.part
	jq -e 'add == 0' $@.part > /dev/null || { echo "paper: code on both sides: $$(cat $@.part)" >&2; exit 1; }
	mv $@.part $@

# ---- the table -----------------------------------------------------------------------------------

$(OUT)/paper.json: $(RESULTS) $(TIMES) $(OUT)/overlap.json $(first) $(HERE)paper/published.tsv $(HERE)paper/collect.jq
	cd $(OUT) && jq -n --arg preset '$(PRESET)' --arg seed $(SEED) --arg train '$(TRAIN)' --arg test '$(TEST)' \
		--arg cells '$(CELLS)' --slurpfile model $(first:$(OUT)/%=%) --slurpfile overlap overlap.json \
		--rawfile published $(abspath $(HERE))/paper/published.tsv -f $(abspath $(HERE))/paper/collect.jq \
		times/*.json results/*/*.json > $(abspath $@)

$(OUT)/paper.md: $(OUT)/paper.json $(HERE)paper/table.jq
	jq -r -f $(HERE)paper/table.jq $< > $@
	@cat $@

# The model for function search that comes with bb, in models/functions.
model: $(OUT)/tuned/functions/shapes/config.json

plots: $(OUT)/paper.json $(OUT)/vectors/$(firstword $(METHODS))/opcodes.bb
	@mkdir -p $(OUT)/plots
	$(json) $(lastword $^) | $(PYTHON) $(HERE)paper/plot $(OUT)/paper.json $(OUT)/plots

.PHONY: paper model plots
