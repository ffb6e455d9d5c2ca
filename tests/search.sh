#!/bin/sh
# Searching and evaluating on examples small enough to be checked by hand.
#
#	tests/search.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"

is() { # is WHAT: the file "got" is the file "want"
	check "$1" cmp -s want got
	diff -u want got | head -n 20 >&2
}

bb() { # bb NAME ARGUMENT...
	name=bb-$1
	shift
	"$bin/$name" "$@"
}

# who NAME FILE GROUP OPT: the fields every kind has.
who() {
	printf '"unit":"function","origin":{"bin":"%032d","file":"%s","fn":"0x%x","name":"%s",' \
		0 "$2" "$((0x$(printf %s "$1$2" | cksum | cut -c 1-6)))" "$1"
	printf '"addr":"0x10"},"labels":{"opt":"%s"},"group":"%s"' "$4" "$3"
}

# vec NAME FILE GROUP OPT INSNS VECTOR
vec() {
	echo "{$(who "$1" "$2" "$3" "$4"),\"insns\":$5,\"vec\":[$6]}"
}

# tok NAME FILE GROUP OPT VOCAB IDS
tok() {
	echo "{$(who "$1" "$2" "$3" "$4"),\"vocab\":\"$5\",\"ids\":[$6],\"starts\":[${6:+0}]}"
}

hits() { # name, pool, relevant: names and scores of the hits
	bb cat -j | sed 's/"labels":{[^}]*},*//g' | awk -F'"' '{
		line = ""
		for (i = 1; i < NF; i++) {
			if ($i == "name")
				line = line " " $(i + 2)
			if ($i == "score" || $i == "pool" || $i == "relevant") {
				split($(i + 1), v, /[:,}]/)
				line = line sprintf($i == "score" ? " %.4f" : " %s", v[2])
			}
		}
		print substr(line, 2)
	}'
}

# ---- cosine, against values one sees: the angles are 0, 45, 90, 135, 180 degrees ----

{
	vec east a.o e O3 9 2,0
	vec northeast a.o e O3 9 5,5
	vec north a.o n O3 2 0,0.5
	vec northwest a.o n O0 9 -1,1
	vec west a.o w O3 9 -7,0
	vec nowhere a.o '' O3 9 0,0
} | bb cat --from-json embedding >corpus.bb
{
	vec q1 b.o e O0 9 3,0
	vec q2 b.o n O0 9 0,3
	vec q3 b.o x O0 2 -1,-1
} | bb cat --from-json embedding >queries.bb

cat >want <<'W'
q1 6 2 east 1.0000 northeast 0.7071 north 0.0000 nowhere 0.0000 northwest -0.7071 west -1.0000
q2 6 2 north 1.0000 northeast 0.7071 northwest 0.7071 east 0.0000 west 0.0000 nowhere 0.0000
q3 6 0 west 0.7071 northwest 0.0000 nowhere 0.0000 east -0.7071 north -0.7071 northeast -1.0000
W
bb knn -c corpus.bb queries.bb | hits >got
is "cosine; equal scores in the order of the corpus"

cat >want <<'W'
q1 5 2 east 1.0000 northeast 0.7071
q2 5 1 northeast 0.7071 northwest 0.7071
W
bb knn --min-insns 3 -k 2 -c corpus.bb queries.bb | hits >got
is "--min-insns, on both sides"

cat >want <<'W'
q1 1 0 northwest -0.7071
q2 1 1 northwest 0.7071
q3 1 0 northwest 0.0000
W
bb knn --where opt=O0 -c corpus.bb queries.bb | hits >got
is "--where"
check "--query-where" [ "$(bb knn --query-where opt=O3 -c corpus.bb queries.bb | bb cat -c)" = 0 ]
first=$(bb cat -j queries.bb | sed -n '1s/.*"name":"\([^"]*\)".*/\1/p')
named=$(bb cat -j queries.bb | grep -c "\"name\":\"$first\"")
check "--query-where name" [ "$(bb knn --query-where name="$first" -c corpus.bb queries.bb | bb cat -c)" = "$named" ]
check "--where file" [ "$(bb knn --where file=nowhere -c corpus.bb queries.bb | bb cat -j | grep -c '"pool":0')" = "$(bb cat -c queries.bb)" ]

