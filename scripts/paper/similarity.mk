# similarity.mk: who is like whom: strands, blocks and functions (the paper's sections 6.1.2, 6.1.3, 6.2.1
# and 6.3.1), and functions and strands in pools of several sizes. Part of paper.mk.

SUBJECTS := functions blocks strands

# What is alike: functions of one name and source file, blocks of one line in one function, strands
# of one expression.
TRUTH_functions := {source}
TRUTH_blocks    := {source} {line}
# Functions of fewer instructions are left out; of longer ones so many are looked at, as in the paper.
LEAST := 5
MOST  := 150

# The paper looks up one of each group among all of them (sections 6.1.2, 6.1.3, 6.3.1): 833 groups of 59
# strands, 505 of 13 blocks, 267 of 14 functions; groups are taken that are about as large, and smaller
# ones of strands where the corpus is small.
FIND_functions := -v groups=267 -v keep=1 -v asks=2000
FIND_blocks    := -v groups=505
FIND_strands   := -v groups=833 -v least=$(if $(filter full,$(PRESET)),20,4) -v most=100
# What of the training side is tuned on.
TUNE_functions := -v groups=100000
TUNE_blocks    := -v groups=6000
TUNE_strands   := -v groups=4000 -v most=20

# The function and strand that is asked for is also looked up in pools of so many.
POOLS := 100 1000 10000

# ---- functions, blocks and strands with their groups: SIDE/SUBJECT.bb -----------------------------

# Of strands only the hash of the expression is true: see paper/strands.
functions = $(call merge,$(@D)/functions) | $(BB)bb-strands -u function --min-insns $(LEAST) --group '$(TRUTH_functions)' | \
	$(BB)bb-tok -m $(VOCAB) --max-insns $(MOST) | $(json) | grep '"group":"[^"]' | \
	grep -vE '"name":"[^"]*\.(cold|part)|"group":"main@'
