#!/bin/sh
# The small programs of scripts/paper on examples checked by hand, and all experiments on a toy corpus.
#
#	tests/paper.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"
paper=$top/scripts/paper

# token NAME OPT ID[,ID...]: tokens of a function of as many instructions, as bb-cat -j prints them
n=0
token() {
	n=$((n + 1))
	printf '{"unit":"function","origin":{"bin":"%032x","file":"f%d","fn":"0x%x","name":"%s","addr":"0x%x"},' \
		1 $n $n "$1" $n
	printf '"labels":{"compiler":"gcc","opt":"%s","project":"p"},"group":"p:%s","vocab":"0x1","cut":0,' "$2" "$1"
	printf '"ids":[%s],"starts":[%s],"marks":[],"eids":[],"elens":[],"insns":0,"arch":"","vat":[],"values":[]}\n' "$3" \
		"$(echo "$3" | awk -F, '{ for (i = 1; i <= NF; i++) printf "%s%d", (i > 1 ? "," : ""), i - 1 }')"
}
field() { # field KEY: its values, on one line
	sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" | tr '\n' ' '
}

# ---- choose ----

choose() { # choose ARGUMENT...: of the file in
	"$paper/choose" "$@" in in
}
for g in a b b c c c d d d d e e e e e; do token $g O0 1,2,3; done | sed 's/"group":"p:/"group":"/' >in
token none O0 1,2 | sed 's/"group":"p:none"/"group":""/' >>in
"$bin/bb-cat" --from-json tokens <in | "$bin/bb-cat" -j | cmp -s - in || echo "the examples are not what bb-cat prints" >&2
check "choose all groups of two" [ "$(choose | field name)" = "b b c c c d d d d e e e e e " ]
check "choose evenly" [ "$(choose -v groups=2 | field name)" = "b b d d d d " ]
check "choose from another" [ "$(choose -v groups=2 -v seed=2 | field name)" = "c c c e e e e e " ]
check "choose large ones" [ "$(choose -v groups=9 -v least=4 | field name)" = "d d d d e e e e e " ]
check "choose some of each" [ "$(choose -v least=4 -v most=2 | field file)" = "f7 f9 f11 f14 " ]
choose -v groups=2 -v most=3 -v label=1 >out
check "choose labels" [ "$(field among <out)" = "paper paper paper paper paper " ]
check "choose one to ask for in each" [ "$(grep '"ask":"yes"' out | field name)" = "b d " ]
check "labels in their order" sh -c "'$bin/bb-cat' --from-json tokens <out | '$bin/bb-cat' -j | cmp -s - out"
choose -v groups=1 -v label=1 -v keep=1 -v asks=3 >out
check "choose keeps the others" [ "$(wc -l <out)" = 16 ]
check "choose asks for more than it labels" [ "$(grep -c '"ask":"yes"' out) $(grep '"among":"paper"' out | field group)" = "3 b b " ]

# ---- like: the labels and the group of the chosen, what else is known of them ----

grep '"ask"' out >chosen
sed 's/"labels":{[^}]*},"group":"[^"]*"/"labels":{},"group":""/; s/"ids":\[1,2,3\]/"ids":[7,8,9]/' in | tac >others
check "like" [ "$("$paper/like" chosen others | sort)" = "$(sed 's/"ids":\[1,2,3\]/"ids":[7,8,9]/' chosen | sort)" ]
check "like in the order of the records" [ "$("$paper/like" chosen others | field file)" = \
	"$(tac chosen | field file)" ]

# ---- strands ----

cat >in <<-'END'
	{"unit":"strand","labels":{},"group":"","len":[1,2,3,4],"exprs":["x"],"hashes":["0x1"]}
	{"unit":"strand","labels":{},"group":"","len":[1],"exprs":["x","y"],"hashes":["0x1","0x2"]}
	{"unit":"strand","labels":{},"group":"","len":[1],"exprs":[],"hashes":[]}
	{"unit":"strand","labels":{"opt":"O1"},"group":"old","len":[1,2,3,4,5],"exprs":["y"],"hashes":["0x2"]}