cat >want <<'W'
east 5 1 northeast 0.7071
northeast 5 1 east 0.7071
north 5 1 northeast 0.7071
northwest 5 1 north 0.7071
west 5 0 northwest 0.7071
nowhere 5 0 east 0.0000
W
bb knn -k 1 corpus.bb | hits >got
is "all among all, none with itself"
bb knn -k 1 -c corpus.bb corpus.bb | hits >got
is "the same with -c"
bb knn -k 1 -c corpus.bb - <corpus.bb | hits >got
is "the same from stdin"
cat corpus.bb queries.bb | bb knn -k 3 | hits >want
bb knn -k 3 corpus.bb queries.bb | hits >got
is "two files, two members"
bb knn -c corpus.bb -c queries.bb -k 3 corpus.bb queries.bb | hits >got
is "two corpora"

# ---- pools ----

i=0
while [ $i -lt 40 ]; do
	for opt in O0 O3; do
		vec f$i $opt.o g$i $opt 9 "$((i * 7 % 11)),$((i % 5)),1" >>many.json
		tok f$i $opt.o g$i $opt 0x1 "$((i % 7)),$((i % 3 + 10))" >>tokens.json
	done
	i=$((i + 1))
done
bb cat --from-json embedding many.json >many.bb
bb cat --from-json tokens tokens.json >many.tok
candidates() { # query and, sorted, whom it was compared with
	bb cat -j | awk -F'"' '{
		n = 0
		for (i = 1; i < NF; i++)
			if ($i == "file") { file[n] = $(i + 2) } else if ($i == "name") { name[n++] = $(i + 2) }
		for (i = 0; i < n; i++)
			print NR, (i > 0), file[i], name[i]
	}' | sort
}
bb knn --pool 10 -k 10 many.bb >pools.bb
bb cat -j pools.bb | grep -c '"pool":10,"relevant":1,' >got
check "each pool has ten and one relevant" [ "$(cat got)" = 80 ]
candidates <pools.bb >want
check "ten candidates for each" [ "$(grep -c ' 1 ' want)" = 800 ]
check "and all different" [ "$(uniq want | wc -l)" = 880 ]
bb knn --pool 10 -k 10 many.tok | candidates >got
is "tokens of the same functions: the same pools"
bb knn --pool 10 -k 10 -s 2 many.bb | candidates >other
check "another seed, other pools" status 1 cmp -s want other
check "a query finds its positive and 78 others" \
	[ "$(bb knn -q --pool 1000 many.bb | bb cat -j | grep -c '"pool":79,"relevant":1')" = 80 ]
bb knn --pool 2 -c corpus.bb queries.bb 2>err | hits | cut -d ' ' -f 1-3 >got
printf 'q1 2 1\nq2 2 1\n' >want
check "a query without a positive is left out" diff want got
check "and counted" grep -q '1 of 3 queries' err
check "in the trailer too" sh -c "'$bin/bb-knn' -q --pool 2 -c corpus.bb queries.bb |
	'$bin/bb-cat' -H | grep -q 'skipped *1'"

# ---- Jaccard ----

{
	tok one a.o 1 O0 0x1 1,2,3
	tok two a.o 2 O0 0x1 3,3,3
	tok three a.o 3 O0 0x1 ''
} | bb cat --from-json tokens >corpus.tok
tok q b.o 1 O3 0x1 3,2,9,9 | bb cat --from-json tokens >queries.tok
echo 'q 3 1 one 0.5000 two 0.3333 three 0.0000' >want
bb knn -c corpus.tok queries.tok | hits >got
is "Jaccard"
bb knn --measure jaccard -c corpus.tok queries.tok | hits >got
is "Jaccard by name"

