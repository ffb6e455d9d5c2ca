"""cuda.py: the CUDA backend in the programs, on an emulated device (tests/cuda): it runs the kernels' own text, the
host side's own code, and the programs; cuBLASLt is replaced by products by their definition. See cudakernels.py and
gpubench.py, too."""
import glob
import json
import math
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import BIN, FIX, O, TOP, done, ok, prog, read, run, skip, tmpdir

T = tmpdir()
EMU = os.path.join(O, "emu/bin")
TOKENS = os.path.join(FIX, "tokens.a.bb")


def at(name):
    return os.path.join(T, name)


def emu(name, *args, trouble=None):
    return run([os.path.join(EMU, name), *args], timeout=600, env={"BB_DEVICE": trouble} if trouble else None)


SMALL = "layers=1,hidden=32,heads=2,intermediate=48,max_len=64"


def train(program, folder, *args, trouble=None, order="0", steps=4, save=2, tokens=TOKENS, fails=None,
          start=("--vocab", os.path.join(FIX, "vocab"), "--config", SMALL)):
    shim = {"LD_PRELOAD": os.path.join(O, "lib/failio"), "FAILIO": fails} if fails else {}
    return run([program, *start, "--batch-tokens", "256", "--steps", str(steps), "--epochs", "1", "-s", "3",
                "--save-every", str(save), "-o", at(folder), *args, tokens], timeout=600,
               env={"BB_ORDER": order, **shim, **({"BB_DEVICE": trouble} if trouble else {})})


def losses(folder, what="elm"):
    with open(os.path.join(at(folder), "metrics.jsonl")) as f:
        return [r[what] for r in map(json.loads, f) if "grad" in r and what in r]


def vectors(data):
    return [x for m in readstream.members(data) for r in m[1] for x in r["vec"]]


def far(a, b):
    """The norm of the difference by the norm."""
    if len(a) != len(b):
        return math.inf
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b)) / sum(x * x for x in a))


def test_opens():
    """The object for real devices: that it can be loaded shows even where there is none."""
    name = "cuda/the shared object can be loaded"
    if not os.path.exists(os.path.join(O, "lib/bb/nn_cuda.so")):
        return skip(name, "built without CUDA: no nvcc")
    r = run([prog("bb-embed"), "-m", os.path.join(FIX, "model"), "--device", "cuda", os.path.join(FIX, "ftok.a.bb")])
    ok(name, r.rc == 0 or any(w in r.err for w in ("no NVIDIA driver", "driver is too old", "no CUDA device")), r)
    # Where cuBLASLt is that of another major version, its name is not there.
    for folder in ("other/bin", "other/lib/bb"):
        os.makedirs(at(folder))
    shutil.copy(os.path.join(BIN, "bb-embed"), at("other/bin/bb-embed"))
    data = read(os.path.join(O, "lib/bb/nn_cuda.so"))
    needed = re.search(rb"libcublasLt\.so\.(\d\d)\0", data)
    with open(at("other/lib/bb/nn_cuda.so"), "wb") as f:
        f.write(data.replace(needed[0], b"libcublasLt.so.99\0"))
    args = ["-m", os.path.join(FIX, "model"), os.path.join(FIX, "ftok.a.bb"), "--device"]
    r, s = run([at("other/bin/bb-embed"), *args, "cuda"]), run([at("other/bin/bb-embed"), *args, "auto"])
    ok("cuda/cuBLASLt of another version: --device cuda fails and names it", r.rc == 1 and
       "--device cuda: libcublasLt.so.99: cannot open" in r.err and not r.out, r)
    ok("cuda/cuBLASLt of another version: auto takes the CPU and says why", s.rc == 0 and s.out and
       "cpu" in s.err and "libcublasLt.so.99" in s.err, s)


def test_library():
    """NVIDIA's own cuBLASLt, as far as it works without a device."""
    program = os.path.join(O, "cuda/lt")
    if not os.path.exists(program):
        return skip("cuda/cuBLASLt takes the descriptions of products", "built without CUDA: no nvcc")
    r = run([program])
    ok("cuda/cuBLASLt takes the descriptions of products", r.rc == 0 and b"288 of 288" in r.out, r)


