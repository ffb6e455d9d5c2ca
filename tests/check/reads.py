"""reads.py: a vocabulary, and so a model, is not used for records it was not made from."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, TOP, done, ok, prog, run, tmpdir, write

T = tmpdir()
MODEL = os.path.join(TOP, "models/functions")


def at(name):
    return os.path.join(FIX, name)


def tok(vocab, stream):
    """How many records came out, and what was said."""
    r = run([prog("bb-tok"), "-m", vocab, stream])
    assert r.rc == 0, r
    return int(run([prog("bb-cat"), "-c"], r.out).out), r.err


def vocab(name, *streams):
    r = run([prog("bb-vocab"), "-n", "300", "-o", os.path.join(T, name), *streams])
    assert r.rc == 0, r
    with open(os.path.join(T, name, "tokenizer_config.json")) as f:
        return json.load(f).get("bb_reads")


def main():
    ok("reads/of code", vocab("code", at("fseq.bb")) == "code" and vocab("pairs", at("sym.bb")) == "code")
    ok("reads/of expressions", vocab("computed", at("shapes.bb")) == "computed")
    ok("reads/of both", vocab("both", at("fseq.bb"), at("shapes.bb")) is None)
    for model, right, wrong, hint in ((MODEL, "shapes.bb", "fseq.bb", "bb-join --shape"),
                                      (MODEL, "shapes.bb", "sym.bb", "bb-join --shape"),
                                      (os.path.join(T, "computed"), "shapes.bb", "fseq.bb", "bb-join --shape"),
                                      (os.path.join(T, "code"), "fseq.bb", "shapes.bb", "leave bb-join out")):
        name = os.path.basename(model)
        n, said = tok(model, at(right))
        ok(f"reads/{name} takes {right}", n > 0 and "vocabulary is of" not in said, (n, said))
        n, said = tok(model, at(wrong))
        ok(f"reads/{name} refuses {wrong}", n == 0 and hint in said and said.count(hint) < 10, (n, said))
    for stream in ("fseq.bb", "shapes.bb"):
        n, said = tok(os.path.join(T, "both"), at(stream))
        ok(f"reads/both takes {stream}", n > 0, said)
    r = run([prog("bb-train"), "--vocab", os.path.join(T, "computed"), "--steps", "0", "-o", os.path.join(T, "model")])
    n, said = tok(os.path.join(T, "model"), at("fseq.bb"))
    ok("reads/a model keeps it", r.rc == 0 and n == 0 and "bb-join" in said, (r, said))


def test_made():
    """Vectors of two models, and expressions of two forms, are not compared."""
    emb = []
    for seed in "12":
        model = os.path.join(T, "model" + seed)
        r = run([prog("bb-train"), "--vocab", os.path.join(FIX, "vocab"), "--config", "layers=1,hidden=32,heads=2", "-s", seed,
                 "--steps", "0", "-o", model])
        assert r.rc == 0, r
        emb.append(write(os.path.join(T, seed + ".emb"), run([prog("bb-embed"), "-m", model, at("ftok.bb")]).out))
    knn = [prog("bb-knn"), "-k", "1", "-c"]
    r = run([*knn, emb[0], emb[0]])
    ok("reads/one model", r.rc == 0 and r.err == "", r)
    r = run([*knn, emb[0], emb[1]])
    ok("reads/two models", r.rc == 1 and r.err.count("model=") == 2 and emb[1] in r.err, r)
    r = run([prog("bb-knn"), *emb])
    ok("reads/two models in a corpus", r.rc == 1 and r.err.count("model=") == 2, r)
    plain = write(os.path.join(T, "plain"), run([prog("bb-join"), at("sym.bb")]).out)
    for a, b, rc in ((plain, plain, 0), (at("shapes.bb"), at("shapes.bb"), 0), (at("shapes.bb"), plain, 1), (plain, at("shapes.bb"), 1)):
        r = run([*knn, a, b])
        ok(f"reads/{os.path.basename(a)} and {os.path.basename(b)}", r.rc == rc and ("bb-join" in r.err) == bool(rc), r)
    r = run([*knn, at("sym.bb"), at("sym.bb")])
    ok("reads/strands", r.rc == 0, r)


main()
test_made()
sys.exit(done())
