"""failio.py: every call to the system fails once (tests/lib/failio.c): the program says so and exits
1, the file of -o is whole or not there, nothing is left beside it; short reads and writes are none
of anybody's business; a killed program leaves the file of before."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, LONG, O, crashed, done, ok, prog, read, run, tmpdir, write

SHIM = os.path.join(O, "lib/failio")
MODEL = "layers=1,hidden=16,heads=2,intermediate=32,max_len=128"
ENOSPC = 28


def fix(name):
    return os.path.join(FIX, name)


def fail(argv, how, env=None):
    return run(argv, env=dict(LD_PRELOAD=SHIM, FAILIO=how, **(env or {})), timeout=60)


def counts(argv):
    """How often a program makes each call, from a run without failures."""
    r = fail(argv, "count")
    return {w[1]: int(w[2]) for w in (l.split() for l in r.err.split("\n")) if w[:1] == ["failio"]}


def files(folder):
    """name -> content, hidden files left out."""
    return {os.path.relpath(os.path.join(d, f), folder): read(os.path.join(d, f))
            for d, _, fs in os.walk(folder) for f in fs}


def torn(folder):
    """The model files whose length is not what their header says, and what is left beside them."""
    wrong = []
    for name, data in files(folder).items():
        if name.endswith(".safetensors"):
            end = 8 + int.from_bytes(data[:8], "little")
            header = json.loads(data[8:end])
            end += max(t["data_offsets"][1] for k, t in header.items() if k != "__metadata__")
            wrong += [name] * (end != len(data))
        wrong += [name] * name.endswith((".part", ".tmp"))
    return wrong


def some(n):
    """Numbers of calls to fail: all, or the first, some between, and the last of many."""
    return range(1, n + 1) if n <= 12 or LONG else sorted({1, 2, 3, n // 3, n // 2, n - 1, n})


def test_file(name, argv):
    """A program that writes one stream to -o FILE or to stdout."""
    out = os.path.join(tmpdir(), "out.bb")
    want = run(argv).out
    total = counts([*argv, "-o", out])
    wrong, cases = [], 0
    if not ok(f"failio/{name}: runs under the shim", read(out) == want and total.get("write", 0) >= 3, total):
        return
    for call in ("open", "read", "write", "fsync", "close", "rename"):
        for n in some(total[call]):
            for how in ([f"{call}:{n}", f"{call}:{n}:{ENOSPC}"] + [f"{call}:{n}:short"] * (call in ("read", "write")) +
                        [f"{call}:{n}:kill"]):
                cases += 1
                before = b"what was there" if n % 2 else None
                if before:
                    write(out, before)
                elif os.path.exists(out):
                    os.unlink(out)
                r = fail([*argv, "-o", out], how)
                now = read(out) if os.path.exists(out) else None
                left = [f for f in os.listdir(os.path.dirname(out)) if f != "out.bb"]
                for f in left:
                    os.unlink(os.path.join(os.path.dirname(out), f))
                if how.endswith("kill"):
                    good = now == want if r.rc == 0 else r.rc == -9 and now in (before, want)
                elif how.endswith("short"):
                    good = r.rc == 0 and now == want and not left
                elif r.rc == 0:  # closing an input, reading ahead
                    good = now == want and not left
                else:
                    good = r.rc == 1 and now == before and not left and r.err.startswith(argv[0].rsplit("/")[-1] + ": ")
                if not good:
                    wrong.append(f"{how}: {r}, left: {left}, file: {None if now is None else len(now)} bytes")
                if call in ("read", "write") and not how.endswith("kill"):
                    r = fail(argv, how)
                    if not (r.rc == 1 and r.err or r.rc == 0 and r.out == want):
                        wrong.append(f"{how} to stdout: {r}")
    ok(f"failio/{name}: {cases} failures", not wrong, "\n".join(wrong[:3]))


def test_folder(name, argv, main):
    """A program that writes a folder; `main` is the file that makes it complete."""
    root = tmpdir()
    first = os.path.join(root, "first")
    total = counts([*argv, "-o", first])
    want = files(first)
    wrong, cases = [], 0
    if not ok(f"failio/{name}: runs under the shim", main in want and total.get("write", 0) >= 2, total):
        return
    for call in ("open", "write", "fsync", "rename", "mkdir", "ftruncate"):
        for n in some(total[call]):
            for how in (f"{call}:{n}:{ENOSPC}", f"{call}:{n}:kill"):
                cases += 1
                out = os.path.join(root, "out")
                shutil.rmtree(out, ignore_errors=True)
                r = fail([*argv, "-o", out], how)
                why = None
                if how.endswith("kill"):
                    if r.rc not in (0, -9):
                        why = "neither killed nor done"
                elif r.rc == 0:
                    if files(out) != want:
                        why = "status 0, but other files"
                elif r.rc != 1 or not r.err:
                    why = "no status 1, or nothing said"
                elif os.path.isdir(out) and torn(out):
                    why = f"torn or left: {torn(out)}"
                elif main == "model.safetensors" and how == f"write:{total['write']}:{ENOSPC}":
                    # Whatever the last write is, a checkpoint came before it, and it survives.
                    if "optimizer.safetensors" not in files(out):
                        why = "the checkpoint before is gone"
                if why is None and r.rc != 0:
                    # The same command again completes it, from what is there.
                    again = run([*argv, "-o", out], timeout=60)
                    got = {f: b for f, b in files(out).items() if not f.endswith(".part") and "log" not in f}
                    same = {f: b for f, b in want.items() if "log" not in f}
                    if again.rc != 0:
                        why = f"run again: {again}"
                    elif got != same:
                        why = f"run again: other {[f for f in same if got.get(f) != same[f]]}"
                if why:
                    wrong.append(f"{how}: {why}: {r}")
    ok(f"failio/{name}: {cases} failures", not wrong, "\n".join(wrong[:3]))


if __name__ == "__main__":
    test_file("bb-cat", [prog("bb-cat"), fix("functions.bb")])
    test_file("bb-disasm", [prog("bb-disasm"), fix("elf/O0/bits.so")])
    test_file("bb-strands", [prog("bb-strands"), "-t", "2", fix("functions.bb")])
    test_file("bb-embed", [prog("bb-embed"), "-m", fix("model"), fix("ftok.a.bb")])
    test_file("bb-knn", [prog("bb-knn"), "-c", fix("emb.bb"), fix("emb.a.bb")])
    test_folder("bb-vocab", [prog("bb-vocab"), "-n", "300", fix("sym.a.bb")], "vocab.txt")
    test_folder("bb-train", [prog("bb-train"), "-q", "--vocab", fix("vocab"), "--config", MODEL, "--steps", "3", "--save-every",
                             "1", "--batch-tokens", "256", fix("tokens.a.bb")], "model.safetensors")
    sys.exit(done())