def test_registers():
    """What the assembler said of each kernel: nothing spilled, and a launch never lacks registers."""
    logs = glob.glob(os.path.join(O, "cuda/libcommon/nn/kernels_*.o.log"))
    name = "cuda/no kernel spills registers"
    if not os.path.exists(os.path.join(O, "lib/bb/nn_cuda.so")):
        return skip(name, "built without CUDA: no nvcc")
    said = re.findall(r"entry function '(\w+)' for '(sm_\d+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
                      r"(\d+) bytes spill loads.*?Used (\d+) registers", "".join(read(p).decode() for p in logs), re.S)
    sources = glob.glob(os.path.join(TOP, "libcommon/nn/kernels_*.cu"))
    kernels = {k for k, *_ in said}
    ok(name, len(logs) == len(sources) and len(kernels) > 40 and len(said) == 2 * len(kernels) and
       all(x[2:5] == ("0", "0", "0") for x in said), [x for x in said if x[2:5] != ("0", "0", "0")] or len(said))
    bounds = [p for p in sources for x in re.findall(r"^KERNEL\(\w+, \w+\)", read(p).decode(), re.M)]
    ok("cuda/each kernel is compiled for its number of threads", not bounds, bounds)


def test_train():
    gpu, cpu = os.path.join(EMU, "bb-train"), prog("bb-train")
    a, b = train(cpu, "cpu"), train(gpu, "gpu", "--device", "cuda", "--fp32")
    c = train(gpu, "bf16", "--device", "cuda")
    if not ok("cuda/bb-train --device cuda", a.rc == b.rc == c.rc == 0, f"{a} {b} {c}"):
        return
    x, y, z = losses("cpu"), losses("gpu"), losses("bf16")
    ok("cuda/loss curves of CPU and fp32 agree", len(x) == 4 and far(x, y) < 1e-5, (x, y))
    ok("cuda/loss curves of CPU and bf16 agree", 0 < far(x, z) < 2e-3, (x, z))
    model = "model.safetensors"
    for order in "12":
        r = train(gpu, "again" + order, "--device", "cuda", order=order)
        ok(f"cuda/blocks and threads in another order give equal bytes: {order}", r.rc == 0 and
           read(os.path.join(at("again" + order), model)) == read(os.path.join(at("bf16"), model)), r)
    r = train(gpu, "lost", "--device", "cuda", trouble="lost:200")  # between the two checkpoints
    ok("cuda/a device lost in training", r.rc == 1 and "device" in r.err and "LaunchFailure" in r.err and
       "checkpoint" in r.err, r)
    state = os.path.join(at("lost"), "optimizer.safetensors")
    if ok("cuda/a lost device leaves the checkpoint", os.path.exists(state), os.listdir(at("lost"))):
        shutil.copytree(at("lost"), at("moved"))
        r, s = train(gpu, "lost", "--device", "cuda"), train(cpu, "moved")
        ok("cuda/training goes on after a lost device", r.rc == 0 and "resuming" in r.err and
           read(os.path.join(at("lost"), model)) == read(os.path.join(at("bf16"), model)), r)
        ok("cuda/the CPU goes on from a checkpoint of the device", s.rc == 0 and "resuming" in s.err and
           abs(losses("moved")[-1] - z[-1]) < 5e-3 * z[-1], s)


def test_trex():
    gpu, cpu, model = os.path.join(EMU, "bb-train"), prog("bb-train"), "model.safetensors"
    tokens, start = os.path.join(FIX, "ttok.bb"), ("--task", "trex", "--vocab", os.path.join(FIX, "tvocab"), "--config", SMALL)
    do = lambda program, folder, *args, **more: train(program, folder, *args, tokens=tokens, start=start, **more)
    a, b, c = do(cpu, "t-cpu"), do(gpu, "t-gpu", "--device", "cuda", "--fp32"), do(gpu, "t-bf16", "--device", "cuda")
    if not ok("cuda/bb-train --task trex --device cuda", a.rc == b.rc == c.rc == 0, f"{a} {b} {c}"):
        return
    for what in ("code", "value"):
        x, y, z = losses("t-cpu", what), losses("t-gpu", what), losses("t-bf16", what)
        ok(f"cuda/trex: loss curves of CPU and fp32 agree: {what}", len(x) == 4 and far(x, y) < 1e-5, (x, y))
        ok(f"cuda/trex: loss curves of CPU and bf16 agree: {what}", 0 < far(x, z) < 2e-3, (x, z))
    r = do(gpu, "t-again", "--device", "cuda", order="1")
    ok("cuda/trex: blocks and threads in another order give equal bytes", r.rc == 0 and
       read(os.path.join(at("t-again"), model)) == read(os.path.join(at("t-bf16"), model)), r)
    renames = re.search(r"^failio rename (\d+)", do(cpu, "t-count", fails="count").err, re.M)
    on = {gpu: ("--device", "cuda"), cpu: ()}
    for name, first, then in (("t-device-first", gpu, cpu), ("t-cpu-first", cpu, gpu)):
        r = do(first, name, *on[first], fails=f"rename:{renames[1]}:kill")  # in the second checkpoint
        s = do(then, name, *on[then])
        x, y = losses(name, "value"), losses("t-cpu", "value")
        ok(f"cuda/trex: checkpoints go to the other: {name}", r.rc < 0 and s.rc == 0 and "resuming" in s.err and
           len(x) == 4 and far(y, x) < 2e-3, f"{r} {s} {x} {y}")
    tuned = ("--task", "similarity", "--loss", "cosine", "--init", at("t-cpu"))
    a, b = (train(p, f, *d, tokens=tokens, start=tuned) for p, f, d in
            ((cpu, "t-tuned", ()), (gpu, "t-tuned-gpu", ("--device", "cuda", "--fp32"))))
    x, y = losses("t-tuned", "loss"), losses("t-tuned-gpu", "loss")
    ok("cuda/trex: tuned by cosine", a.rc == b.rc == 0 and len(x) == 4 and far(x, y) < 1e-4, f"{a} {b} {x} {y}")
    embed_as_cpu("trex, with values", at("t-cpu"), tokens)
    with open(at("plain.bb"), "wb") as f:
        f.write(run([prog("bb-tok"), "-m", os.path.join(FIX, "tvocab"), os.path.join(FIX, "fseq.a.bb")]).out)
    embed_as_cpu("trex, projected, without values", at("t-tuned"), at("plain.bb"))


