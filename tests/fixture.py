"""fixture.py: a small corpus taken through the whole pipe, once for all tests that need streams.

    O/test/fixture/elf/O0/lists.so ...  three files of tests/corpus at two levels of optimisation
    functions.bb strands.bb sym.bb shapes.bb fseq.bb vocab/ tokens.bb ftok.bb model/ emb.bb match.bb
    traced.bb tvocab/ ttok.bb trex/     micro-traces of fseq.bb
    ctok.bb tuned/                      fseq.bb without them, and the Trex tuned on it
    *.a.bb *.b.bb                       the same from one file each

Everything is small: the laws run hundreds of programs on it.
"""
import os
import shutil
import sys

from bbtest import BIN, FIX, TOP, done, ok, prog, run, write

FILES = ["lists", "bits", "words"]
LEVELS = ["O0", "O3"]
MODEL = "layers=2,hidden=32,heads=2,intermediate=64,max_len=128"


def elf(opt, name):
    return os.path.join(FIX, "elf", opt, name + ".so")


def at(name):
    return os.path.join(FIX, name)


def step(name, argv, input=None, timeout=300):
    """One program of the pipe; its output is the file `name`, unless it writes that itself."""
    r = run([prog(argv[0]), *argv[1:]], input, timeout)
    if ok("fixture/" + name, r.rc == 0, r) and r.out:
        write(at(name), r.out)
    return r.rc == 0


def main():
    shutil.rmtree(FIX, ignore_errors=True)
    os.makedirs(FIX)
    for opt in LEVELS:
        os.makedirs(os.path.dirname(elf(opt, "x")))
        for f in FILES:
            # Debian's gcc in Debian's way, but nothing that changes with its minor version.
            r = run(["gcc", "-" + opt, "-g0", "-fPIC", "-shared", "-w", "-o", elf(opt, f),
                     os.path.join(TOP, "tests/corpus", f + ".c")])
            if not ok(f"fixture/{opt}/{f}.so", r.rc == 0, r):
                return
    every = [elf(opt, f) for opt in LEVELS for f in FILES]
    label = ["-l", "project=corpus", "--label-path", "{opt}/{file}"]
    step("functions.bb", ["bb-disasm", *label, *every])
    for part, f in (("a", "lists"), ("b", "words")):
        step(f"functions.{part}.bb", ["bb-disasm", *label, elf("O0", f), elf("O3", f)])
    for part in ("", ".a", ".b"):
        step(f"strands{part}.bb", ["bb-strands", at(f"functions{part}.bb")])
        step(f"sym{part}.bb", ["bb-sym", at(f"strands{part}.bb")])
        step(f"shapes{part}.bb", ["bb-join", "--shape", at(f"sym{part}.bb")])
        step(f"blocks{part}.bb", ["bb-strands", "-u", "block", at(f"functions{part}.bb")])
        step(f"fseq{part}.bb", ["bb-strands", "-u", "function", at(f"functions{part}.bb")])
    step("vocab", ["bb-vocab", "-n", "400", "-o", at("vocab"), at("sym.bb"), at("fseq.bb")])
    for part in ("", ".a", ".b"):
        step(f"tokens{part}.bb", ["bb-tok", "-m", at("vocab"), "-L", "128", at(f"sym{part}.bb")])
        step(f"ftok{part}.bb", ["bb-tok", "-m", at("vocab"), "-L", "128", at(f"fseq{part}.bb")])
    step("model", ["bb-train", "--vocab", at("vocab"), "--config", MODEL, "--steps", "4", "-s", "1",
                   "--batch-tokens", "512", "-o", at("model"), at("tokens.bb")])
    for part in ("", ".a", ".b"):
        step(f"marks{part}.bb", ["bb-quiz", "-k", "recover", "--strands", "2", at(f"blocks{part}.bb")])
        step(f"rtok{part}.bb", ["bb-tok", "-m", at("vocab"), at(f"marks{part}.bb")])
    for name, args in (("opt", ["--task", "classify", "-l", "opt", at("ftok.bb")]),
                       ("recover", ["--task", "recover", at("rtok.bb")])):
        step(name, ["bb-train", "--init", at("model"), "--steps", "2", "--batch-tokens", "512", "-o", at(name), *args])
    for part in ("", ".a", ".b"):
        step(f"traced{part}.bb", ["bb-trace", at(f"fseq{part}.bb")])
    step("tvocab", ["bb-vocab", "-n", "400", "-o", at("tvocab"), at("traced.bb")])
    for part in ("", ".a", ".b"):
        step(f"ttok{part}.bb", ["bb-tok", "-m", at("tvocab"), "-L", "128", at(f"traced{part}.bb")])
    step("trex", ["bb-train", "--task", "trex", "--vocab", at("tvocab"), "--config", MODEL, "--steps", "2", "-s", "1",
                  "--batch-tokens", "512", "-o", at("trex"), at("ttok.bb")])
    for part in ("", ".a", ".b"):
        step(f"ctok{part}.bb", ["bb-tok", "-m", at("tvocab"), "-L", "128", at(f"fseq{part}.bb")])
    step("tuned", ["bb-train", "--task", "similarity", "--loss", "cosine", "--init", at("trex"), "--steps", "2",
                   "--batch-tokens", "512", "-o", at("tuned"), at("ctok.bb")])
    for part in ("", ".a", ".b"):
        step(f"emb{part}.bb", ["bb-embed", "-m", at("model"), at(f"ftok{part}.bb")])
        step(f"sets{part}.bb", ["bb-quiz", "-k", "operand", "--sets", "20", at(f"blocks{part}.bb")])
        step(f"stok{part}.bb", ["bb-tok", "-m", at("vocab"), at(f"sets{part}.bb")])
        step(f"semb{part}.bb", ["bb-embed", "-m", at("model"), at(f"stok{part}.bb")])
        step(f"match{part}.bb", ["bb-knn", "-c", at("emb.bb"), "-k", "5", at(f"emb{part}.bb")])


if __name__ == "__main__":
    main()
    sys.exit(done())
