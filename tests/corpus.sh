#!/bin/sh
# scripts/corpus.mk with a project of one file, without network: what it builds, says and leaves alone.
#
#	tests/corpus.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"

gcc=gcc-$(gcc -dumpversion | cut -d. -f1)
command -v "$gcc" >/dev/null || gcc=gcc
tab=$(printf '\t')

toy() { # toy FOLDER: sources of a corpus in FOLDER
	mkdir -p "$1/apt" "$1/source/toy/debian"
	touch "$1/apt/sources.list"
	echo 'toy (1:2.3-4) unstable; urgency=low' >"$1/source/toy/debian/changelog"
	cat >"$1/source/toy/toy.c" <<-'END'
		#include <stdio.h>
		__attribute__((noinline)) int twice(int x) { return 2 * x; }
		int main(int argc, char **argv) { return printf("%s\n", __FILE__) == twice(argc) || !argv; }
	END
	cat >"$1/source/toy/configure" <<-'END'
		#!/bin/sh
		case $* in *--break*) echo "configure: error: told to"; exit 1 ;; esac
		echo "checked" >> config.cache
		echo "$HOME $TMPDIR" > where
		[ -z "${SECRET-}" ] || echo "$SECRET" > where
		printf 'all:\n\t%s %s -o toy %s/toy.c\n\tln -s toy link\n\techo text > note\n' \
			"$CC" "$CFLAGS" "${0%/*}" > Makefile
	END
	chmod +x "$1/source/toy/configure"
}
corpus() { # corpus FOLDER ARGUMENT...
	folder=$1
	shift
	SECRET=x make -s -f "$top/scripts/corpus.mk" CORPUS="$folder" PROJECTS=toy COMPILERS="$gcc" \
		toy.conf='conf' toy.take='t* link note *' "$@" >"$dir/out" 2>"$dir/err"
}

a=$dir/a b=$dir/b/deeper
toy "$a"
toy "$b"
find "$a/source" -type f -exec sha256sum {} + | sort >"$dir/before"
corpus "$a" LEVELS='O0 O2' -j2
find "$a/source" -type f -exec sha256sum {} + | sort >"$dir/after"
check "sources are left alone" cmp -s "$dir/before" "$dir/after"
check "a cell for each level" [ "$(cd "$a/elf" && echo */*/*)" = "toy/$gcc-O0/toy toy/$gcc-O2/toy" ]
check "programs run" [ "$("$a/elf/toy/$gcc-O0/toy")" = ./source/toy/toy.c ]
check "with DWARF" [ "$(readelf -SW "$a/elf/toy/$gcc-O2/toy" | grep -c ' \.debug_line ')" = 1 ]
check "levels differ" sh -c "! cmp -s $a/elf/toy/$gcc-O0/toy $a/elf/toy/$gcc-O2/toy"
check "no work is left" [ -z "$(find "$a/work" -type f ! -name '*.lock')" ]
cut -f1-5,8 "$a/manifest.tsv" | sed 1d >"$dir/got"
functions=$(readelf -sW "$a/elf/toy/$gcc-O0/toy" | awk '$4 == "FUNC" && $7 != "UND" && $3 > 0' | wc -l)
check "manifest" [ "$(sed -n 1p "$dir/got")" = "toy${tab}1:2.3-4${tab}$gcc${tab}O0${tab}toy${tab}$functions" ]
sed 1d "$a/manifest.tsv" | while IFS="$tab" read -r project _ compiler level file bytes _ _ hash; do
	[ "$(sha256sum <"$a/elf/$project/$compiler-$level/$file")" = "$hash  -" ] &&
		[ "$(wc -c <"$a/elf/$project/$compiler-$level/$file")" = "$bytes" ] || echo bad
done >"$dir/got"
check "hashes and sizes" [ ! -s "$dir/got" ]
check "cells" [ "$(sed 1d "$a/cells.tsv" | cut -f1-4,6)" = "toy${tab}1:2.3-4${tab}$gcc${tab}O0${tab}1
toy${tab}1:2.3-4${tab}$gcc${tab}O2${tab}1" ]

# What is there is not built again; a removed cell is, to the same bytes.
stamp=$(stat -c %Y.%i "$a/elf/toy/$gcc-O0/toy")
rm -r "$a/elf/toy/$gcc-O2"
corpus "$a" LEVELS='O0 O2'
check "kept" [ "$(stat -c %Y.%i "$a/elf/toy/$gcc-O0/toy")" = "$stamp" ]
check "built again" [ -e "$a/elf/toy/$gcc-O2/toy" ]
corpus "$b" LEVELS='O0 O2'
check "equal in another folder" cmp -s "$a/elf/toy/$gcc-O2/toy" "$b/elf/toy/$gcc-O2/toy"
check "and so is the manifest" cmp -s "$a/manifest.tsv" "$b/manifest.tsv"

# Failures are said, skipped, and tried again; the rest is built.
corpus "$a" LEVELS='O1' toy.conf='conf --break'
check "a failure is said" grep -q "toy: $gcc-O1: configure: error: told to" "$dir/err"
check "and counted" grep -q '1 of 1 cells are missing' "$dir/err"
check "and leaves no cell" [ ! -e "$a/elf/toy/$gcc-O1" ]
corpus "$a" LEVELS='O1' toy.take=nothing
check "nothing to take" grep -q 'no ELF file matches nothing' "$dir/err"
corpus "$a" LEVELS='O0 O1 O2'
check "the next run makes it" [ -e "$a/elf/toy/$gcc-O1/toy" ]

# The build sees a home of its own and nothing of the caller's environment.
corpus "$a" LEVELS=O3 KEEP=yes
check "environment" [ "$(cat "$a/work/elf/toy/$gcc-O3/build/where")" = \
	"$a/work/elf/toy/$gcc-O3/tmp $a/work/elf/toy/$gcc-O3/tmp" ]
corpus "$b" LEVELS=O1 -n
check "make -n builds nothing" [ ! -e "$b/elf/toy/$gcc-O1" ]

finish
