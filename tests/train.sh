#!/bin/sh
# Training and embedding end to end on made-up tokens: learns, resumes exactly after signals and
# kills, does not depend on threads or batches, refuses what does not fit.
#
#	tests/train.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"

same() {
	cmp -s "$1/$3" "$2/$3"
}

# 400 words; the hash of this vocabulary is a constant of wordpiece_hash.
{
	printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'
	awk 'BEGIN { for (i = 0; i < 395; i++) print "t" i }'
} >vocab.txt
hash=0x3715931904045fee

# records N GROUPED VOCAB-HASH: code of triples a, a+100, a+200; expressions that copy parts of it.
records() {
	awk -v n="$1" -v grouped="$2" -v hash="$3" 'BEGIN {
		srand(1)
		for (i = 0; i < n; i++) {
			ids = ""; len = 3 * (1 + int(rand() * 12)); seed = int(i / 4)
			for (k = 0; k < len; k += 3) {
				a = grouped ? 10 + (seed * 37 + k * 11) % 90 : 10 + int(rand() * 90)
				if (grouped && rand() < 0.2)
					a = 10 + int(rand() * 90)
				tok[k] = a; tok[k + 1] = a + 100; tok[k + 2] = a + 200
			}
			for (k = 0; k < len; k++)
				ids = ids (k ? "," : "") tok[k]
			printf "{\"unit\":\"strand\",\"origin\":{\"bin\":\"00000000000000000000000000000000\","
			printf "\"file\":\"f\",\"fn\":\"0x%x\",\"name\":\"n%d\",\"addr\":\"0x%x\"},", i, i, i
			printf "\"labels\":{},\"group\":\"%s\",\"vocab\":\"%s\",", grouped ? "g" seed : "", hash
			printf "\"ids\":[%s],\"starts\":[0],\"eids\":[7,%d,%d,9],\"elens\":[4]}\n", ids,
				tok[1], tok[0]
		}
	}' | "$bin/bb-cat" --from-json tokens
}

# questions N SEED: code as above; label kind is what the first token says, answer copies a number of
# the question, marks say which instructions share the last one's first token.
questions() {
	awk -v n="$1" -v seed="$2" -v hash="$hash" 'BEGIN {
		srand(seed)
		for (i = 0; i < n; i++) {
			len = 3 * (3 + int(rand() * 6)); ids = ""; starts = ""; marks = ""
			last = 10 + int(rand() * 3)
			for (k = 0; k < len; k += 3) {
				a = k + 3 == len ? last : 10 + int(rand() * 3)
				ids = ids (k ? "," : "") a "," 100 + int(rand() * 20) "," 210
				starts = starts (k ? "," : "") k
				marks = marks (k ? "," : "") (k + 3 == len ? 2 : a == last)
				if (!k)
					kind = "k" a
			}
			v = int(rand() * 4)
			printf "{\"unit\":\"block\",\"origin\":{\"bin\":\"00000000000000000000000000000000\","
			printf "\"file\":\"f\",\"fn\":\"0x%x\",\"name\":\"\",\"addr\":\"0x%x\"},", i, i
			printf "\"labels\":{\"answer\":\"%d\",\"kind\":\"%s\"},\"group\":\"\",\"vocab\":\"%s\",", v, kind, hash
			printf "\"ids\":[%s],\"starts\":[%s],\"marks\":[%s],\"eids\":[7,%d,9],\"elens\":[2,1]}\n", ids,
				starts, marks, 300 + v
		}
	}' | "$bin/bb-cat" --from-json tokens
}

records 1500 0 $hash >pairs.tok
records 400 1 $hash >groups.tok
records 5 0 0x1 >foreign.tok
records 0 0 $hash >empty.tok

train() { # train FOLDER OPTION...
	out=$1
	shift
	$exec "$bin/bb-train" -q --vocab vocab.txt --config tiny,hidden=64,intermediate=128 \
		--batch-tokens 2000 --epochs 2 --lr 2e-3 --save-every 7 --seed 3 -o "$out" "$@"
}
exec=                # "exec" for the background, so that $! is bb-train itself

# One run in one go, with 1 and 3 threads.
train one -t 1 pairs.tok
train three -t 3 pairs.tok
for f in model.safetensors optimizer.safetensors metrics.jsonl; do
	check "threads change $f" same one three $f
done
check "learns" awk -F'[:,]' '/valid/ { next } { for (i = 1; i < NF; i++) if ($i == "\"loss\"") l = $(i + 1)
	if (!n++) first = l } END { exit !(l < first - 0.3) }' one/metrics.jsonl
check "a finished training is left alone" status 0 train one pairs.tok
check "other options are refused" status 1 train one --mask 0.2 pairs.tok
check "and named" grep -q "(then mask=0[.0-9]*; now mask=0[.0-9]*);" err
check "no layers" status 0 "$bin/bb-train" --vocab vocab.txt --config layers=0,hidden=32,heads=2 --steps 1 -o flat pairs.tok
check "are warned of" grep -q "without layers .* --task similarity" err

