"""endtoend.py: the whole pipe on the small corpus of tests/fixture.py: plausible numbers, and one
digest whatever the number of threads, the folder, the time zone and the locale."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import BIN, FIX, O, TOP, done, ok, prog, read, run, tmpdir

FUNCTIONS = {  # of tests/corpus
    "lists": {"list_push", "list_find", "list_reverse", "list_merge", "list_sort", "list_sum", "list_free",
              "array_insertion", "array_quick", "array_search", "array_compare", "array_library"},
    "bits": {"crc32_bits", "adler", "fnv", "popcount", "swap_bytes", "rotate", "tea_encrypt", "gcd", "power_mod",
             "polynomial", "matrix_multiply", "day_of", "day_name"},
    "words": {"word_count", "word_upper", "word_palindrome", "word_reverse", "word_join", "word_distance",
              "word_number", "word_escape", "word_match", "word_table", "word_line"},
}
ALL = set().union(*FUNCTIONS.values())


def records(name):
    return [r for _, rs, _, _ in readstream.members(read(os.path.join(FIX, name))) for r in rs]


def test_counts():
    fns = records("functions.bb")
    for opt in ("O0", "O3"):
        for file, names in FUNCTIONS.items():
            got = {f["name"] for f in fns if f["labels"]["opt"] == opt and f["file"] == file + ".so"}
            ok(f"endtoend/{opt} {file}: every function of the source is found", names <= got, names - got)
    own = [f for f in fns if f["name"] in ALL]
    ok("endtoend/labels", all(f["labels"]["project"] == "corpus" for f in fns), fns[0]["labels"])
    ok("endtoend/blocks and edges", all(f["blocks"][0] == 0 and (len(f["blocks"]) == 1 or any(f["exits"])) for f in own))
    loops = [f for f in own if f["name"] == "list_sum"]
    ok("endtoend/a loop is an edge backwards",
       all(any(t <= 0 for t in f["jumps"]) for f in loops) and len(loops) == 2)
    called = {n for f in own if f["name"] == "list_push" for n in f["refs"]["names"]}
    ok("endtoend/names of imported functions", {"malloc", "strncpy"} <= called, called)
    strands, blocks = records("strands.bb"), sum(len(f["blocks"]) for f in fns)
    insns = sum(len(f["len"]) for f in fns)
    ok("endtoend/strands: some for most blocks", blocks / 2 < len(strands) < insns, (len(strands), blocks, insns))
    sym = records("sym.bb")
    exprs = sum(len(s["exprs"]) for s in sym)
    ok("endtoend/expressions: one or more for most strands", exprs > len(strands) * 0.8, (exprs, len(strands)))
    ok("endtoend/bb-sym adds, and changes nothing else", len(sym) == len(strands) and all(
        {**a, "exprs": [], "hashes": [], "marks": []} == {**b, "exprs": [], "hashes": [], "marks": []}
        for a, b in zip(sym, strands)))
    seqs = [s for s in records("fseq.bb") if s["origin"]["name"] in ALL]
    groups = {s["group"] for s in seqs}
    ok("endtoend/groups: a function's two builds share one", len(groups) == len(ALL) and all(groups), len(groups))
    tokens = records("tokens.bb")
    words = read(os.path.join(FIX, "vocab/vocab.txt")).decode().split("\n")
    words = words[:-1] if not words[-1] else words
    ok("endtoend/tokens are numbers of the vocabulary",
       len(tokens) == len(sym) and all(0 <= i < len(words) for t in tokens for i in t["ids"] + t["eids"]))
    ok("endtoend/the vocabulary has its special tokens and the size asked for",
       words[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] and 300 < len(words) <= 400, words[:5])
    unknown = sum(i == 1 for t in tokens for i in t["ids"])
    ok("endtoend/hardly a token is unknown", unknown * 50 < sum(len(t["ids"]) for t in tokens), unknown)
    emb = records("emb.bb")
    config = json.loads(read(os.path.join(FIX, "model/config.json")))
    ok("endtoend/a vector for each function", len(emb) == len(records("ftok.bb")) and
       all(len(e["vec"]) == config["hidden_size"] == 32 for e in emb))
    ok("endtoend/vectors differ", len({tuple(e["vec"]) for e in emb}) > len(emb) / 2)


def test_search():
    match = records("match.bb")
    own = [m for m in match if m["origin"]["name"] in ALL]

    def key(o):
        return o["bin"], o["fn"], o["addr"]

    ok("endtoend/nobody is matched with itself",
       match and all(key(h["origin"]) != key(m["origin"]) for m in match for h in m["hits"]))
    ok("endtoend/five neighbours of each, best first", all(len(m["hits"]) == 5 and [h["score"] for h in m["hits"]] ==
       sorted((h["score"] for h in m["hits"]), reverse=True) for m in match))
    ok("endtoend/each function of the source has one to be found", all(m["relevant"] == 1 for m in own), len(own))
    r = run([prog("bb-eval"), "-j", os.path.join(FIX, "match.bb")])
    e = json.loads(r.out) if r.rc == 0 else {}
    hits = {k: sum(any(h["group"] == m["group"] for h in m["hits"][:k]) for m in match if m["relevant"]) for k in (1, 5)}
    asked = sum(m["relevant"] > 0 for m in match)
    ok("endtoend/bb-eval counts as this test does", e and e["queries"] == asked and
       all(abs(e[f"hit@{k}"] - hits[k] / asked) < 1e-6 for k in (1, 5)), f"{e} {hits} {asked}")
    # Known answers: the O0 build against itself finds everything at once, by Jaccard as well.
    for measure, name in (("cosine", "emb.bb"), ("jaccard", "ftok.bb")):
        r = run(["sh", "-c", '"$1" -m "$3" -k 1 -c "$4" "$4" | "$2" -j', "sh", prog("bb-knn"), prog("bb-eval"), measure,
                 os.path.join(FIX, name)])
        e = json.loads(r.out) if r.rc == 0 else {}
        ok(f"endtoend/{measure}: better than chance", e.get("hit@1", 0) > 3 / 40, r)


def test_model():
    """The model that comes with bb, on functions it was not trained on: O0 looked up in O3."""
    pipe = r"""set -e; set -o pipefail
