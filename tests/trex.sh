#!/bin/sh
# The small programs of scripts/trex on examples checked by hand, and its experiments on a toy corpus of
# three processors.
#
#	tests/trex.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"
scripts=$top/scripts

# ---- a toy corpus ----

target() {
	case $1 in mips) echo mips-linux-gnu ;; *) echo "$1-linux-gnu" ;; esac
}
for a in x86_64 aarch64 mips; do
	for o in O0 O2; do
		for f in bits words lists; do
			to=elf$([ $a = x86_64 ] || echo "-$a")/$([ $f = lists ] && echo try || echo learn)/clang-14-$o
			mkdir -p "$to"
			clang-14 --target="$(target $a)" -$o -g -ffreestanding -fPIC -shared -nostdlib -fuse-ld=lld-14 -w \
				-o "$to/$f.so" "$scripts/../tests/corpus/$f.c"
		done
	done
done

# ---- bare: imported functions are like one's own, all else stays ----

cat >program.c <<-'END'
	void known(int);
	__attribute__((noinline)) static void own(int x) { known(x + 1); }
	void calls(int x) { own(x); known(2); }
END
clang-14 -O0 -g -fPIC -shared -nostdlib -fuse-ld=lld-14 -o program.so program.c
"$bin/bb-disasm" -q program.so | "$bin/bb-strands" -q -u function >program.bb
"$bin/bb-cat" -j program.bb | "$scripts/trex/bare" | "$bin/bb-cat" --from-json sequence >bare.bb
"$bin/bb-tok" -q --text words program.bb >named
sed 's/known/func/g' named >want
"$bin/bb-tok" -q --text words bare.bb >got
check "bare: no names" cmp -s want got
check "bare: there were names" grep -q known named
check "bare: other fields stay" [ "$("$bin/bb-cat" -j bare.bb | sed 's/"refs":{[^}]*}//')" = \
	"$("$bin/bb-cat" -j program.bb | sed 's/"refs":{[^}]*}//')" ]

# ---- imports: sets of names ----

printf '%s\n' '{"refs":{"insn":[1,2,3,4],"kind":[2,1,2,2],"target":["0x0","0x1","0x0","0x0"],"name":[1,2,3,1],"names":["a","b","c"]},"exprs":[],"hashes":[]}' \
	'{"refs":{"insn":[1],"kind":[2],"target":["0x0"],"name":[1],"names":["c"]},"exprs":[],"hashes":[]}' \
	'{"refs":{"insn":[],"kind":[],"target":[],"name":[],"names":[]},"exprs":[],"hashes":[]}' | "$scripts/trex/imports" >got
check "imports: each name once, no names of own functions" [ "$(grep -o '"exprs":\[[^]]*\]' got | tr '\n' ' ')" = \
	'"exprs":["a","c"] "exprs":["c"] "exprs":[] ' ]
check "imports: a name is one number everywhere" [ "$(sed -n '1s/.*,\("0x[0-9a-f]*"\)\]}$/\1/p' got)" = \
	"$(sed -n '2s/.*\[\("0x[0-9a-f]*"\)\]}$/\1/p' got)" ]

# ---- sizes: blocks, edges and calls ----

"$bin/bb-disasm" -q -l arch=x86_64 -l opt=O0 elf/try/clang-14-O0/lists.so >f.bb
"$bin/bb-strands" -q -u function f.bb >s.bb
"$bin/bb-cat" -j f.bb >f.json
"$bin/bb-cat" -j s.bb >s.json
"$scripts/trex/sizes" s.json f.json | "$bin/bb-cat" --from-json embedding >got.bb
check "sizes: of all functions" [ "$("$bin/bb-cat" -c got.bb)" = "$("$bin/bb-cat" -c s.bb)" ]
check "sizes: blocks as they are" [ "$("$bin/bb-cat" -j got.bb | jq -c '.vec[0] * 10 | round')" = \
	"$(jq -sc '(.[] | select(.thunk == "" and (.len | length) > 0).blocks | length + 1 | log * 10 | round)' f.json)" ]

# ---- the experiments ----

trex() {
	make -s -f "$scripts/trex.mk" BB="$bin/" CORPUS=. OUT=out ARCHS='x86_64 aarch64 mips' LEVELS='O0 O2' COMPILER=clang-14 \
		TRAIN=learn TEST=try LEAST=2 POOLS='5 10' CONFIG=layers=1,hidden=16,heads=2,intermediate=32 LENGTH=64 \
		VOCAB_SIZE=300 PRETRAIN='--steps 2' TUNE='--steps 2' >log 2>&1
}
trex || tail -n 5 log >&2
json() { # json FILTER: of the result, true
	jq -e "$1" out/trex.json >/dev/null
}
check "trex: all methods and experiments" json '.results | length == 14 and
	all(.result | has("arch-5") and has("level-5") and has("both-10"))'
check "trex: pools and queries" json '[.results[].result | to_entries[] | select(.key != "pairs").value |
	.queries > 0 and .pool > 0 and .without == 0] | length == 84 and all'
check "trex: nothing on both sides" json '.overlap.texts == 0'
check "trex: what is looked up in another processor is not of the same" json '[.results[] | select(.method |
	test("shapes|pieces|functions") | not).result["arch-5"].queries] | unique | length == 1'
check "trex: AUC where all candidates are known" json '[.results[].result["level-5"].auc] | all(. > 0 and . <= 1)'
check "trex: table" grep -q '^| no learning: numbers of blocks, edges and calls |' out/trex.md
cksum <out/trex.json >before
trex
check "trex: made once" sh -c "cksum <out/trex.json | cmp -s - before"
check "trex: no corpus" sh -c "! make -s -f '$scripts/trex.mk' BB='$bin/' CORPUS=none OUT=none >log 2>&1"
check "trex: no corpus: named" grep -q 'none: nothing of' log

finish