# SIGTERM: 75, then the same command goes on. Several times: once in ten a handler that ran on the
# stack of a thread in a product ruined the heap.
for i in 1 2 3 4 5 6 7 8; do
	rm -rf term
	exec=exec train term pairs.tok &
	pid=$!
	while [ ! -s term/metrics.jsonl ]; do
		kill -0 $pid || break
		sleep 0.02
	done
	kill -TERM $pid
	got=0
	wait $pid || got=$?
	check "SIGTERM gives 75, not $got" [ $got = 75 ]
done
check "resumes after SIGTERM" train term pairs.tok
check "same weights after SIGTERM" same one term model.safetensors
check "same log after SIGTERM" same one term metrics.jsonl

# The same training on other input is another one.
exec=exec train input pairs.tok &
pid=$!
while [ ! -s input/metrics.jsonl ]; do
	kill -0 $pid || break
	sleep 0.02
done
kill -TERM $pid
wait $pid || true
records 1400 0 $hash >fewer.tok
check "other input is refused" status 1 train input fewer.tok
check "says so" grep -q 'another input' err
check "the same input is not" train input pairs.tok
check "and gives the same weights" same one input model.safetensors

# SIGKILL at several moments.
for lines in 3 9 16; do
	exec=exec train kill pairs.tok 2>err &
	pid=$!
	while [ "$(cat kill/metrics.jsonl 2>/dev/null | wc -l)" -lt $lines ]; do
		kill -0 $pid 2>/dev/null || break
		sleep 0.02
	done
	kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
done
check "resumes after SIGKILL" train kill pairs.tok
check "same weights after SIGKILL" same one kill model.safetensors
check "same state after SIGKILL" same one kill optimizer.safetensors
check "same log after SIGKILL" same one kill metrics.jsonl

# Fine-tuning, from the model above.
for loss in mse infonce; do
	check "similarity by $loss" "$bin/bb-train" -q --task similarity --loss $loss --init one \
		--epochs 6 --lr 2e-3 --batch-tokens 1500 --valid 0.3 -o tuned-$loss groups.tok
	check "AUC of $loss" awk -F'"auc":' '/auc/ { a = $2 + 0; if (!n++) first = a
		if (a > best) best = a } END { exit !(best > 0.8) }' tuned-$loss/metrics.jsonl
done

# Tokens weighted by rarity: the vectors are others, and the folder says how.
check "--pool rare" "$bin/bb-train" -q --task similarity --loss infonce --pool rare --init one \
	--epochs 6 --lr 2e-3 --batch-tokens 1500 --valid 0.3 -o rare groups.tok
check "is in the folder" grep -q '"rarity": \[' rare/config.json
check "AUC of --pool rare" awk -F'"auc":' '/auc/ { if ($2 + 0 > best) best = $2 + 0 } END { exit !(best > 0.8) }' \
	rare/metrics.jsonl
"$bin/bb-embed" -m rare -t 1 groups.tok | "$bin/bb-cat" -j >a
"$bin/bb-embed" -m rare -t 3 --batch-tokens 100 groups.tok | "$bin/bb-cat" -j >b
check "its vectors depend on batches or threads" cmp a b
"$bin/bb-train" -q --task similarity --init rare --steps 0 -o rare-again
"$bin/bb-train" -q --task similarity --init rare --pool mean --steps 0 -o rare-mean
check "is kept by default" same rare rare-again config.json
check "--pool mean" status 1 grep -q rarity rare-mean/config.json
check "no such pooling" status 2 "$bin/bb-train" --vocab vocab.txt --task similarity --pool max -o x0 groups.tok

# Classifiers learn what they are shown, and say it of records they have not seen.
questions 600 1 >ask.tok
questions 100 2 >unseen.tok
accuracy() { # accuracy LIMIT FOLDER: over the unseen records
	"$bin/bb-embed" -m "$2" --predict unseen.tok | "$bin/bb-eval" -j |
		awk -v limit="$1" -F'"accuracy":' '{ exit !($2 + 0 >= limit) }'
}
for task in "classify --label kind" execute recover; do
	name=${task%% *}
	check "$name trains" "$bin/bb-train" -q --task $task --init one --epochs 30 --lr 1e-3 --keep 2 \
		--batch-tokens 1000 --valid 0.2 -o $name ask.tok
	check "$name learns" accuracy 0.9 $name
	check "$name has chosen by accuracy" grep -q '"valid":true.*"acc":' $name/metrics.jsonl
done
best=$(sed -n 's/.*"best_step": \([0-9]*\).*/\1/p' recover/trainer_state.json)
last=$(sed -n 's/.*"step": \([0-9]*\).*/\1/p' recover/trainer_state.json | head -n 1)
check "--keep keeps the best" same recover recover/checkpoint-$best model.safetensors
check "--keep keeps the last" [ -s recover/checkpoint-$last/config.json ]
check "--keep removes the others" [ "$(ls -d recover/checkpoint-* | wc -l)" -le 3 ]
check "what is kept is a model" sh -c "'$bin/bb-embed' -m recover/checkpoint-$best --predict unseen.tok >out"
check "--scratch starts anew" "$bin/bb-train" -q --task classify --label kind --init one --scratch --steps 1 \
	--lr 1e-9 -o scratch ask.tok