END
"$paper/strands" in >out
check "strands" [ "$(field group <out)" = "0x1 0x2 " ]
check "strands: size" [ "$(field size <out)" = "short long " ]
check "strands: labels" grep -qF '"labels":{"opt":"O1","size":"long"},"group":"0x2","len":' out

# ---- opcodes: jmp is cut by the vocabulary; each opcode once ----

printf '%s\n' '[PAD]' mov j '##mp' rax add >vocab
{
	token f O0 1,4
	token f O0 2,3,4
	token f O0 5
	token f O0 1,4,4
} >in
"$paper/opcodes" vocab in >out
check "opcodes" [ "$(field name <out)" = "mov add " ]
check "opcodes: tokens" [ "$("$bin/bb-cat" --from-json tokens <out | "$bin/bb-cat" -j | grep -o '"ids":[^s]*' | tr -d '\n')" = \
	'"ids":[1],""ids":[5],"' ]

# ---- timed ----

"$paper/timed" times 7 sh -c 'echo told; echo said >&2; exit 3' >out 2>err && status=0 || status=$?
check "timed: status, output and messages of the command" [ "$status $(cat out err)" = "3 told
said" ]
"$paper/timed" times 7 true
check "timed: what it writes" grep -Eq '^\{"records":7,"seconds":0\.[0-9]{3}\}$' times

# ---- the experiments, on two small projects ----

for o in O0 O1 O2; do
	for c in gcc clang-14; do
		for f in bits words lists; do
			project=$([ $f = lists ] && echo try || echo learn)
			mkdir -p "elf/$project/$c-$o"
			$c -$o -g -fPIC -shared -w -o "elf/$project/$c-$o/$f.so" "$paper/../../tests/corpus/$f.c"
		done
	done
done
paper() { # paper ARGUMENT...
	make -s -f "$paper/../paper.mk" BB="$bin/" CORPUS=. OUT=out-paper PRESET=tiny TRAIN_tiny=learn TEST_tiny=try \
		CONFIG=layers=1,hidden=16,heads=2,intermediate=32,max_len=64 VOCAB_SIZE=400 VOCAB_SIZE_shapes=400 PRETRAIN='--steps 2' \
		SIMILAR_tiny='--steps 2' CLASSIFY_tiny='--steps 2' SHARE_tiny=20 SETS_tiny=20 RUNS='1 2' POOLS=10 \
		LEAST=2 FIND_strands='-v groups=50' METHODS=elm "$@" >log 2>&1
}
rm -f out
paper || tail -n 5 log >&2
json() { # json FILTER: of the result, true
	jq -e "$1" out-paper/paper.json >/dev/null
}
check "paper: all experiments" json '[.results[].experiment] | unique | length == 18'
check "paper: nothing on both sides" json '.overlap | length == 5 and add == 0'
check "paper: pools and queries" json '[.results[] | select(.result.queries != null) | .result |
	.queries > 0 and .pool > 0] | length > 20 and all'
check "paper: figures of the paper" json \
	'[.results[] | select(.experiment == "functions" and .method == "elm-ft").published["5"][]] |
	map(. * 1000 | round) == [943, 453, 957]'
check "paper: what strands compute finds functions again" json \
	'.results[] | select(.experiment == "functions" and .method == "computed").result["recall@10"] > 0.3'
check "paper: and so do tokens of shapes, and a model of them" json '[.results[] | select(.experiment == "functions" and
	(.method == "pieces" or .method == "shapes-ft")).result["recall@10"] > 0.3] | length == 2 and all'
check "paper: table" grep -q '^| BinBert-FT |' out-paper/paper.md
cksum <out-paper/paper.json >before
paper
check "paper: made once" sh -c "cksum <out-paper/paper.json | cmp -s - before"

finish
