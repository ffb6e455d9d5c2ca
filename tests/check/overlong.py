"""overlong.py: sequences longer than the model takes are cut, and counted: by every task of bb-train, and by bb-embed."""
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, done, ok, prog, run, tmpdir

T = tmpdir()
STRANDS, FUNCTIONS, BLOCKS = (os.path.join(FIX, f) for f in ("tokens.bb", "ftok.bb", "rtok.bb"))
LIMIT = 24


def records(path):
    return [json.loads(l) for l in run([prog("bb-cat"), "-j", path]).out.splitlines()]


def code(path):
    return [len(r["ids"]) + 2 for r in records(path)]


def pairs(path):
    return [len(r["ids"]) + n + 3 for r in records(path) for n in r["elens"]]


def masked(path):  # recover shows two masks more
    return [len(r["ids"]) + 4 for r in records(path)]


TASKS = [("elm", STRANDS, pairs, []), ("mlm", STRANDS, code, []), ("similarity", FUNCTIONS, code, []),
         ("classify", STRANDS, code, ["--label", "opt"]), ("recover", BLOCKS, masked, [])]


def train(task, path, limit, *more):
    return run([prog("bb-train"), "--task", task, "--vocab", os.path.join(FIX, "vocab"), "--config",
                f"layers=1,hidden=16,heads=2,intermediate=32,max_len={limit}", "--steps", "2", "--batch-tokens", "512", "-o",
                os.path.join(T, f"{task}-{limit}"), *more, path], timeout=600)


def said(r):
    m = re.search(r"(\d+) sequences are longer than the model's (\d+) tokens and are cut", r.err)
    return (int(m[1]), int(m[2])) if m else None


def test_train():
    for task, path, measure, more in TASKS:
        lengths = measure(path)
        want = sum(n > LIMIT for n in lengths)
        r = train(task, path, LIMIT, *more)
        ok(f"overlong/--task {task}: {want} of {len(lengths)}", r.rc == 0 and 0 < want < len(lengths) and
           said(r) == (want, LIMIT), f"{said(r)} {r}")
        r = train(task, path, max(lengths), *more)
        ok(f"overlong/--task {task}: none", r.rc == 0 and said(r) is None, r)


def test_embed():
    for path in (STRANDS, FUNCTIONS):
        r = run([prog("bb-embed"), "-v", "-m", os.path.join(T, f"classify-{LIMIT}"), "-o", os.path.join(T, "emb"), path])
        want = sum(max(0, n - LIMIT) for n in code(path))
        m = re.search(r"(\d+) tokens beyond the model's length were cut", r.err)
        ok(f"overlong/bb-embed: {want} tokens", r.rc == 0 and want and m and int(m[1]) == want, r)


if __name__ == "__main__":
    test_train()
    test_embed()
    sys.exit(done())