# By rarity: of 3 records 3 is in two, 1 and 2 are in one, 9 in none; log(4/3), log(4/2), log(4/1).
awk 'BEGIN { r = log(2); c = log(4 / 3); n = log(4)
	printf "q 3 1 one %.4f two %.4f three 0.0000\n", (r + c) / (2 * r + c + n), c / (r + c + n) }' >want
bb knn --measure idf -c corpus.tok queries.tok | hits >got
is "Jaccard by rarity"

# ---- what strands compute: joined to functions, compared as sets ----

# strand NAME FILE GROUP HASHES, of the instruction ret
strand() {
	echo "{$(who "$1" "$2" "$3" O0),\"arch\":\"x86-64\",\"code\":\"c3\",\"len\":[1]," \
		"\"exprs\":[$(echo "$4" | sed 's/0x/e/g')],\"hashes\":[$4]}"
}
sets() { # name, unit, hashes and expressions of each record
	bb cat -j | sed 's/.*"unit":"\([^"]*\)".*"name":"\([^"]*\)".*"exprs":\(.*\),"hashes":\([^]]*]\).*/\2 \1 \4 \3/' |
		tr -d '"'
}
{
	strand f a.o g1 '"0x3","0x1"'
	strand f a.o '' '"0x2","0x3"'
	strand f a.o '' ''
	strand g a.o g2 '"0x2"'
	strand f a.o g3 '' # f again, but not its neighbour
} | bb cat --from-json sequence >strands.bb
printf '%s\n' 'f function [0x1,0x2,0x3] [e1,e2,e3]' 'g function [0x2] [e2]' 'f function [] []' >want
bb join strands.bb | sets >got
is "join: each expression once"
check "join: labels and group of the first" [ "$(bb join strands.bb | bb cat -j | grep -c '"group":"g[123]"')" = 3 ]
bb join -u block strands.bb | sets | cut -d ' ' -f 2 | uniq >got
echo block >want
is "join: blocks"
strand q b.o g1 '"0x1","0x9"' | bb cat --from-json sequence >query.bb
echo 'q 3 1 f 0.2500 g 0.0000 f 0.0000' >want
bb join strands.bb | bb knn -c - query.bb | hits >got
is "sets of expressions"
awk 'BEGIN { r = log(2); printf "q 3 1 f %.4f g 0.0000 f 0.0000\n", r / (2 * r + log(4 / 3) + log(4)) }' >want
bb join strands.bb | bb knn -m idf -c - query.bb | hits >got
is "by rarity"
strand f a.o g1 '' | bb cat --from-json sequence >bare.bb
bb knn -c bare.bb query.bb 2>err >got
check "a corpus without expressions is told" grep -q 'no record of the corpus has expressions' err

