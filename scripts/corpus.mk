# corpus.mk: the same programs by many compilers at many levels, from Debian's sources, with the truth.
#
#	make -f scripts/corpus.mk install           # as root: compilers and what the builds need (apt)
#	make -f scripts/corpus.mk CORPUS=DIR -j2    # fetch, build, make the manifest
#
# targets   corpus (default)  sources  manifest  list  install
# CORPUS    the folder; nothing is written outside of it, except by `install`
# PRESET    tiny: three projects.  small: two compilers, half the projects, an hour of two cores.  full: all.
#           cross: what can be cross compiled, by one compiler
# PROJECTS COMPILERS LEVELS ARCH FLAGS    choose otherwise; corpus/projects.mk says how to add a project
# SOURCES   a file of deb-src lines, instead of the system's own mirrors with deb turned into deb-src
#
# A cell is one project by one compiler at one level:
#
#	elf/PROJECT/COMPILER-LEVEL/FILE     programs and libraries with DWARF (elf-ARCH/ when cross compiled)
#	manifest.tsv                        a line a file: versions, sizes, functions, SHA-256
#	cells.tsv                           a line a cell: the same summed up, and processor seconds
#	log/elf/PROJECT/COMPILER-LEVEL.log  what was run and said
#
# A stopped run goes on with the cells it lacks. A cell that fails is reported and skipped, and tried
# again by the next run; remove a cell's folder to build it anew. All makes below share -jN.
# A corpus does not depend on where it lies: paths in it begin with ./source/PROJECT.

O      ?= build
CORPUS ?= $(O)/corpus
PRESET ?= small
LEVELS ?= O0 O1 O2 O3
ARCH   ?= x86_64

# What the compiler is told beside the level. No hardening, whatever a distribution's default is:
# it would be one more thing that differs between compilers. -w also takes the sting out of -Werror.
FLAGS  ?= -g -w -fno-stack-protector -fcf-protection=none -U_FORTIFY_SOURCE
# Younger compilers refuse what older sources do.
FLAGS  += -Wno-implicit-function-declaration -Wno-implicit-int -Wno-int-conversion \
	-Wno-incompatible-function-pointer-types

HERE := $(dir $(lastword $(MAKEFILE_LIST)))corpus/
include $(HERE)projects.mk

COMPILERS_tiny  := gcc-12 clang-14
COMPILERS_small := gcc-12 clang-14
COMPILERS_cross := gcc-12
COMPILERS_full  := gcc-11 gcc-12 clang-13 clang-14 clang-15 clang-16 clang-19
CROSS_aarch64   := aarch64-linux-gnu
CROSS_arm       := arm-linux-gnueabihf
CROSS_mips      := mips-linux-gnu
CROSS_mipsel    := mipsel-linux-gnu
CROSS_i386      := i686-linux-gnu

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := corpus
MAKEOVERRIDES :=

HOST     := $(CROSS_$(ARCH))
D        := $(abspath $(CORPUS))
ELF      := $D/elf$(if $(HOST),-$(ARCH))
recipe    = $(if $(HOST),$($1.cross),$($1.conf))
program   = $(if $(HOST),$(if $(filter gcc%,$1),$(HOST)-$1,$1),$1)
installed = $(shell command -v $(call program,$1))

PROJECTS  ?= $(TEST_$(PRESET)) $(TRAIN_$(PRESET))
COMPILERS ?= $(foreach c,$(COMPILERS_$(PRESET)),$(if $(call installed,$c),$c))
BUILDS    := $(foreach p,$(PROJECTS),$(if $(call recipe,$p),$p))
CELLS     := $(foreach p,$(BUILDS),$(foreach l,$(LEVELS),$(foreach c,$(COMPILERS),$p/$c-$l)))

corpus: $(CELLS:%=$(ELF)/%/.cell) manifest
sources: $(BUILDS:%=$D/source/%)

list:
	@printf '%s\n' $(CELLS)

# ---- sources: apt with lists and state of its own ------------------------------------------------

# Without the security archive: it keeps a version only until the next.

APT := apt-get -qq -o Dir::Etc::SourceList=$D/apt/sources.list -o Dir::Etc::SourceParts=/dev/null \
	-o Dir::State::Lists=$D/apt/lists -o Dir::Cache=$D/apt/cache -o APT::Sandbox::User=

$D/apt/sources.list: $(SOURCES)
	@mkdir -p $(@D)/lists/partial $(@D)/cache/archives/partial
	@$(if $(SOURCES),cat $<,apt-get indextargets 'Identifier: Packages' 'Origin: Debian' \
		--format 'deb-src $$(REPO_URI) $$(RELEASE) $$(COMPONENT)' | grep -v security | LC_ALL=C sort -u) > $@
	@$(APT) update

# The upstream tree, without Debian's patches: they touch what would have to be generated again.
$D/source/%: | $D/apt/sources.list
	@echo "  source $*"
	@mkdir -p $(@D) $D/log $D/download/$* && cd $D/download/$* && { rm -rf $@.part && \
		$(APT) source --download-only $(or $($*.source),$*) && \
		dpkg-source --no-copy --skip-patches -x *.dsc $@.part && mv $@.part $@; } > $D/log/$*.log 2>&1 || \
		echo "corpus: $*: no source: $$(tail -n1 $D/log/$*.log)" >&2

# ---- cells ---------------------------------------------------------------------------------------

project   = $(firstword $(subst /, ,$1))
recipe_of = CONF='$(call recipe,$1)' MAKE_ARGS='$($1.make)' TAKE='$($1.take)' COPY='$($1.copy)'

.SECONDEXPANSION:
$(ELF)/%/.cell: | $D/source/$$(call project,$$*)
	+@env -i PATH="$$PATH" MAKEFLAGS="$$MAKEFLAGS" FLAGS='$(FLAGS)' HOST='$(HOST)' KEEP='$(KEEP)' \
		$(call recipe_of,$(call project,$*)) $(HERE)cell $D $(@D) $(subst /, ,$*)

manifest: $(CELLS:%=$(ELF)/%/.cell)
	@$(HERE)manifest $(ELF) $D $(CELLS)

# ---- what must be there --------------------------------------------------------------------------

DEBIAN_aarch64 := arm64
DEBIAN_arm     := armhf
DEBIAN_mips    := mips
DEBIAN_mipsel  := mipsel
DEBIAN_i386    := i386
PACKAGES := dpkg-dev make binutils libc6-dev$(HOST:%=-$(DEBIAN_$(ARCH))-cross) $(foreach c,$(COMPILERS_$(PRESET)),$(if $(filter gcc%,$c),\
	$c$(HOST:%=-%) $(patsubst gcc%,g++%,$c)$(HOST:%=-%),$c)) $(foreach p,$(PROJECTS),$($p.need))

install:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends $(sort $(PACKAGES))

.PHONY: corpus sources manifest list install
