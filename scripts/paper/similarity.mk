# similarity.mk: who is like whom: strands, blocks and functions (the paper's sections 6.1.2, 6.1.3, 6.2.1
# and 6.3.1), and functions in pools of several sizes. Part of paper.mk.

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

# ---- functions, blocks and strands with their groups ---------------------------------------------

functions = $(json) | $(HERE)paper/functions -v least=$(LEAST)
strands   = $(call merge,$(@D)/functions) | $(BB)bb-strands | $(BB)bb-sym -q | $(json) | $(HERE)paper/strands | \
	$(BB)bb-cat --from-json sequence | $(BB)bb-tok -m $(VOCAB)

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

# ---- fine-tuning: tuned/SUBJECT/METHOD ----------------------------------------------------------

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

LEARNED           := $(METHODS:%=%-ft) $(METHODS)
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

RESULTS += $(foreach s,$(SUBJECTS),$(METHODS_$s:%=$(OUT)/results/$s/%.json)) \
	$(foreach v,level compiler both,$(foreach n,$(POOLS),$(METHODS_functions:%=$(OUT)/results/$v-$n/%.json)))