{
	strand f a.o g1 '"0x1","0x2"' | sed 's/"e1","e2"/"rax = 1 add rbx","rdi ult 7000"/'
	strand f a.o g1 '"0x3"' | sed 's/"e3"/"* ( rbp add -8 ) = 1 add * ( rsp )"/'
	strand g a.o g1 '"0x9"' | sed 's/"e9"/"r9 = 1 add r9"/'
} | bb cat --from-json sequence >places.bb
check "join --shape: each shape once" [ "$(bb join --shape places.bb | bb cat -j | grep -c '"1 add v0"')" = 2 ]
bb join --shape places.bb | sets | sed -n '1s/.* \[//p' | tr ',' '\n' | tr -d ']' | sort >got
printf '1 add v0\nv0 ult IMM\n' >want
is "join --shape: which"
bb join --shape places.bb | bb knn -k 1 | hits >got
printf '%s\n' 'f 1 1 g 0.5000' 'g 1 1 f 0.5000' >want
is "join --shape: equal hashes"
bb join --shape places.bb | bb tok --text words | head -n 1 | awk '{ print $1 "  " $2 }' | tr ' ' '\n' | sort -u >got
printf '%s\n' '' 1addv0 v0ultIMM >want
is "tok: what a function computes, a word an expression"
bb join --shape places.bb | bb vocab --min-count 1 -n 400 -o words 2>err
check "vocab: of what functions compute" grep -qx '1addv0' words/vocab.txt
bb join --shape places.bb | bb tok -m words | bb cat -j | sed 's/.*"ids":\(.*\),"starts":\([^]]*\]\).*"eids":\(.*\),"elens".*/\1 \2 \3/' >got
check "tok: tokens of what a function computes" grep -qE '^\[[0-9]+,[0-9]+\] \[0,1\] \[\]$' got
{
	for code in '10 0,2' '10 1,3' '20 0,1'; do
		strand f a.o g1 '"0x1"' | sed "s/\"addr\":\"0x10\"/\"addr\":\"0x${code% *}\"/
			s/\"code\":\"c3\",\"len\":\[1\]/\"code\":\"c3c3\",\"len\":[1,1],\"pos\":[${code#* }]/"
	done
} | bb cat --from-json sequence >shared.bb
check "join: instructions" [ "$(bb join shared.bb | bb cat -j | grep -c '"insns":6')" = 1 ]
check "tok: instructions" [ "$(bb join --shape shared.bb | bb tok -m words | bb cat -j | grep -c '"insns":6')" = 1 ]
check "knn: instructions" [ "$(bb join shared.bb places.bb | bb knn -v --min-insns 5 2>&1 >got | grep -c '2 records left out')" = 1 ]
check "join --shape of vectors" status 1 bb join --shape many.bb

{
	vec f a.o g1 O0 3 1,0
	vec f a.o '' O0 4 2,6
	vec g a.o g2 O0 1 5,5
} | bb cat --from-json embedding >parts.bb
printf '%s\n' '"insns":7,"vec":[1.5,3]}' '"insns":1,"vec":[5,5]}' >want
bb join parts.bb | bb cat -j | sed 's/.*"insns"/"insns"/' >got
is "join: the mean of vectors"
{
	vec f a.o g1 O0 3 1,0
	vec f a.o g1 O0 3 1
} | bb cat --from-json embedding >bad.bb
check "join: vectors of two lengths" status 1 bb join bad.bb
check "and why" grep -q 'a.o: f: vectors of 2 and of 1 numbers' err
check "join: another kind" status 1 bb join corpus.tok
check "join: another unit" status 2 bb join -u strand strands.bb

# ---- the same bytes at any number of threads; record for record over members ----

bb cat -n 30 many.bb >some.bb
for opt in "-k 7" "--pool 9"; do
	bb knn -t 1 $opt many.bb >one
	bb knn -t 5 $opt many.bb >five
	check "threads: $opt" cmp one five
	bb knn $opt -c many.bb many.bb some.bb 2>err | bb cat -j >both
	{ bb knn $opt -c many.bb many.bb; bb knn $opt -c many.bb some.bb 2>err; } | bb cat -j >each
	check "f(a); f(b) = f(a b): $opt" cmp both each
done

# ---- what does not fit ----

