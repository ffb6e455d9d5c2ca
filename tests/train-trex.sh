#!/bin/sh
# Training of a Trex end to end on made-up micro-traces: it learns code and values, resumes exactly,
# does not depend on threads or batches, is tuned on code alone, and refuses what does not fit.
#
#	tests/train-trex.sh BIN-FOLDER
. "$(dirname "$0")/lib/begin.sh"
src=$top/tests/corpus

same() {
	cmp -s "$1/$3" "$2/$3"
}

said() { # said KEY LIMIT FOLDER: the last validation's number, or the last item of its list, is above
	awk -v key="\"$1\":" -v limit="$2" '/"valid":true/ && (at = index($0, key)) {
		v = substr($0, at + length(key)); gsub(/[]}].*/, "", v); if (v ~ /^\[/) sub(/.*,/, "", v)
		else sub(/,.*/, "", v); last = v + 0 } END { exit !(last > limit) }' "$3/metrics.jsonl"
}

# 400 words; the hash of this vocabulary is a constant of wordpiece_hash.
{
	printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n'
	awk 'BEGIN { for (i = 0; i < 395; i++) print "t" i }'
} >vocab.txt
hash=0x3715931904045fee

# traced N RUN: instructions of a mnemonic, a register of one of three processors, and a number. The
# group says the mnemonics, the processor the last byte of values and the register the one before; the
# values of registers are there if RUN is 1.
traced() {
	awk -v n="$1" -v run="$2" -v hash="$hash" 'BEGIN {
		srand(2)
		split("x86-64 aarch64 mips", arch)
		for (i = 0; i < n; i++) {
			g = int(i / 4); a = i % 3; x = 16 + 3 * a; ids = starts = vat = values = ""; nv = 0
			for (s = 0; s < 4 + g % 5; s++) {
				d = int(rand() * 4); c = s ? "," : ""
				starts = starts c 3 * s
				ids = ids c 10 + (g * 7 + s * (1 + g % 3)) % 30 "," 100 + 4 * a + d "," 90
				if (run) {
					vat = vat (nv ? "," : "") 3 * s + 1
					values = values (nv++ ? "," : "") sprintf("\"0x%x\"", 256 * d + x)
				}
				vat = vat (nv ? "," : "") 3 * s + 2
				values = values (nv++ ? "," : "") sprintf("\"0x%x\"", x)
			}
			printf "{\"unit\":\"function\",\"origin\":{\"bin\":\"00000000000000000000000000000000\","
			printf "\"file\":\"f\",\"fn\":\"0x%x\",\"name\":\"n%d\",\"addr\":\"0x%x\"},", i, i, i
			printf "\"labels\":{\"of\":\"%s\"},\"group\":\"g%d\",\"vocab\":\"%s\",", arch[a + 1], g, hash
			printf "\"ids\":[%s],\"starts\":[%s],\"arch\":\"%s\",\"vat\":[%s],\"values\":[%s]}\n", ids, starts,
				arch[a + 1], vat, values
		}
	}' | "$bin/bb-cat" --from-json tokens
}
traced 2400 1 >runs.tok
traced 400 0 >code.tok

train() { # train FOLDER OPTION...
	out=$1
	shift
	$exec "$bin/bb-train" -q --task trex --vocab vocab.txt --config tiny,hidden=64,intermediate=128 \
		--batch-tokens 1500 --epochs 2 --lr 4e-3 --save-every 20 --seed 3 -o "$out" "$@"
}
exec=                # "exec" for the background, so that $! is bb-train itself

# One run in one go, with 1 and 3 threads.
train one -t 1 runs.tok
train three -t 3 runs.tok
for f in model.safetensors optimizer.safetensors metrics.jsonl; do
	check "threads change $f" same one three $f
done
check "a Trex" grep -q '"model_type": "trex"' one/config.json

# It learns: by frequency the last byte of a value is guessed right for a third of them.
train pre --epochs 12 --lr 3e-3 --save-every 0 runs.tok
check "values" said acc_bytes 0.9 pre
check "code" said acc_code 0.5 pre
check "the loss falls" awk -F'"loss":' '/valid/ { next } { l = $2 + 0; if (!n++) first = l } END { exit !(l < first / 3) }' \
	pre/metrics.jsonl