blocks    = $(call merge,$(@D)/functions) | $(BB)bb-strands -u block --group '$(TRUTH_blocks)' | $(BB)bb-tok -m $(VOCAB)
strands   = $(call merge,$(@D)/strands) | $(BB)bb-uniq | $(json) | $(HERE)paper/strands | \
	$(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(VOCAB)

$(OUT)/train/functions.bb: $(OUT)/train/done
	$(functions) | $(to_tokens) | $(BB)bb-uniq -o $@

$(OUT)/train/groups: $(OUT)/train/done
	$(functions) | grep -o '"group":"[^"]*"' | LC_ALL=C sort -u > $@

$(OUT)/test/functions.bb: $(OUT)/test/done $(OUT)/train/groups $(OUT)/train/functions.bb
	$(functions) | LC_ALL=C grep -vFf $(OUT)/train/groups | $(to_tokens) | \
		$(BB)bb-uniq --except $(OUT)/train/functions.bb -o $@

$(OUT)/train/blocks.bb: $(OUT)/train/done
	$(blocks) | $(BB)bb-uniq --by code -o $@

$(OUT)/test/blocks.bb: $(OUT)/test/done $(OUT)/train/blocks.bb
	$(blocks) | $(BB)bb-uniq --by code --except $(OUT)/train/blocks.bb -o $@

$(OUT)/train/strands.bb: $(OUT)/train/done $(HERE)paper/strands
	$(strands) | $(BB)bb-uniq --by code -o $@

$(OUT)/test/strands.bb: $(OUT)/test/done $(OUT)/train/done $(HERE)paper/strands
	$(strands) | $(BB)bb-uniq --by code --except <($(call merge,$(OUT)/train/tokens)) -o $@

# What is tuned on; what is searched in, with labels among=paper and ask=yes.
choose = $(HERE)paper/choose $1 -v seed=$(SEED) <($(json) $<) <($(json) $<) | $(to_tokens) -o $@

$(SUBJECTS:%=$(OUT)/train/tune-%.bb): $(OUT)/train/tune-%.bb: $(OUT)/train/%.bb $(HERE)paper/choose
	$(call choose,$(TUNE_$*))

$(SUBJECTS:%=$(OUT)/test/find-%.bb): $(OUT)/test/find-%.bb: $(OUT)/test/%.bb $(HERE)paper/choose
	$(call choose,$(FIND_$*) -v label=1)

# The same functions and blocks by what their strands compute, and the strands of the blocks as tokens.
$(OUT)/train/computed-functions.bb: $(OUT)/train/tune-functions.bb $(HERE)paper/like
$(OUT)/test/computed-functions.bb: $(OUT)/test/find-functions.bb $(HERE)paper/like
$(OUT)/%/computed-functions.bb:
	$(call merge,$(@D)/functions) | $(BB)bb-strands | $(BB)bb-sym -q | $(BB)bb-join | $(json) | \
		$(HERE)paper/like <($(json) $<) - | $(BB)bb-cat --from-json sequence -o $@

$(OUT)/test/computed-blocks.bb: $(OUT)/test/find-blocks.bb $(HERE)paper/like
	$(call merge,$(@D)/functions) | $(BB)bb-strands | $(json) | $(HERE)paper/like <($(json) $<) - | \
		$(BB)bb-cat --from-json sequence | $(BB)bb-sym -q | $(BB)bb-join -u block -o $@

$(OUT)/%/shapes-functions.bb: $(OUT)/%/computed-functions.bb
	$(BB)bb-join --shape -o $@ $<

# Shapes as tokens, of a vocabulary of their own.
$(OUT)/train/shapes-vocab/vocab.txt: $(OUT)/train/shapes-functions.bb
	$(BB)bb-vocab -n $(VOCAB_SIZE_shapes) -o $(@D) $<

$(OUT)/%/pieces-functions.bb: $(OUT)/%/shapes-functions.bb $(OUT)/train/shapes-vocab/vocab.txt
	$(BB)bb-tok -m $(dir $(lastword $^)) -o $@ $<

$(OUT)/test/shapes-blocks.bb: $(OUT)/test/computed-blocks.bb
	$(BB)bb-join -u block --shape -o $@ $<

$(OUT)/test/parts-blocks.bb: $(OUT)/test/find-blocks.bb $(HERE)paper/like
	$(call merge,$(@D)/functions) | $(BB)bb-strands | $(json) | $(HERE)paper/like <($(json) $<) - | \
		$(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(VOCAB) -o $@

# ---- fine-tuning: tuned/SUBJECT/METHOD ----------------------------------------------------------

# $1 subject
define tuned
$(OUT)/tuned/$1/%/config.json: $(OUT)/models/%/config.json $(OUT)/train/tune-$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-train --task similarity $(SIMILAR_$1) --seed $(SEED) --init $$(<D) -o $$(@D) $(OUT)/train/tune-$1.bb
endef
$(foreach s,$(SUBJECTS),$(eval $(call tuned,$s)))

# Beyond the paper: a model that reads what functions compute, not their code.
$(OUT)/tuned/functions/shapes/config.json: $(OUT)/train/pieces-functions.bb
	@mkdir -p $(@D)
	$(BB)bb-train --task similarity $(SIMILAR_shapes) --config $(CONFIG_shapes) --vocab $(OUT)/train/shapes-vocab \
		--seed $(SEED) -o $(@D) $<

# ---- vectors: vectors/METHOD/SUBJECT.bb ----------------------------------------------------------

# Of the last layer of a tuned model (METHOD-ft), of the second last of another; of blocks then, as in
# the paper, the mean over their strands. The baselines: sets of tokens, and of what strands compute.
# $1 subject
define vectors
$(OUT)/vectors/%-ft/$1.bb: $(OUT)/tuned/$1/%/config.json $(OUT)/test/find-$1.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) -o $$@ $(OUT)/test/find-$1.bb

$(OUT)/vectors/%/$1.bb: $(OUT)/models/%/config.json $(if $(filter blocks,$1),$(OUT)/test/parts-$1.bb,$(OUT)/test/find-$1.bb)
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) --layer -2 $$(word 2,$$^) $(if $(filter blocks,$1),| $(BB)bb-join -u block) > $$@

$(OUT)/vectors/jaccard/$1.bb $(OUT)/vectors/idf/$1.bb: $(OUT)/test/find-$1.bb
	@mkdir -p $$(@D)
	ln -f $$< $$@

$(OUT)/vectors/computed/$1.bb $(OUT)/vectors/shapes/$1.bb: $(OUT)/vectors/%/$1.bb: $(OUT)/test/%-$1.bb
	@mkdir -p $$(@D)
	ln -f $$< $$@
endef
$(foreach s,$(SUBJECTS),$(eval $(call vectors,$s)))