vec q b.o e O0 9 1,2,3 | bb cat --from-json embedding >three.bb
tok q b.o 1 O0 0x2 1 | bb cat --from-json tokens >foreign.tok
check "other dimension" status 1 bb knn -c corpus.bb three.bb
check "names both" grep -q 'three.bb: record 1: a vector of 3 numbers, those of the corpus have 2' err
check "other dimension within" status 1 bb knn corpus.bb three.bb
check "names both" grep -q 'three.bb: record 1: a vector of 3 numbers, the others have 2' err
check "other vocabulary" status 1 bb knn -c corpus.tok foreign.tok
check "names both" grep -q '0000000000000002.*0000000000000001' err
check "tokens in a corpus of embeddings" status 1 bb knn -c corpus.bb corpus.tok
check "names both kinds" grep -q "'tokens'.*'embedding'" err
check "matches are no embeddings" status 1 bb knn pools.bb
check "names all kinds" grep -q "'match'.*'embedding' of bb-embed, 'tokens' or 'sequence'" err
check "cosine of tokens" status 1 bb knn --measure cosine corpus.tok
check "measure" status 2 bb knn --measure l2 corpus.bb
check "rule" status 2 bb knn --query-where opt corpus.bb
check "--where without corpus" status 2 bb knn --where opt=O0 corpus.bb
check "stdin twice" status 2 bb knn -c - -
check "no corpus file" status 1 bb knn -c none.bb corpus.bb
check "is named" grep -q 'none.bb: No such file' err

# ---- bb-eval ----

# The two queries of tests/unit/metrics.c: (0 1 1 0), 3 relevant of 100; (1 0 0 0), 1 of 50; and
# one with nothing to find.
match() { # match POOL RELEVANT OPT GROUP...
	printf '{%s,"pool":%s,"relevant":%s,"hits":[' "$(who q b.o g "$3")" "$1" "$2"
	shift 3
	sep= score=9
	for g; do
		printf '%s{"origin":{"bin":"%032d","file":"a.o"},"labels":{"opt":"O3"},"group":"%s","score":0.%d}' \
			"$sep" 1 "$g" $score
		sep=, score=$((score - 1))
	done
	echo ']}'
}
{
	match 100 3 O0 x g g x
	match 50 1 O1 g x x x
	match 50 0 O1 x x x x
} | bb cat --from-json match >match.bb

cat >want <<'W'
pool 75.0 (50 to 100), 2 queries (1 more have nothing similar in it), mrr 0.7500 (first 4 answers)
      k      hit  precision   recall     ndcg  ndcg_cut
      1   0.5000     0.5000   0.5000   0.5000    0.5000
      2   1.0000     0.5000   0.6667   0.6480    0.6934
      4   1.0000     0.3750   0.8333   0.7654    0.7654
      9  unknown: a match holds only 4 answers
varies: opt (O0 O1 against O3)

opt=O0: pool 100, 1 queries, mrr 0.5000 (first 4 answers)
      k      hit  precision   recall     ndcg  ndcg_cut
      1   0.0000     0.0000   0.0000   0.0000    0.0000
      2   1.0000     0.5000   0.3333   0.2961    0.3869
      4   1.0000     0.5000   0.6667   0.5307    0.5307
      9  unknown: a match holds only 4 answers

opt=O1: pool 50, 1 queries (1 more have nothing similar in it), mrr 1.0000 (first 4 answers)
      k      hit  precision   recall     ndcg  ndcg_cut
      1   1.0000     1.0000   1.0000   1.0000    1.0000
      2   1.0000     0.5000   1.0000   1.0000    1.0000
      4   1.0000     0.2500   1.0000   1.0000    1.0000
      9  unknown: a match holds only 4 answers
