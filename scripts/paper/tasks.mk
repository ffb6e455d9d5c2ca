# tasks.mk: the paper's other tasks: outliers among instructions (section 6.1.1), which compiler and
# level made this (6.2.2, 6.3.2), strand recovery (6.2.3) and execution (6.2.4), and its figure of opcodes
# (9.1). Part of paper.mk.

# Samples of the paper's data sets, training with validation and test, and the share taken of them.
SIZE_functions := 43894 4877
SIZE_blocks    := 73726 8192
SIZE_strands   := 33145 3683
SIZE_recover   := 8339 927
SIZE_execute   := 45000 5000
SHARE_tiny     := 10
SHARE_small    := 10
SHARE_full     := 1
SETS_tiny      := 2000
SETS_small     := 5000
SETS_full      := 50000
RUNS           := 1 2 3 4 5 6 7 8 9 10

TASKS := $(foreach s,functions blocks strands,compiler-$s opt-$s) recover execute

# $1 records, 1 for training and 2 for testing; a command that samples so many of a file as JSON lines
size   = $(shell echo $$(($(word $2,$(SIZE_$1)) / $(SHARE_$(PRESET)))))
sample = $(json) $2 | $(HERE)paper/sample -v n=$(call size,$*,$1) -v of=$$($(BB)bb-cat -c $2)

# ---- data: SIDE/task-SUBJECT.bb -------------------------------------------------------------------

quiz_recover = $(call merge,$1/functions) | $(BB)bb-strands -u block | $(BB)bb-uniq | $(BB)bb-quiz -q -k recover -s $(SEED)
quiz_execute = $(call merge,$1/functions) | $(BB)bb-strands | $(BB)bb-uniq | $(BB)bb-quiz -q -k execute -s $(SEED)

$(OUT)/train/recover.bb $(OUT)/train/execute.bb: $(OUT)/train/%.bb: $(OUT)/train/done
	$(call quiz_$*,$(@D)) | $(BB)bb-tok -m $(VOCAB) | $(BB)bb-uniq -o $@

# Of a test side, no code that was trained on: blocks in recover, strands in pre-training.
$(OUT)/test/recover.bb: $(OUT)/test/done $(OUT)/train/recover.bb
	$(call quiz_recover,$(@D)) | $(BB)bb-tok -m $(VOCAB) | $(BB)bb-uniq --by code --except $(OUT)/train/recover.bb -o $@

$(OUT)/test/execute.bb: $(OUT)/test/done $(OUT)/train/execute.bb
	$(call quiz_execute,$(@D)) | $(BB)bb-tok -m $(VOCAB) | \
		$(BB)bb-uniq --by code --except $(OUT)/train/execute.bb --except <($(call merge,$(OUT)/train/tokens)) -o $@

KINDS := functions blocks strands recover execute

$(KINDS:%=$(OUT)/train/task-%.bb): $(OUT)/train/task-%.bb: $(OUT)/train/%.bb $(HERE)paper/sample
	$(call sample,1,$<) | $(to_tokens) -o $@

$(KINDS:%=$(OUT)/test/task-%.bb): $(OUT)/test/task-%.bb: $(OUT)/test/%.bb $(HERE)paper/sample
	$(call sample,2,$<) | $(to_tokens) -o $@

# ---- results: results/TASK/METHOD-ft.json ---------------------------------------------------------

# What compiler-blocks is made of: the records, and the options of bb-train.
kind_of   = $(lastword $(subst -, ,$1))
task_of   = $(if $(filter recover execute,$1),--task $1,--task classify --label $(firstword $(subst -, ,$1)))

# $1 task, $2 the kind of its records
define task
$(OUT)/tuned/$1/%/config.json: $(OUT)/models/%/config.json $(OUT)/train/task-$2.bb
	@mkdir -p $$(@D)
	$(BB)bb-train $(task_of) $(CLASSIFY_$2) --valid 0.11 --seed $(SEED) --init $$(<D) -o $$(@D) $$(word 2,$$^)

$(OUT)/results/$1/%-ft.json: $(OUT)/tuned/$1/%/config.json $(OUT)/test/task-$2.bb
	@mkdir -p $$(@D)
	$(BB)bb-embed -m $$(<D) --predict $$(word 2,$$^) | $(BB)bb-eval -j > $$@
endef
$(foreach t,$(TASKS),$(eval $(call task,$t,$(call kind_of,$t))))

# The outlier tasks draw other sets in each run, of the instructions of all test functions.
$(OUT)/test/instructions.bb: $(OUT)/test/done
	$(call merge,$(@D)/functions) | $(BB)bb-strands -u block | $(BB)bb-uniq -o $@

# $1 opcode or operand
define outlier
$(OUT)/results/$1/%.json: $(OUT)/models/%/config.json $(OUT)/test/instructions.bb
	@mkdir -p $$(@D)
	for run in $(RUNS); do \
		$(BB)bb-quiz -q -k $1 --sets $(SETS_$(PRESET)) -s $$$$run $$(word 2,$$^) | $(BB)bb-tok -m $(VOCAB) | \
			$(BB)bb-embed -m $$(<D) --layer -2 --code-only | $(BB)bb-odd | $(BB)bb-eval -j; \
	done | jq -s '{runs: map(.accuracy), sets: .[0].records}' > $$@
endef
$(foreach t,opcode operand,$(eval $(call outlier,$t)))

RESULTS += $(foreach t,$(TASKS),$(METHODS:%=$(OUT)/results/$t/%-ft.json)) \
	$(foreach t,opcode operand,$(METHODS:%=$(OUT)/results/$t/%.json))

# ---- the opcodes as vectors ------------------------------------------------------------------------

# Each mnemonic that the vocabulary has as one token, alone, as the first of a set's instruction.
$(OUT)/test/opcodes.bb: $(OUT)/test/instructions.bb
	$(BB)bb-quiz -q -k opcode --sets $(SETS_$(PRESET)) -s $(SEED) $< | $(BB)bb-tok -m $(VOCAB) | $(json) | \
		$(HERE)paper/opcodes $(VOCAB)/vocab.txt - | $(to_tokens) -o $@

$(OUT)/vectors/%/opcodes.bb: $(OUT)/models/%/config.json $(OUT)/test/opcodes.bb
	@mkdir -p $(@D)
	$(BB)bb-embed -m $(<D) --layer -2 --code-only -o $@ $(word 2,$^)