$(OUT)/vectors/shapes-ft/functions.bb: $(OUT)/tuned/functions/shapes/config.json $(OUT)/test/pieces-functions.bb
	@mkdir -p $(@D)
	$(BB)bb-embed -m $(<D) -o $@ $(lastword $^)

$(OUT)/vectors/pieces/functions.bb: $(OUT)/test/pieces-functions.bb
	@mkdir -p $(@D)
	ln -f $< $@

# ---- results: results/EXPERIMENT/METHOD.json -----------------------------------------------------

LEARNED           := $(METHODS:%=%-ft) $(METHODS)
METHODS_functions := $(LEARNED) shapes-ft jaccard idf computed shapes pieces
METHODS_blocks    := $(LEARNED) jaccard idf computed shapes
METHODS_strands   := $(LEARNED) jaccard idf
KS                := $(shell seq -s, 1 50)
measure            = $(if $(filter idf computed shapes pieces,$1),-m idf)
# Pool and query are in one file.
find               = $(BB)bb-knn -q $(call measure,$1) $2 -c $3 $3

# $1 subject
define ranking
$(OUT)/results/$1/%.json: $(OUT)/vectors/%/$1.bb
	@mkdir -p $$(@D)
	$$(call find,$$*,-k 50 --where among=paper --query-where among=paper --query-where ask=yes,$$<) | \
		$(BB)bb-eval -j -k $(KS) > $$@
endef
$(foreach s,$(SUBJECTS),$(eval $(call ranking,$s)))

# Queries are looked up in pools of one function alike and others that are not, which vary like the
# query does: only in the level (one compiler), only in the compiler (one level), or in both.
VARY_level    := $(COMPILERS:%=compiler=%)
VARY_compiler := $(LEVELS:%=opt=%)
VARY_both     := all
conditions     = --query-where ask=yes $(if $(filter all,$1),,--query-where $1 --where $1)

# $1 what varies, $2 size of the pool
define pools
$(OUT)/results/$1-$2/%.json: $(OUT)/vectors/%/functions.bb
	@mkdir -p $$(@D)
	{ $(foreach w,$(VARY_$1),$$(call find,$$*,-k 100 --pool $2 -s $(SEED) $(call conditions,$w),$$<);) } | \
		$(BB)bb-eval -j -k 1,5,10 > $$@
endef
$(foreach v,level compiler both,$(foreach n,$(POOLS),$(eval $(call pools,$v,$n))))

# Strands the same way, those of fewer than five instructions apart: they are alike by chance.
# $1 size of the pool, $2 long or short
define strand_pools
$(OUT)/results/strands-$2-$1/%.json: $(OUT)/vectors/%/strands.bb
	@mkdir -p $$(@D)
	$$(call find,$$*,-k 100 --pool $1 -s $(SEED) --query-where ask=yes --query-where size=$2 --where size=$2,$$<) | \
		$(BB)bb-eval -j -k 1,5,10 > $$@
endef
$(foreach n,$(POOLS),$(foreach z,short long,$(eval $(call strand_pools,$n,$z))))

# How long it takes to make a vector of a function, and to find a vector, or a set, among all functions.
$(OUT)/times/embed-%.json: $(OUT)/tuned/functions/%/config.json $(OUT)/test/find-functions.bb
	@mkdir -p $(@D)
	$(HERE)paper/timed $@ $$($(BB)bb-cat -c $(word 2,$^)) $(BB)bb-embed -m $(<D) -o /dev/null $(word 2,$^)

$(OUT)/times/find-%.json: $(OUT)/vectors/%/functions.bb
	@mkdir -p $(@D)
	$(HERE)paper/timed $@ $$($(BB)bb-cat -c $<) $(call find,$*,-k 10 -o /dev/null,$<)

RESULTS += $(foreach s,$(SUBJECTS),$(METHODS_$s:%=$(OUT)/results/$s/%.json)) \
	$(foreach v,level compiler both,$(foreach n,$(POOLS),$(METHODS_functions:%=$(OUT)/results/$v-$n/%.json))) \
	$(foreach z,short long,$(foreach n,$(POOLS),$(METHODS_strands:%=$(OUT)/results/strands-$z-$n/%.json)))
TIMES := $(firstword $(METHODS:%=$(OUT)/times/embed-%.json)) \
	$(foreach m,$(firstword $(METHODS))-ft shapes-ft jaccard shapes,$(OUT)/times/find-$m.json)
