"""isa.py: the encoder's products by what older processors have (ONEDNN_MAX_CPU_ISA): the same unit tests, and the
same vectors and losses within the rounding of fp32."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, O, done, ok, prog, read, run, tmpdir

T = tmpdir()
TOKENS = os.path.join(FIX, "tokens.a.bb")
OLDER = ["AVX512_CORE", "AVX2"]


def test_units():
    for isa in OLDER:
        for name in ("nn", "nngrad", "nnvalues", "amx"):
            r = run([os.path.join(O, "unit", name)], timeout=600, env={"ONEDNN_MAX_CPU_ISA": isa})
            ok(f"isa/unit/{name} with {isa}", r.rc == 0 and b" 0 failed" in r.out, r)


def train(name, isa, *args):
    folder = os.path.join(T, name)
    r = run([prog("bb-train"), "--vocab", os.path.join(FIX, "vocab"), "--config",
             "layers=2,hidden=40,heads=4,intermediate=96,max_len=64", "--batch-tokens", "256", "--steps", "6", "--epochs",
             "1", "-s", "3", "-o", folder, *args, TOKENS], timeout=600, env={"ONEDNN_MAX_CPU_ISA": isa})
    if r.rc != 0:
        return r, None, None
    with open(os.path.join(folder, "metrics.jsonl")) as f:
        return r, [x["elm"] for x in map(json.loads, f) if "grad" in x], read(os.path.join(folder, "model.safetensors"))


def vectors(isa):
    r = run([prog("bb-embed"), "-m", os.path.join(T, "ALL"), TOKENS], timeout=600, env={"ONEDNN_MAX_CPU_ISA": isa})
    lines = run([prog("bb-cat"), "-j"], r.out).out.splitlines()
    return [x for l in lines for x in json.loads(l)["vec"]]


def test_programs():
    r, want, weights = train("ALL", "ALL", "-t", "1")
    if not ok("isa/bb-train with all that the processor has", bool(want), r):
        return
    ok("isa/-t 2 gives equal bytes", train("two", "ALL", "-t", "2")[2] == weights)
    x = vectors("ALL")
    for isa in OLDER:
        r, losses, old = train(isa, isa, "-t", "1")
        if not ok(f"isa/bb-train with {isa}", bool(losses), r):
            continue
        ok(f"isa/losses with {isa}", len(losses) == 6 and all(abs(a - b) < 1e-5 * a for a, b in zip(want, losses)),
           (want, losses))
        ok(f"isa/-t 2 with {isa} gives equal bytes", train(isa + "two", isa, "-t", "2")[2] == old)
        y = vectors(isa)
        ok(f"isa/vectors with {isa}", len(x) == len(y) > 0 and max(abs(a - b) for a, b in zip(x, y)) < 1e-5,
           max((abs(a - b) for a, b in zip(x, y)), default=None))


if __name__ == "__main__":
    test_units()
    test_programs()
    sys.exit(done())
