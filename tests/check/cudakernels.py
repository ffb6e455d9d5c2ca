"""cudakernels.py: the kernels of the CUDA backend on an emulated device (tests/cuda): every row of the table of nn.h
against the CPU, each access to memory checked, and faults that must be found; on a real device the first of these."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import LONG, O, TOP, done, ok, read, run, skip

EMU, WATCH = os.path.join(O, "emu/bin"), os.path.join(O, "watch/bin")


def parity(name, program, *args, trouble=None):
    r = run([program, *args], timeout=800, env={"BB_DEVICE": trouble} if trouble else None)
    said = r.out.decode().strip().split("\n")
    if r.rc == 77:
        return skip(name, said[-1])
    ok(name, r.rc == 0 and " 0 failed" in said[-1], "\n".join(l for l in said if l.startswith(" ")) + str(r))


def test_parity():
    parity("cuda/every row of the table against the CPU, emulated", os.path.join(EMU, "parity"))
    parity("cuda/products without cuBLASLt", os.path.join(EMU, "parity"), "quick", "dense", "ffn", "classify",
           "values: bi", "training", trouble="picky")
    parity("cuda/algorithms of cuBLASLt that take no other sizes", os.path.join(EMU, "parity"), "quick", "dense", "ffn",
           "classify", "values: bi", "training", trouble="strict")
    parity("cuda/no algorithm of cuBLASLt that keeps sums whole", os.path.join(EMU, "parity"), "quick", "dense", "packing",
           trouble="splits")
    if LONG:
        parity("cuda/the same with sanitizers", os.path.join(O, "san/emu/bin/parity"))
    if os.path.exists(os.path.join(O, "lib/bb/nn_cuda.so")):
        parity("cuda/every row of the table against the CPU, on the device", os.path.join(O, "lib/parity"))
    else:
        skip("cuda/every row of the table against the CPU, on the device", "built without CUDA: no nvcc")


def test_watched():
    """Each access of the kernels to memory is checked: see tests/cuda/watch.h."""
    parity("cuda/no races, nothing beyond a buffer", os.path.join(WATCH, "parity"), *([] if LONG else ["quick"]))
    faults = os.path.join(WATCH, "faults")
    for line in run([faults]).out.decode().splitlines():
        name, said = line.split("\t")
        r = run([faults, name])
        ok(f"cuda/the emulated device finds the fault: {name}", r.rc < 0 and said in r.err and
           r.out == b"passed without its fault\n", r)
    r = run([faults, "layouts"])
    ok("cuda/tensor-core instructions as CUTLASS has their layouts", r.rc == 0 and r.out == b"0 numbers are wrong\n", r)
    a, b = (run([faults, "order"], env={"BB_ORDER": n}).out.split() for n in "12")
    ok("cuda/blocks and threads run in another order each time", len(a) == 512 and a != b and sorted(a) == sorted(b), a)


def test_mutants():
    """The product's own kernels with one fault each, which must be found: see tests/cuda/mutants."""
    for path in sorted(glob.glob(os.path.join(TOP, "tests/cuda/mutants/*.sed"))):
        name = os.path.basename(path)[:-4]
        row, said = read(path).decode().split("\n")[0].lstrip("# ").split(" | ")
        r = run([os.path.join(O, "watch/mutant", name, "bin/parity"), "quick", row], timeout=300)
        ok(f"cuda/a fault made in the kernels is found: {name}", r.rc != 0 and said in r.out.decode() + r.err, r)


if __name__ == "__main__":
    test_watched()
    test_mutants()
    test_parity()
    sys.exit(done())