def embed_as_cpu(what, model, tok):
    want = vectors(run([prog("bb-embed"), "-m", model, tok]).out)
    for name, args, limit in (("bf16", [], 2e-2), ("fp32", ["--fp32"], 1e-5)):
        r = emu("bb-embed", "-m", model, "--device", "cuda", *args, tok)
        if ok(f"cuda/bb-embed {name}, {what}", r.rc == 0, r):
            got = vectors(r.out)
            ok(f"cuda/bb-embed {name}, {what}: the CPU's vectors", far(want, got) < limit, far(want, got))
            s = emu("bb-embed", "-m", model, "--device", "cuda", *args, "--batch-tokens", "64", tok)
            ok(f"cuda/bb-embed {name}, {what}: a vector does not depend on its batch", r.out == s.out, s)


def test_embed():
    model, tok = os.path.join(FIX, "model"), os.path.join(FIX, "ftok.a.bb")
    embed_as_cpu("BERT", model, tok)
    r = run([prog("bb-cat"), "-H"], emu("bb-embed", "-m", model, "--device", "cuda", tok).out)
    ok("cuda/the provenance names the device", b"device=cuda" in r.out, r.out)


def test_errors():
    model, tok = os.path.join(FIX, "model"), os.path.join(FIX, "ftok.a.bb")
    cpu = run([prog("bb-embed"), "-m", model, tok])
    for trouble, words in (("none", "no CUDA device"), ("absent", "no NVIDIA driver"), ("old", "too old"),
                           ("weak", "7.5"), ("small", "--batch-tokens"), ("lost:1", "LaunchFailure")):
        r = emu("bb-embed", "-m", model, "--device", "cuda", tok, trouble=trouble)
        lines = r.err.strip().split("\n")
        ok(f"cuda/what is said of a device: {trouble}", r.rc == 1 and words in r.err and len(lines) == 1 and
           lines[0].startswith("bb-embed: "), r)
        if trouble in ("none", "absent", "old", "weak"):
            r = emu("bb-embed", "-m", model, "--device", "auto", tok, trouble=trouble)
            ok(f"cuda/auto falls back and says why: {trouble}", r.rc == 0 and words in r.err and "cpu" in r.err and
               r.out == cpu.out, r)
    r = emu("bb-embed", "-m", model, "--device", "auto", tok)
    ok("cuda/auto takes the device and says so", r.rc == 0 and "emulated device" in r.err, r)
    ok("cuda/too little memory: how much is needed", "GiB more are needed" in
       emu("bb-embed", "-m", model, "--device", "cuda", tok, trouble="small").err)
    # The same program where there is nothing of CUDA at all.
    os.makedirs(at("alone/bin"))
    shutil.copy(os.path.join(BIN, "bb-embed"), at("alone/bin/bb-embed"))
    r = run([at("alone/bin/bb-embed"), "-m", model, "--device", "cuda", tok])
    ok("cuda/no shared object: --device cuda fails", r.rc == 1 and "nn_cuda.so" in r.err, r)
    r = run([at("alone/bin/bb-embed"), "-m", model, "--device", "auto", tok])
    ok("cuda/no shared object: auto takes the CPU", r.rc == 0 and r.out == cpu.out, r)
    r = run([prog("bb-train"), "--device", "tpu", "--vocab", "x", "-o", at("tpu")])
    ok("cuda/an unknown device", r.rc == 2 and "tpu" in r.err, r)


if __name__ == "__main__":
    test_opens()
    test_library()
    test_registers()
    test_errors()
    test_embed()
    test_train()
    test_trex()
    sys.exit(done())
