"""bf16.py: bb-train --bf16 on the CPU: the table of nn.h against fp32, equal bytes with any number of
threads and after a stop, and a clear refusal by a processor that cannot."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, O, done, ok, prog, read, run, skip, tmpdir

T = tmpdir()
TOKENS = os.path.join(FIX, "tokens.a.bb")


def train(folder, *args, steps=6, env=None):
    return run([prog("bb-train"), "--vocab", os.path.join(FIX, "vocab"), "--config",
                "layers=2,hidden=40,heads=4,intermediate=96,max_len=64", "--batch-tokens", "256", "--steps", str(steps),
                "--epochs", "1", "-s", "3", "--save-every", "2", "-o", os.path.join(T, folder), *args, TOKENS],
               timeout=600, env=env)


def losses(folder):
    with open(os.path.join(T, folder, "metrics.jsonl")) as f:
        return [r["elm"] for r in map(json.loads, f) if "grad" in r]


def weights(folder):
    return read(os.path.join(T, folder, "model.safetensors"))


def test_parity():
    r = run([os.path.join(O, "lib/parity"), "bf16"], timeout=800)
    said = r.out.decode().strip().split("\n")
    if r.rc == 77:
        skip("bf16/every row of the table against fp32", said[-1])
        return False
    ok("bf16/every row of the table against fp32", r.rc == 0 and " 0 failed" in said[-1],
       "\n".join(l for l in said if l.startswith(" ")) + str(r))
    return True


def test_train():
    runs = [train("fp32"), train("one", "--bf16", "-t", "1"), train("two", "--bf16", "-t", "2")]
    if not ok("bf16/bb-train --bf16", all(r.rc == 0 for r in runs), runs):
        return
    x, y = losses("fp32"), losses("one")
    ok("bf16/loss curves of fp32 and bf16 agree", len(x) == 6 and
       all(abs(a - b) < 2e-3 * a for a, b in zip(x, y)), (x, y))
    ok("bf16/the products were in bf16", x != y, x)
    ok("bf16/-t 1 and -t 2 give equal bytes", weights("one") == weights("two"))


def test_refusal():
    r = train("refused", "--bf16", env={"ONEDNN_MAX_CPU_ISA": "AVX2"})
    ok("bf16/a processor without bf16 is named as the reason", r.rc == 1 and "--bf16: this processor" in r.err, r)


if __name__ == "__main__":
    if test_parity():
        test_train()
    test_refusal()
    sys.exit(done())