W
bb eval -k 1,2,4,9 --by opt match.bb >got
is "the table"
cat >want <<'W'
{"pool":75,"pool_min":50,"pool_max":100,"queries":2,"without":1,"answers":4,"mrr":0.75,"hit@2":1,"hit@9":null,"precision@2":0.5,"precision@9":null,"recall@2":0.6666666667,"recall@9":null,"ndcg@2":0.6480409555,"ndcg@9":null,"ndcg_cut@2":0.6934264036,"ndcg_cut@9":null,"labels":{"opt":{"varies":true,"queries":["O0","O1"],"hits":["O3"]}}}
W
bb eval -j -k 2,9 match.bb >got
is "JSON"
match 2 1 O0 x g | bb cat --from-json match | bb eval -k 5 >got
check "a match with all candidates knows every k" grep -q '^ *5 *1.0000 *0.2000 *1.0000' got
# Similar pairs .8 .9, others .9 .7 .8 .7: of eight, five in order and two tied.
{
	match 3 1 O0 x g x
	match 3 1 O1 g x x
	match 3 0 O1 x x x
} | bb cat --from-json match >all.bb
bb eval --by opt all.bb >got
check "AUC over all pairs" grep -q '^pool 3, 2 queries.*, auc 0.7500$' got
check "AUC of a label's value" grep -q '^opt=O0.*, auc 0.5000$' got
bb eval -j all.bb >got
check "AUC in JSON" grep -q '"auc":0.75,' got
bb eval all.bb match.bb >got
check "no AUC where a match lacks candidates" status 1 grep auc got
match 2 2 O0 g g g 2>err | bb cat --from-json match >out 2>err || :
check "more hits than candidates is no match" grep -q 'more hits than candidates' err
match 9 1 O0 g g | bb cat --from-json match >bad.bb
check "more similar answers than there are" status 1 bb eval bad.bb
check "named" grep -q 'bad.bb: record 1: 2 similar answers but only 1' err

bb cat --from-json match /dev/null >empty.bb
check "nothing to evaluate" status 0 bb eval -j empty.bb
check "is null" grep -q '"pool":null,"queries":0,.*"mrr":null' out
for k in 0 1,x 5,1 1, ,1 '' -1 1,1; do
	check "-k '$k'" status 2 bb eval -k "$k" match.bb
done
check "embeddings cannot be evaluated" status 1 bb eval corpus.bb
check "names the kinds" grep -q "'embedding'.*'match' of bb-knn or 'prediction'" err

prediction() { # prediction TRUTH SCORES
	echo "{$(who q b.o '' O0),\"task\":\"opt\",\"truth\":\"$1\",\"classes\":[\"O0\",\"O1\",\"O2\"],\"scores\":[$2]}"
}
{
	prediction O0 0.8,0.1,0.1
	prediction O0 0.3,0.6,0.1
	prediction O1 0.2,0.7,0.1
	prediction O2 0.5,0.5,0.0
	prediction '' 1,0,0
} | bb cat --from-json prediction >prediction.bb
cat >want <<'W'
opt: 4 records (1 more without a known truth), accuracy 0.5000
  precision   recall       f1      auc   records  class
     0.3333   0.5000   0.3889   0.5833         4  (mean of the classes)
     0.5000   0.5000   0.5000   0.7500         2  O0
     0.5000   1.0000   0.6667   1.0000         1  O1
     0.0000   0.0000   0.0000   0.0000         1  O2
W
bb eval prediction.bb >got
is "predictions"
cat >want <<'W'
{"task":"opt","records":4,"unknown":1,"classes":3,"accuracy":0.5,"precision":0.3333333333,"recall":0.5,"f1":0.3888888889,"auc":0.5833333333,"class":{"O0":{"records":2,"precision":0.5,"recall":0.5,"f1":0.5,"auc":0.75},"O1":{"records":1,"precision":0.5,"recall":1,"f1":0.6666666667,"auc":1},"O2":{"records":1,"precision":0,"recall":0,"f1":0,"auc":0}},"confusion":{"O0":{"O0":1,"O1":1},"O1":{"O1":1},"O2":{"O0":1}}}
W
bb eval -j prediction.bb >got
is "predictions as JSON"

# ---- bb-uniq ----

