"""reads.py: a vocabulary, and so a model, is not used for records it was not made from."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, TOP, done, ok, prog, run, tmpdir

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


main()
sys.exit(done())