# Real micro-traces: of functions that it has not seen it guesses more bytes than one who knows how often
# each byte is where in all values there are.
for opt in O0 O1 O2 O3; do
	mkdir $opt
	for f in bits lists words; do
		gcc -$opt -g0 -fPIC -shared -w -o $opt/$f.so "$src/$f.c"
	done
done
"$bin/bb-disasm" -q O?/*.so | "$bin/bb-strands" -u function | "$bin/bb-trace" -q -n 6 -o real.seq
"$bin/bb-vocab" -q -n 300 -o real real.seq
"$bin/bb-tok" -q -m real -L 128 -o real.tok real.seq
"$bin/bb-cat" -j real.tok | awk -F'"values":\\[' '{
	n = split($2, v, ",")
	for (i = 1; i <= n; i++) {
		gsub(/[^0-9a-fx]/, "", v[i]); h = sprintf("%16s", substr(v[i], 3)); gsub(/ /, "0", h); all++
		for (k = 0; k < 8; k++) { b = substr(h, 2 * k + 1, 2); if (++seen[k, b] > most[k]) most[k] = seen[k, b] }
	} } END { for (k = 0; k < 8; k++) sum += most[k]; print sum / all / 8 }' >frequent
check "real traces" "$bin/bb-train" -q --task trex --vocab real --config tiny,hidden=64,intermediate=128,max_len=128 \
	--batch-tokens 2000 --epochs 6 --lr 3e-3 --valid 0.15 --save-every 0 -o values real.tok
check "bytes, by frequency $(cat frequent)" awk -F'"acc_bytes":\\[' -v least="$(cat frequent)" '/"valid":true/ {
	n = split($2, v, ","); for (i = 1; i <= n; i++) sum += v[i] } END { exit !(n == 8 && sum / 8 > least + 0.02) }' \
	values/metrics.jsonl

# SIGKILL and SIGTERM at several moments, then the same command goes on.
for lines in 8 25 50; do
	exec=exec train kill runs.tok 2>err &
	pid=$!
	while [ "$(cat kill/metrics.jsonl 2>/dev/null | wc -l)" -lt $lines ]; do
		kill -0 $pid 2>/dev/null || break
		sleep 0.02
	done
	[ $lines = 25 ] && kill -TERM $pid || kill -KILL $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
done
check "resumes" train kill runs.tok
for f in model.safetensors optimizer.safetensors metrics.jsonl; do
	check "same $f after kills" same one kill $f
done

# More than the buffer takes, from a file and from a pipe.
traced 6000 1 >many.tok
for t in 1 2; do
	check "--buffer" train many$t --buffer 1 --epochs 1 -t $t many.tok
done
check "threads change nothing with --buffer" same many1 many2 model.safetensors
check "a pipe larger than --buffer" sh -c "'$bin/bb-cat' many.tok | '$bin/bb-train' -q --task trex --vocab vocab.txt \
	--config tiny,hidden=64 --batch-tokens 1000 --buffer 1 --steps 5 -o piped"

# Tuned on code alone: processors have no register in common.
for loss in cosine mse infonce; do
	check "similarity by $loss" "$bin/bb-train" -q --task similarity --loss $loss --init pre \
		--epochs 12 --lr 2e-3 --batch-tokens 2000 --valid 0.3 -o by-$loss code.tok
	check "AUC of $loss" said auc 0.9 by-$loss
	check "the projection is said" grep -q '"projection": true' by-$loss/config.json
done
check "no --init" "$bin/bb-train" -q --task similarity --loss cosine --vocab vocab.txt --steps 2 -o bert code.tok
check "and no vocabulary of traced text is a BERT" grep -q '"model_type": "bert"' bert/config.json
check "classify" "$bin/bb-train" -q --task classify --label of --init pre --epochs 8 --lr 2e-3 -o of code.tok
check "its classes" said acc 0.9 of
"$bin/bb-embed" -m of --predict code.tok | "$bin/bb-eval" -j >eval
check "predicts" awk -F'"accuracy":' '{ exit !($2 + 0 >= 0.9) }' eval

# A vector depends on its sequence alone.
"$bin/bb-embed" -m by-cosine -t 1 code.tok | "$bin/bb-cat" -j >a
"$bin/bb-embed" -m by-cosine -t 3 --batch-tokens 100 code.tok | "$bin/bb-cat" -j >b
check "vectors depend on batches or threads" cmp a b
"$bin/bb-embed" -m by-cosine --int8 -t 1 code.tok | "$bin/bb-cat" -j >c
"$bin/bb-embed" -m by-cosine --int8 -t 3 --batch-tokens 100 code.tok | "$bin/bb-cat" -j >d
check "--int8: vectors depend on batches or threads" cmp c d
check "--int8 has no effect" status 1 cmp a c
"$bin/bb-train" -q --task similarity --init by-cosine --steps 0 -o again
check "saved as it was read" same by-cosine again model.safetensors
"$bin/bb-train" -q --task similarity --init by-cosine --steps 0 --dtype bf16 -o half
check "--dtype bf16" [ "$(wc -c <half/model.safetensors)" -lt "$(($(wc -c <again/model.safetensors) * 11 / 20))" ]
check "embeds" sh -c "'$bin/bb-embed' -m half code.tok | '$bin/bb-cat' -c >out"
check "--pool rare" "$bin/bb-train" -q --task similarity --pool rare --init pre --steps 2 -o rare code.tok
check "--layer" "$bin/bb-train" -q --task similarity --layer -2 --init pre --steps 2 -o layer code.tok
check "the values of a trace change nothing" status 1 sh -c "
	'$bin/bb-cat' -n 9 runs.tok | '$bin/bb-embed' -m pre | '$bin/bb-cat' -j >e
	'$bin/bb-cat' -n 9 code.tok | '$bin/bb-embed' -m pre | '$bin/bb-cat' -j | cmp e"

# What does not fit.
check "--task elm" status 1 "$bin/bb-train" --task elm --init pre -o x1 runs.tok
check "says so" grep -q "not for a Trex" err
for task in mlm execute recover; do
	check "--task $task" status 1 "$bin/bb-train" --task $task --init pre -o x1 runs.tok
done
check "a BERT" status 1 "$bin/bb-train" --task trex --init bert -o x2 runs.tok
check "is no Trex" grep -q "is no Trex" err
check "a Trex's config" status 1 "$bin/bb-train" --config pre/config.json --vocab vocab.txt -o x3 runs.tok
check "says what it is" grep -q "not of traced text" err
check "its own is taken" "$bin/bb-train" -q --task trex --config pre/config.json --vocab vocab.txt --steps 1 \
	--save-every 0 -o own runs.tok
check "an odd size" status 1 "$bin/bb-train" --task trex --config hidden=9,heads=3 --vocab vocab.txt -o x4 runs.tok
check "says why" grep -q "is odd" err

# A config.json that lies.
lie() { # lie SED-COMMAND: bb-embed refuses the model and names the file
	rm -rf liar
	cp -r by-cosine liar
	sed "$1" by-cosine/config.json >liar/config.json
	! cmp -s by-cosine/config.json liar/config.json && status 1 "$bin/bb-embed" -m liar code.tok &&
		grep -q 'liar/[cm]o[nd]' err
}
for to in 0 -1 1.5 '"2"' 63 65 65536 99999 1000000000 99999999999999999999; do
	check "max_operand_positions is $to" lie "s/\(max_operand_positions\": \)[0-9]*/\1$to/"
done
for to in 0 -3 9 11 300 '[]'; do
	check "type_vocab_size is $to" lie "s/\(type_vocab_size\": \)[0-9]*/\1$to/"
done
for to in '"bert"' '"trexx"' 7; do
	check "model_type is $to" lie "s/\(model_type\": \)\"trex\"/\1$to/"
done
check "projection is 1" lie 's/true,$/1,/'
check "another hidden size" lie 's/\(hidden_size": \)64/\132/'
check "an odd hidden size" lie 's/\(hidden_size": \)64/\163/; s/\(heads": \)2/\13/'
cp by-cosine/config.json liar/config.json
cp pre/model.safetensors liar/model.safetensors
check "no projection in the file" status 1 "$bin/bb-embed" -m liar code.tok
check "named" grep -q projection err

finish
