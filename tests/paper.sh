#!/bin/sh
# The small programs of scripts/paper on examples checked by hand.
#
#	tests/paper.sh BIN-FOLDER
set -eu
export LC_ALL=C
bin=$(cd "$1" && pwd)
paper=$(cd "$(dirname "$0")/../scripts/paper" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
passed=0 failed=0

check() { # check WHAT COMMAND...: the command succeeds
	what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "failed: $what" >&2
	fi
}

# token NAME OPT ID[,ID...]: tokens of a function of as many instructions, as bb-cat -j prints them
n=0
token() {
	n=$((n + 1))
	printf '{"unit":"function","origin":{"bin":"%032x","file":"f%d","fn":"0x%x","name":"%s","addr":"0x%x"},' \
		1 $n $n "$1" $n
	printf '"labels":{"compiler":"gcc","opt":"%s","project":"p"},"group":"p:%s","vocab":"0x1","cut":0,' "$2" "$1"
	printf '"ids":[%s],"starts":[%s],"marks":[],"eids":[],"elens":[]}\n' "$3" \
		"$(echo "$3" | awk -F, '{ for (i = 1; i <= NF; i++) printf "%s%d", (i > 1 ? "," : ""), i - 1 }')"
}
field() { # field KEY: its values, on one line
	sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" | tr '\n' ' '
}

# ---- functions ----

{
	token same O0 1,2,3
	token same O2 1,2,4
	token same O0 1,2,3       # in another file: once
	token main O0 1,2,3
	token main O0 1,2,5       # another function of that name: all of them go
	token main O2 7,7,7
	token clone.isra.0 O2 8,8,8
	token clone O0 8,8,9
	token part.part.0 O2 1,1,1
	token cold.cold O2 1,1,2
	token '' O2 1,1,3
	token short O2 1,2
	token known O2 9,9,9
} >in
"$bin/bb-cat" --from-json tokens <in | "$bin/bb-cat" -j | cmp -s - in || echo "the examples are not what bb-cat prints" >&2
echo known >skip
"$paper/functions" -v least=3 -v skip=skip in >out
check "functions" [ "$(field group <out)" = "same same clone clone " ]
check "functions: which" [ "$(field file <out)" = "f1 f2 f7 f8 " ]
check "functions: names" [ "$("$paper/functions" -v names=1 in | sort -u | tr '\n' ' ')" = "clone known main same short " ]
check "functions: records" [ "$("$bin/bb-cat" --from-json tokens <out | "$bin/bb-cat" -c)" = 4 ]

# ---- choose ----

n=0
for g in a b b c c c d d d d e e e e e; do token $g O0 1,2,3; done >in
check "choose all groups of two" [ "$("$paper/choose" -v groups=99 in | field name)" = "b b c c c d d d d e e e e e " ]
check "choose evenly" [ "$("$paper/choose" -v groups=2 in | field name)" = "b b d d d d " ]
check "choose from another" [ "$("$paper/choose" -v groups=2 -v seed=1 in | field name)" = "c c c e e e e e " ]
check "choose large ones" [ "$("$paper/choose" -v groups=9 -v least=4 in | field name)" = "d d d d e e e e e " ]
check "choose some of each" [ "$("$paper/choose" -v groups=9 -v least=4 -v most=2 in | field file)" = "f7 f9 f11 f13 " ]
check "choose one of each" [ "$("$paper/choose" -v groups=9 -v one=1 in | field file)" = "f2 f5 f9 f14 " ]
"$paper/choose" -v groups=3 -v most=2 in | sort >pool
"$paper/choose" -v groups=3 -v most=2 -v one=1 in | sort >queries
check "queries are in the pool" [ "$(comm -13 pool queries | wc -l) $(wc -l <queries)" = "0 3" ]

# ---- strands ----

cat >in <<-'END'
	{"unit":"strand","group":"","exprs":["x"],"hashes":["0x1"]}
	{"unit":"strand","group":"","exprs":["x","y"],"hashes":["0x1","0x2"]}
	{"unit":"strand","group":"","exprs":[],"hashes":[]}
	{"unit":"strand","group":"old","exprs":["y"],"hashes":["0x2"]}
END
check "strands" [ "$("$paper/strands" in | field group)" = "0x1 0x2 " ]

# ---- meanings: two functions share expression 5, which is rare; all share 6 ----

n=0
for f in f g h i; do token $f O0 1,2,3; done >functions
strand() { # strand NUMBER-OF-FUNCTION EIDS ELENS
	sed -n "$1p" functions | sed "s/\"eids\":.*/\"eids\":[$2],\"elens\":[$3]}/"
}
{
	strand 1 5,6 1,1
	strand 1 5 1 # again: counts once
	strand 2 6,5 1,1
	strand 3 6 1
	strand 4 6,7,5 1,2
} >strands
"$paper/meanings" strands functions | "$bin/bb-cat" --from-json tokens -o sets.bb
check "meanings: numbers" [ "$("$bin/bb-cat" -j sets.bb | sed 's/.*"ids":\[\([^]]*\)\].*/\1;/' | tr -d '\n')" = "32;32;;96,97;" ]

# ---- blocks: two builds of a source, the same lines of one function ----

cat >s.c <<-'END'
	int f(int x)
	{
		if (x > 3)
			x = x * 7;
		return x + 1;
	}
	int g(int x)
	{
		return x + 2;
	}
	int main(int argc, char **argv)
	{
		return f(argc) + g(argc) + !argv;
	}
END
for o in O0 O1; do
	gcc -$o -g -fno-inline -o s-$o s.c
	"$bin/bb-disasm" -q s-$o | "$bin/bb-strands" -u block | "$bin/bb-cat" -j | "$paper/blocks" s-$o >blocks-$o
done
check "blocks: groups" [ "$(grep '"name":"f"' blocks-O0 | field group)" = "f s.c:2 s.c:3 f s.c:4 f s.c:5 s.c:6 " ]
check "blocks: of another build" grep -q '"group":"g s.c:[0-9]' blocks-O1
check "blocks: only of known source" [ "$(grep -c '"name":"_start"' blocks-O0)" = 0 ]
check "blocks: records" "$bin/bb-cat" --from-json sequence -q -o b.bb blocks-O0

echo "$passed passed, $failed failed"
[ $failed = 0 ]
