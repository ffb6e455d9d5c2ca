"""gpubench.py: scripts/bench/gpu, tried on the emulated device (tests/cuda): its figures mean nothing."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, O, TOP, done, ok, run, tmpdir

T = tmpdir()


def at(name):
    return os.path.join(T, name)


def bench(folder, *args, trouble=None):
    """scripts/bench/gpu on the emulated device: what it ran and its lines."""
    r = run([sys.executable, os.path.join(TOP, "scripts/bench/gpu"), "run", "--emulated", "-o", at(folder), *args,
             os.path.join(FIX, "elf/O0/words.so")], timeout=300, env={"BB_DEVICE": trouble, "O": O} if trouble else {"O": O})
    path = os.path.join(at(folder), "gpu.jsonl")
    lines = [json.loads(x) for x in open(path)] if os.path.exists(path) else []
    return r, {x["section"]: x for x in lines}


def test_bench():
    r, got = bench("bench", "--only", "matmul,packing-12x768,packing-trex8x768,programs,programs-trex,train-6x384,"
                   "train-trex6x384,embed-12x768,embed-trex8x768")
    ok("cuda/scripts/bench/gpu runs its sections", r.rc == 0 and [*got] == ["packing-12x768", "packing-trex8x768", "programs",
       "programs-trex", "matmul", "train-6x384", "train-trex6x384", "embed-12x768", "embed-trex8x768"] and all(x["status"] == "ok" for x in got.values()), f"{r} {got}")
    t = got.get("train-6x384", {})
    ok("cuda/scripts/bench/gpu: time by kind of work", t and t["ms"]["products"] > 0 and t["ms"]["attention, backward"] > 0
       and sum(t["ms"].values()) > 0.3 * 1e3 * t["seconds"] / t["steps"], t)
    ok("cuda/scripts/bench/gpu: the table", b"training 6x384" in r.out and b"EMULATED" in r.out, r.out)
    ok("cuda/scripts/bench/gpu: cuBLASLt took all products", t.get("plain") == 0 and b"DOES NOT TAKE" not in r.out, t)
    t = got.get("train-trex6x384", {})
    ok("cuda/scripts/bench/gpu: a Trex: time of its LSTM", t and t["ms"]["LSTM"] > 0 and b"training trex6x384" in r.out, t)
    r, got = bench("bench-aligned", "--only", "train-6x384", trouble="aligned")
    ok("cuda/a vocabulary of an odd size needs no slow products", r.rc == 0 and "plain" in got["train-6x384"] and
       got["train-6x384"]["plain"] == 0, f"{r} {got}")
    r, got = bench("bench-splits", "--only", "embed-12x768", trouble="splits")
    ok("cuda/sums that are split are no slow products", r.rc == 0 and got["embed-12x768"].get("plain") == 0, f"{r} {got}")
    r, got = bench("bench-picky", "--only", "embed-12x768", trouble="picky")
    ok("cuda/scripts/bench/gpu: it says that cuBLASLt took none", r.rc == 0 and got["embed-12x768"]["plain"] > 0 and
       b"PRODUCTS THAT CUBLASLT DOES NOT TAKE" in r.out, f"{r} {got}")
    r, got = bench("bench-lost", "--only", "matmul,embed-12x768", trouble="lost:30")
    ok("cuda/scripts/bench/gpu: a section that dies leaves the others", r.rc == 1 and got["matmul"]["status"] == "ok" and
       got["embed-12x768"]["status"] == "failed" and "LaunchFailure" in got["embed-12x768"]["why"], f"{r} {got}")
    r, got = bench("bench-late", "--only", "matmul", "--limit", "1")
    ok("cuda/scripts/bench/gpu: what there was no time for", r.rc == 1 and "out of time" in got["matmul"]["why"], got)
    r, got = bench("bench-none", "--only", "device", trouble="none")
    ok("cuda/scripts/bench/gpu: no device", r.rc == 77 and "no CUDA device" in r.err, r)
    ok("cuda/scripts/bench/gpu: no such section", bench("bench-bad", "--only", "x")[0].rc == 1)


if __name__ == "__main__":
    test_bench()
    sys.exit(done())
