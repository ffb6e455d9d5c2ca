# pipeline.mk: from a folder of ELF files to embeddings and matches. Copy it for a corpus of your own.
#
#	make -f scripts/pipeline.mk CORPUS=/path/to/elves OUT=work -j2
#
# Every stage of every file is a target of its own: a stopped run goes on where it was, a failed
# file is made again, -jN and several makes side by side are safe (outputs appear when complete).
# Only LABELS, the sizes and the options below are meant to be changed.
#
# targets  functions  units  embeddings  matches (default); of pre-training: strands  vocab  tokens  model
#
# CORPUS   folder of ELF files; other files in it are passed over. No blanks in names, please.
# LABELS   how the path below CORPUS says what a file is, as {project}/{compiler}-{opt}/{file}
# MODEL    a folder with a trained model (default: the one that comes with bb, which reads what
#          functions compute); OUT/model is pre-trained on the corpus, and reads code
# READS    what MODEL reads: computed or code
# DISASM   options of bb-disasm; TRAIN those of bb-train
# QUERY    embeddings file whose functions are looked up in the corpus (default: the corpus itself)

HERE   := $(dir $(lastword $(MAKEFILE_LIST)))
CORPUS ?= $(error say CORPUS=folder-of-ELF-files)
OUT    ?= work
LABELS ?=
MODEL  ?= $(firstword $(wildcard $(HERE)../models/functions $(HERE)../../bb/models/functions) /usr/local/share/bb/models/functions)
READS  ?= $(if $(filter $(OUT)/model,$(MODEL)),code,computed)
QUERY  ?= $(OUT)/embeddings.bb

VOCAB_SIZE ?= 4096
MAX_INSNS  ?= 150
K          ?= 10
DISASM     ?=
TRAIN      ?= --config small --epochs 1
BB         ?= $(if $(wildcard build/bin/bb-disasm),build/bin/,)

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := matches

# The ELF files, by their first four bytes, as paths below CORPUS. Found once, kept in a list.
$(OUT)/files.mk:
	@mkdir -p $(@D)
	cd $(CORPUS) && find . -type f -size +0 | sed 's,^\./,,' | LC_ALL=C sort | while read -r f; do \
		if [ "$$(head -c4 "$$f" | od -An -tx1 | tr -d ' \n')" = 7f454c46 ]; then echo "FILES += $$f"; fi; \
	done > $(abspath $@).part
	mv $@.part $@
include $(OUT)/files.mk

FUNCTIONS  := $(FILES:%=$(OUT)/functions/%.bb)
STRANDS    := $(FILES:%=$(OUT)/strands/%.bb)
TOKENS     := $(FILES:%=$(OUT)/tokens/%.bb)
UNITS      := $(FILES:%=$(OUT)/units/%.bb)
EMBEDDINGS := $(FILES:%=$(OUT)/embeddings/%.bb)
VOCAB      := $(if $(filter $(OUT)/model,$(MODEL)),$(OUT)/vocab,$(MODEL))

# All files of a stage one after another; by a list, since a command line has room for some hundreds.
merge = $(file >$(OUT)/$1.list,$($1))xargs cat < $(OUT)/$1.list

functions: $(FUNCTIONS)
strands: $(STRANDS)
vocab: $(VOCAB)/vocab.txt
tokens: $(TOKENS)
model: $(MODEL)/config.json
units: $(UNITS)
embeddings: $(OUT)/embeddings.bb
matches: $(OUT)/matches.bb

$(OUT)/functions/%.bb: $(CORPUS)/%
	@mkdir -p $(@D)
	$(BB)bb-disasm -t 1 $(DISASM) $(if $(LABELS),--label-path '$(LABELS)') -o $@ $<

$(OUT)/strands/%.bb: $(OUT)/functions/%.bb
	@mkdir -p $(@D)
	$(BB)bb-strands -t 1 $< | $(BB)bb-sym -t 1 | $(BB)bb-uniq -o $@

$(OUT)/vocab/vocab.txt: $(STRANDS)
	$(call merge,STRANDS) | $(BB)bb-vocab -n $(VOCAB_SIZE) -o $(@D)

$(OUT)/tokens/%.bb: $(OUT)/strands/%.bb $(VOCAB)/vocab.txt
	@mkdir -p $(@D)
	$(BB)bb-tok -t 1 -m $(VOCAB) -o $@ $<

$(OUT)/model/config.json: $(TOKENS)
	$(call merge,TOKENS) | $(BB)bb-uniq | $(BB)bb-train $(TRAIN) --vocab $(VOCAB) -o $(@D)

read_code     = $(BB)bb-strands -t 1 -u function $1 | $(BB)bb-tok -t 1 -m $(VOCAB) --max-insns $(MAX_INSNS)
read_computed = $(BB)bb-strands -t 1 $1 | $(BB)bb-sym -q -t 1 | $(BB)bb-join --shape | $(BB)bb-tok -t 1 -m $(VOCAB)

$(OUT)/units/%.bb: $(OUT)/functions/%.bb $(VOCAB)/vocab.txt
	@mkdir -p $(@D)
	$(call read_$(READS),$<) -o $@

$(OUT)/embeddings/%.bb: $(OUT)/units/%.bb $(MODEL)/config.json
	@mkdir -p $(@D)
	$(BB)bb-embed -t 1 -m $(MODEL) -o $@ $<

$(OUT)/embeddings.bb: $(EMBEDDINGS)
	$(call merge,EMBEDDINGS) > $@.part
	mv $@.part $@

$(OUT)/matches.bb: $(OUT)/embeddings.bb $(QUERY)
	$(BB)bb-knn -k $(K) -c $(OUT)/embeddings.bb -o $@ $(QUERY)

.PHONY: functions strands vocab tokens model units embeddings matches
.SECONDARY:
