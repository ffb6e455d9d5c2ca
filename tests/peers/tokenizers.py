#!/usr/bin/env python3
"""tokenizers: bb's token numbers against Hugging Face `tokenizers`, on real sequences.

	tests/peers/tokenizers.py [-n SEQUENCES] [-s SEQUENCES.bb | ELF...]

Learns a vocabulary from the sequences with bb-vocab, and compares with the peer:
 - the tokens of code and of every expression, from vocab.txt and from tokenizer.json,
 - the tokens of micro-traces,
 - pairs with [CLS] and [SEP] and token types, as tokenizer.json makes them,
 - AutoTokenizer of `transformers` on the folder, when that package is there,
 - the tokens of made-up words: pieces of tokens, odd characters, words of about 100 characters,
 - the vocabulary that the peer's own trainer learns from the same text.
Exits 1 when anything differs.
"""
import argparse, json, os, random, subprocess, sys, tempfile

# This file has the name of the package.
sys.path = [p for p in sys.path if os.path.abspath(p or ".") != os.path.dirname(os.path.abspath(__file__))]
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

BB = os.environ.get("BB", "build/bin")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ap = argparse.ArgumentParser()
ap.add_argument("-n", type=int, default=120_000, help="sequences to compare")
ap.add_argument("-s", help="a sequence stream to use instead of ELF files")
ap.add_argument("elf", nargs="*", default=["/usr/bin/bash", "/usr/bin/perl", "/usr/bin/git"])
a = ap.parse_args()
failures = 0


def check(ok, what):
    global failures
    failures += not ok
    print(("ok    " if ok else "FAILED ") + what, flush=True)


def bb(*argv, stdin=None):
    return subprocess.run([f"{BB}/{argv[0]}", *argv[1:]], check=True, stdout=subprocess.PIPE, input=stdin).stdout


def compare(peer, seqs, model, n, style="words"):
    """Whether the peer gives bb's tokens of code and expressions, sequence by sequence."""
    text = bb("bb-tok", "-q", "--text", style, seqs).decode().split("\n")[:-1]
    tokens = bb("bb-tok", "-q", "-L", "1048576", "-m", model, seqs)
    records = [json.loads(l) for l in bb("bb-cat", "-q", "-j", stdin=tokens).splitlines()]
    if len(text) != len(records):
        return f"{len(text)} lines of text, {len(records)} records", 0, 0
    count = unknown = 0
    for at in range(0, min(n, len(text)), 1000):
        parts = [l.split("\t") for l in text[at:at + 1000]]
        got = iter(peer.encode_batch([p for ps in parts for p in ps], add_special_tokens=False))
        for ps, r in zip(parts, records[at:]):
            ids, eids, starts = r.get("ids", []), r.get("eids", []), r.get("starts", [])
            if next(got).ids != ids:
                return "code: " + ps[0], count, unknown
            for k in r.get("elens", []):
                if next(got).ids != eids[:k]:
                    return "expression of: " + "\t".join(ps), count, unknown
                eids = eids[k:]
            # Instructions are two blanks apart; each starts where the tokens before it end.
            insns = ps[0].split("  ")
            lens = [len(e.ids) for e in peer.encode_batch(insns, add_special_tokens=False)] if count % 50 == 0 else None
            if lens and [sum(lens[:i]) for i in range(len(lens))] != starts:
                return "starts of: " + ps[0], count, unknown
            count += 1
            unknown += 1 in ids
    return None, count, unknown


def made_up(vocab, n, rng):
    """Words that are hard to cut: glued tokens, prefixes of tokens, strange characters."""
    pool = [t.removeprefix("##") for t in vocab if t not in SPECIAL]
    odd = ["é", "\u00a0", "\u2003", "\u3000", "漢", "😀", "##", "#", "\u0301", "\u0085", "\u200b", "x" * 90]
    for _ in range(n):
        words = []
        for _ in range(rng.randint(1, 6)):
            w = "".join(rng.choice(pool) for _ in range(rng.randint(1, 4)))
            if rng.random() < 0.3:
                w = w[:rng.randint(1, len(w))]
            if rng.random() < 0.2:
                w += rng.choice(odd) + rng.choice(pool)
            words.append(w)
        yield " ".join(words)


with tempfile.TemporaryDirectory() as t:
    seqs = a.s
    if not seqs:
        seqs = f"{t}/s.bb"
        subprocess.run(["bash", "-o", "pipefail", "-c", f'{BB}/bb-disasm -q "$@" | {BB}/bb-strands -q | '
            f'{BB}/bb-sym -q > {seqs}', "bash", *a.elf], check=True)
    folder = f"{t}/vocab"
    bb("bb-vocab", "-q", "-o", folder, seqs)
    vocab = open(f"{folder}/vocab.txt").read().split("\n")[:-1]
    plain = Tokenizer(models.WordPiece.from_file(f"{folder}/vocab.txt", unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    full = Tokenizer.from_file(f"{folder}/tokenizer.json")
    check(full.get_vocab() == {w: i for i, w in enumerate(vocab)}, f"tokenizer.json: the {len(vocab)} tokens of vocab.txt")
    for name, peer in (("vocab.txt", plain), ("tokenizer.json", full)):
        bad, count, unknown = compare(peer, seqs, folder, a.n)
        check(not bad, f"{name}: {count} sequences, {unknown} with [UNK]" + (f": {bad}" if bad else ""))
        check(count >= min(a.n, 100_000), f"{name}: that is enough sequences")

    # Micro-traces: the text has other words, and a vocabulary of its own.
    subprocess.run(["bash", "-o", "pipefail", "-c", f'{BB}/bb-disasm -q "$1" | {BB}/bb-strands -q -u function | '
        f'{BB}/bb-trace -q > {t}/traced.bb', "bash", a.elf[0]], check=True)
    bb("bb-vocab", "-q", "-n", "1024", "-o", f"{t}/traced", f"{t}/traced.bb")
    bad, count, unknown = compare(Tokenizer.from_file(f"{t}/traced/tokenizer.json"), f"{t}/traced.bb", f"{t}/traced", a.n, "traced")
    check(not bad and count > 500, f"micro-traces: {count} functions, {unknown} with [UNK]" + (f": {bad}" if bad else ""))

    # Pairs: [CLS] code [SEP] expression [SEP], the second part of type 1.
    lines = [l.split("\t") for l in bb("bb-tok", "-q", "--text", "words", seqs).decode().split("\n")[:5000]]
    pairs = [(l[0], l[1]) for l in lines if len(l) > 1]
    good = bool(pairs)
    for (x, y), e in zip(pairs, full.encode_batch(pairs)):
        i, j = (full.encode(s, add_special_tokens=False).ids for s in (x, y))
        good &= e.ids == [2] + i + [3] + j + [3] and e.type_ids == [0] * (len(i) + 2) + [1] * (len(j) + 1)
    check(good, f"tokenizer.json: {len(pairs)} pairs with [CLS] and [SEP]")

    try:
        from transformers import AutoTokenizer
    except ImportError:
        print("       transformers is not there: AutoTokenizer not tried")
    else:
        auto = AutoTokenizer.from_pretrained(folder)
        x, y = pairs[0]
        check(auto(x, y)["input_ids"] == full.encode(x, y).ids and auto.pad_token_id == 0 and
              auto.mask_token_id == 4, "AutoTokenizer: same pair, same special tokens")

    # Made-up words travel as expressions, in a stream made from JSON.
    rng = random.Random(1)
    rec = {"unit": "block", "origin": {"bin": "00" * 16, "file": "x", "fn": "0x0", "name": "", "addr": "0x0"},
           "arch": "x86-64", "code": "c3", "len": [1]}
    with open(f"{t}/odd.bb", "wb") as f:
        f.write(bb("bb-cat", "-q", "--from-json", "sequence", stdin="".join(
            json.dumps(rec | {"exprs": [e], "hashes": ["0x0"]}) + "\n" for e in made_up(vocab, 50_000, rng)).encode()))
    bad, count, _ = compare(plain, f"{t}/odd.bb", folder, 50_000)
    check(not bad and count == 50_000, f"made-up words: {count} lines" + (f": {bad}" if bad else ""))

    # The peer's trainer breaks ties by chance, so the vocabularies are nearly, not quite, the same.
    text = bb("bb-tok", "-q", "--text", "words", seqs).decode().split("\n")
    learnt = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learnt.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learnt.train_from_iterator(text, trainers.WordPieceTrainer(vocab_size=len(vocab), min_frequency=2,
        special_tokens=SPECIAL, initial_alphabet=[chr(c) for c in range(33, 127)], show_progress=False))
    theirs = set(learnt.get_vocab())
    share = len(theirs & set(vocab)) / len(vocab)
    check(share > 0.95, f"learning: {share:.1%} of the tokens are those of the peer's trainer")
sys.exit(failures != 0)