check "and takes no weights" status 1 same one scratch model.safetensors
check "no label of that name" status 1 "$bin/bb-train" -q --task classify --label none --init one -o x1 ask.tok
check "no label" status 2 "$bin/bb-train" -q --task classify --init one -o x2 ask.tok
check "no marks" status 1 "$bin/bb-train" -q --task recover --init one -o x3 groups.tok
check "no classifier" status 1 "$bin/bb-embed" -m one --predict unseen.tok
check "says so" grep -q classifier err

near() { # near COSINE A B: each of the 400 vectors of one file to that of the other
	awk -v least="$1" -F'"vec":\\[' 'function vec(v) { return split(substr($2, 1, index($2, "]") - 1), v, ",") }
		FNR == NR { first[FNR] = $0; next }
		{ n = vec(y); $0 = first[FNR]; vec(x); xx = yy = xy = 0
		  for (i = 1; i <= n; i++) { xx += x[i] * x[i]; yy += y[i] * y[i]; xy += x[i] * y[i] }
		  if (n != 64 || xy < least * sqrt(xx * yy)) bad = 1 }
		END { exit bad || FNR != 400 }' "$2" "$3"
}

# A vector depends on its sequence alone.
"$bin/bb-embed" -m one -t 1 groups.tok | "$bin/bb-cat" -j >a
"$bin/bb-embed" -m one -t 3 --batch-tokens 100 groups.tok | "$bin/bb-cat" -j >b
check "vectors depend on batches or threads" cmp a b
"$bin/bb-cat" -n 1 groups.tok | "$bin/bb-embed" -m one | "$bin/bb-cat" -j >c
head -n 1 a >d
check "a vector depends on its neighbours" cmp c d
"$bin/bb-embed" -m one --layer -2 groups.tok | "$bin/bb-cat" -j >e
check "--layer has no effect" status 1 cmp a e
check "an untrained model" "$bin/bb-train" --vocab vocab.txt --config tiny --steps 0 -o fresh
check "embeds" sh -c "'$bin/bb-embed' -m fresh groups.tok | '$bin/bb-cat' -c >out"
check "all of them" [ "$(cat out)" = 400 ]
check "empty in, empty out" [ "$("$bin/bb-embed" -m one empty.tok | "$bin/bb-cat" -c)" = 0 ]

# 8 bits: nearly the same vectors, which depend on the sequence alone too.
"$bin/bb-embed" -m one --int8 -t 1 groups.tok | "$bin/bb-cat" -j >g
"$bin/bb-embed" -m one --int8 -t 3 --batch-tokens 100 groups.tok | "$bin/bb-cat" -j >h
check "--int8: vectors depend on batches or threads" cmp g h
check "--int8 has no effect" status 1 cmp a g
check "--int8 changes little" near 0.995 a g
check "--int8 --predict" sh -c "'$bin/bb-embed' -m recover --int8 --predict unseen.tok | '$bin/bb-eval' -j |
	awk -F'\"accuracy\":' '{ exit !(\$2 + 0 >= 0.9) }'"

# Half the space, nearly the same vectors.
check "--dtype bf16" "$bin/bb-train" -q --task similarity --init one --steps 0 --dtype bf16 -o half
"$bin/bb-train" -q --task similarity --init one --steps 0 -o full
check "halves the file" [ "$(wc -c <half/model.safetensors)" -lt "$(($(wc -c <full/model.safetensors) * 11 / 20))" ]
"$bin/bb-embed" -m half groups.tok | "$bin/bb-cat" -j >f
check "rounds" status 1 cmp a f
check "but little" near 0.9999 a f
check "no such type" status 2 "$bin/bb-train" --vocab vocab.txt --dtype f16 -o x4 pairs.tok

# What does not fit.
check "tokens of another vocabulary: train" status 1 train none foreign.tok
check "says so" grep -q vocabulary err
check "tokens of another vocabulary: embed" status 1 "$bin/bb-embed" -m one foreign.tok
check "no such layer" status 2 "$bin/bb-embed" -m one --layer 9 groups.tok
check "nothing to train on" status 1 train none2 empty.tok
check "no folder" status 2 "$bin/bb-train" --vocab vocab.txt pairs.tok
check "bad config" status 2 "$bin/bb-train" --vocab vocab.txt --config heads=3 -o none3 pairs.tok
check "loss that is not finite" status 1 "$bin/bb-train" --vocab vocab.txt --config tiny --lr 1e30 \
	--clip 0 --warmup 0 -o none4 pairs.tok
check "names step and checkpoint" grep -q 'step.*none4' err
cp -r one broken
head -c 5000 one/model.safetensors >broken/model.safetensors
check "truncated weights" status 1 "$bin/bb-embed" -m broken groups.tok
check "named" grep -q model.safetensors err

finish