"$B"/bb-join --shape "$F"/sym.bb | "$B"/bb-tok -m models/functions | "$B"/bb-embed -m models/functions -o "$D"/e
"$B"/bb-cat -j "$D"/e | sed 's/"name":"\([^"]*\)"\(.*\)"group":""/"name":"\1"\2"group":"\1"/' |
    "$B"/bb-cat --from-json embedding > "$D"/g
"$B"/bb-knn -q -k 3 --query-where opt=O0 --where opt=O3 -c "$D"/g "$D"/g | "$B"/bb-eval -q -j
"""
    r = run(["bash", "-c", pipe], env=dict(B=BIN, F=FIX, D=tmpdir()), cwd=TOP)
    e = json.loads(r.out) if r.rc == 0 else {}
    ok("endtoend/models/functions finds most functions again", e.get("queries", 0) > 30 and e.get("hit@1", 0) > 0.6, r)


PIPE = r"""set -e; set -o pipefail
"$B"/bb-disasm -t $T -l project=corpus --label-path '{opt}/{file}' "$@" > "$D"/f
"$B"/bb-strands -t $T "$D"/f | "$B"/bb-sym -t $T | "$B"/bb-uniq -t $T > "$D"/s
"$B"/bb-vocab -t $T -n 300 -o "$D"/vocab "$D"/s
"$B"/bb-tok -t $T -m "$D"/vocab -L 128 "$D"/s | "$B"/bb-train -t $T -q --vocab "$D"/vocab --steps 3 --batch-tokens 512 \
    --config layers=1,hidden=16,heads=2,intermediate=32,max_len=128 -s 5 -o "$D"/model
"$B"/bb-strands -t $T -u function "$D"/f | "$B"/bb-tok -t $T -m "$D"/model -L 128 | "$B"/bb-embed -t $T -m "$D"/model > "$D"/e
"$B"/bb-knn -t $T -k 3 -c "$D"/e "$D"/e > "$D"/m
"$B"/bb-eval -t $T -j "$D"/m > "$D"/j
cd "$D"; rm -f model/.[a-z]*; find . -type f | LC_ALL=C sort | xargs sha256sum
"""


def test_determinism():
    """Everything the pipe writes, vocabulary and model included, in six settings."""
    elves = [os.path.join(FIX, "elf", o, f + ".so") for o in ("O0", "O3") for f in FUNCTIONS]
    rel = [os.path.relpath(e, FIX) for e in elves]
    settings = [("-t 1", 1, {}, elves, None), ("-t 2", 2, {}, elves, None), ("-t 3", 3, {}, elves, None),
                ("-t 7", 7, {}, elves, None), ("another folder", 2, {}, rel, FIX),
                ("another locale and time zone", 2, dict(LC_ALL="tr_TR.UTF-8", TZ="Asia/Kathmandu", HOME="/nowhere",
                                                         POSIXLY_CORRECT="1"), elves, None)]
    first = None
    for name, threads, env, files, cwd in settings:
        folder = tmpdir()
        r = run(["bash", "-c", PIPE, "bash", *files], env=dict(B=BIN, D=folder, T=str(threads), **env), cwd=cwd, timeout=300)
        if not ok(f"endtoend/pipe: {name}", r.rc == 0, r):
            continue
        got = r.out.decode()
        first = first or got
        differ = set(got.split("\n")) ^ set(first.split("\n"))
        ok(f"endtoend/same bytes: {name}", got == first and got.count("\n") >= 8, sorted(differ))


def test_install():
    """make install, run from there, make uninstall."""
    root = tmpdir()
    make = ["make", "-s", "-C", TOP, "O=" + O, "DESTDIR=" + root, "PREFIX=/usr"]
    r = run([*make, "install"], timeout=300)
    there = {os.path.join(d, f)[len(root):] for d, _, fs in os.walk(root) for f in fs}
    want = {"/usr/bin/bb-cat", "/usr/share/man/man1/bb-cat.1", "/usr/share/man/man5/bb-stream.5",
            "/usr/share/doc/bb/LICENSE", "/usr/share/doc/bb/pipeline.mk", "/usr/share/bb/models/functions/model.safetensors"}
    if not ok("endtoend/make install", r.rc == 0 and want <= there, f"{r} {sorted(want - there)}"):
        return
    v = run([root + "/usr/bin/bb-cat", "-V"], env=dict(PATH="/bin"), cwd="/")
    ok("endtoend/an installed program runs", v.rc == 0, v)
    r = run([*make, "uninstall"])
    there = {os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs}
    ok("endtoend/make uninstall", r.rc == 0 and not there, f"{r} {there}")


if __name__ == "__main__":
    test_counts()
    test_search()
    test_model()
    test_determinism()
    test_install()
    sys.exit(done())