# seq FILE CODE LEN TARGET NAME HASHES: one instruction that refers to something.
seq() {
	printf '{%s,"arch":"x86-64","code":"%s","len":[%s],' "$(who f "$1" g O0)" "$2" "$3"
	printf '"refs":{"insn":[0],"kind":[1],"target":["%s"],"name":[1],"names":["%s"]},' "$4" "$5"
	echo "\"exprs\":[\"a\",\"b\"],\"hashes\":[$6]}"
}
{
	seq a.o e811223344 5 0x1 puts '"0x1","0x2"'
	seq b.o e811223344 5 0x9 puts '"0x2","0x1"' # the same elsewhere
	seq c.o e811223344 5 0x1 gets '"0x1","0x2"' # calls another function
	seq d.o e811223344 1,4 0x1 puts '"0x1","0x2"' # other instructions
	seq e.o e811223345 5 0x1 puts '"0x1","0x3"'
	seq a.o e811223344 5 0x1 puts '"0x1","0x2"' # the first again
} | bb cat --from-json sequence >seq.bb
kept() {
	bb cat -j | sed 's/.*"file":"\([^"]*\)".*/\1/' | tr '\n' ' '
}
check "uniq" [ "$(bb uniq seq.bb | kept)" = "a.o c.o d.o e.o " ]
check "by code" [ "$(bb uniq --by code seq.bb | kept)" = "a.o c.o d.o e.o " ]
sed 's/\("len":\[1,4\]\)/\1,"marks":[1,2]/' >marked.json <<W
$(bb cat -j seq.bb | sed 's/"marks":\[\],//')
$(bb cat -j seq.bb | sed 's/"marks":\[\],//; s/"d.o"/"f.o"/' | grep f.o)
W
check "other marks" [ "$(sed '$s/\[1,2\]/[2,1]/' marked.json | bb cat --from-json sequence | bb uniq | kept)" = "a.o c.o d.o e.o f.o " ]
check "by code, other marks" [ "$(sed '$s/\[1,2\]/[2,1]/' marked.json | bb cat --from-json sequence | bb uniq -b code | kept)" = "a.o c.o d.o e.o " ]
check "by expressions" [ "$(bb uniq --by exprs seq.bb | kept)" = "a.o e.o " ]
check "by record" [ "$(bb uniq --by record seq.bb | kept)" = "a.o b.o c.o d.o e.o " ]
check "over members" [ "$(cat seq.bb seq.bb | bb uniq | kept)" = "a.o c.o d.o e.o " ]
bb cat -n 1 -o first.bb seq.bb
check "except" [ "$(bb uniq -x first.bb seq.bb | kept)" = "c.o d.o e.o " ]
check "except several" [ "$(bb uniq -x first.bb -x seq.bb seq.bb | kept)" = "" ]
check "except by expressions" [ "$(bb uniq --by exprs -x first.bb seq.bb | kept)" = "e.o " ]
check "except another kind" status 1 bb uniq -x corpus.bb seq.bb
head -c $(($(wc -c <first.bb) - 1)) first.bb >cut.bb
check "except half a file" status 1 bb uniq -x cut.bb seq.bb
cat seq.bb seq.bb | bb uniq | bb cat -H | grep '^records' | tr -s ' \n' ' ' >got
check "each member stays one" [ "$(cat got)" = "records 4 records 0 " ]
bb cat -H seq.bb | sed -n 's/^digest *//p' >want
bb uniq seq.bb | bb cat -H | sed -n 's/^from *//p' >got
is "names the digest it was made from"
bb uniq seq.bb | bb cat -j >once
bb uniq seq.bb | bb uniq | bb cat -j >twice
check "twice is once" cmp once twice
check "embeddings" [ "$(bb uniq corpus.bb corpus.bb queries.bb | bb cat -c)" = 9 ]
check "tokens" [ "$(bb uniq many.tok | bb cat -c)" = 21 ]
check "no expressions in tokens: nothing is a duplicate" \
	[ "$(bb uniq --by exprs many.tok | bb cat -c)" = 80 ]
check "no code in embeddings" status 1 bb uniq --by code corpus.bb
check "says so" grep -q "'embedding' have nothing for --by code" err
check "--by" status 2 bb uniq --by name seq.bb
check "--memory" status 2 bb uniq -m 0 seq.bb

finish
