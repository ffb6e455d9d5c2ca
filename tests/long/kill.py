"""kill.py: a thousand kills: bb-train, stopped and killed anywhere, ends with the same model; a file of
-o is whole or the one of before."""
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, done, ok, prog, read, run, tmpdir, write

KILLS = int(os.environ.get("KILLS", "1000"))
MODEL = "layers=1,hidden=32,heads=2,intermediate=64,max_len=128"
rng = random.Random(1)


def files(folder):
    return {f: read(os.path.join(folder, f)) for f in sorted(os.listdir(folder))
            if f != "metrics.jsonl" and not f.endswith(".part")}


def train(out):
    return [prog("bb-train"), "-q", "--vocab", os.path.join(FIX, "vocab"), "--config", MODEL, "--steps", "40", "--save-every", "3",
            "--batch-tokens", "512", "-o", out, os.path.join(FIX, "tokens.bb")]


def test_train():
    root = tmpdir()
    start = time.monotonic()
    r = run(train(os.path.join(root, "whole")), timeout=600)
    whole = time.monotonic() - start
    if not ok("kill/bb-train: not killed", r.rc == 0, r):
        return
    want = files(os.path.join(root, "whole"))
    kills, rounds, wrong = 0, 0, []
    while kills < KILLS and not wrong:
        out = os.path.join(root, "killed")
        shutil.rmtree(out, ignore_errors=True)
        rounds += 1
        while True:
            p = subprocess.Popen(train(out), stderr=subprocess.PIPE)
            sig = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
            try:
                err = p.communicate(timeout=rng.random() * whole)[1]
            except subprocess.TimeoutExpired:
                p.send_signal(sig)
                kills += 1
                err = p.communicate(timeout=120)[1]
            if p.returncode == 0:
                break
            if p.returncode not in (75, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
                wrong.append(f"status {p.returncode}: {err.decode()}")
                break
        if not wrong and files(out) != want:
            wrong.append("another model: " + ", ".join(f for f in want if files(out).get(f) != want[f]))
    ok(f"kill/bb-train: {kills} kills in {rounds} trainings, one model", not wrong, wrong)


def test_file():
    root = tmpdir()
    source, out = os.path.join(root, "in.bb"), os.path.join(root, "out.bb")
    write(source, read(os.path.join(FIX, "functions.bb")) * 200)
    start = time.monotonic()
    want = run([prog("bb-strands"), source], timeout=600).out
    whole = time.monotonic() - start
    wrong = []
    for i in range(KILLS // 5):
        write(out, b"before")
        p = subprocess.Popen([prog("bb-strands"), "-o", out, source], stderr=subprocess.DEVNULL)
        sig = rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
        try:
            p.wait(timeout=rng.random() * whole)
        except subprocess.TimeoutExpired:
            p.send_signal(sig)
            p.wait()
        now = read(out)
        left = [f for f in os.listdir(root) if f.endswith(".part")]
        for f in left:
            os.unlink(os.path.join(root, f))
        if now not in (b"before", want) or (p.returncode == 0) != (now == want) or left and p.returncode != -signal.SIGKILL:
            wrong.append(f"{p.returncode}, {len(now)} bytes, left {left}")
    ok(f"kill/bb-strands -o: {KILLS // 5} kills", not wrong, wrong[:3])


if __name__ == "__main__":
    test_file()
    test_train()
    sys.exit(done())
