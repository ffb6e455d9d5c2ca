"""arch.py: bb-disasm on small hand-written assembly for each processor that is not x86-64, assembled and linked by
clang and lld: all instructions, blocks, edges and references of tests/golden/arch, from the object file and, without
symbols, from the linked file. Byte orders of a processor are told alike.

BB_GOLDEN=write writes the expected text anew."""
import glob
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import TOP, done, ok, prog, run


def text(path, *options):
    r = run([prog("bb-disasm"), "-q", *options, path])
    assert r.rc == 0, r.err
    r = run([prog("bb-cat"), "-t"], r.out)
    assert r.rc == 0, r.err
    return r.out.decode()


def assemble(source, target, folder):
    path = os.path.join(folder, "x.o")
    subprocess.run(["clang-14", *target, "-c", "-o", path, source], check=True)
    return path


def be8(folder, link, target):
    """x.o, big-endian, linked to BE8: instructions are little-endian, data are not."""
    linked = {}
    for order, options in ("big", ["-EB", "--be8"]), ("little", []):
        out = os.path.join(folder, order, "x")
        os.mkdir(os.path.dirname(out))
        if order == "little":
            assemble(os.path.join(TOP, "tests/golden/arch/arm.s"), target, folder)
        subprocess.run(["arm-linux-gnueabihf-ld", *options, *link, "-o", out, os.path.join(folder, "x.o")], check=True)
        linked[order] = out
    with open(linked["big"], "rb") as f:
        head = f.read(40)
    ok("arch/BE8: the file is one", head[5] == 2 and head[37] & 0x80, head)  # EI_DATA, EF_ARM_BE8
    for options in [], ["--ignore-symbols"]:
        got, want = (text(linked[order], *options) for order in ("big", "little"))
        ok(f"arch/BE8: the same as little-endian {' '.join(options)}", got == want and got.count("thumb"), got)


def test(source):
    name = os.path.basename(source)[:-2]
    lines = open(source).read().splitlines()
    target = lines[0].split(" ", 1)[1].split()
    link = lines[1].split("link: ", 1)[1].split()
    with tempfile.TemporaryDirectory() as t:
        obj, out = assemble(source, target, t), os.path.join(t, "x")
        subprocess.run(["ld.lld-14", *link, "-o", out, obj], check=True)
        plain = text(obj)
        got = "object file\n" + plain + "linked, without symbols\n" + text(out, "--ignore-symbols")
        other = {"arm": "armeb", "mips": "mipsel"}.get(name)
        if other:
            swapped = [target[0].replace(name, other, 1), *target[1:]]
            twin = text(assemble(source, swapped, t)).replace(other, name).replace("thumbeb", "thumb")
            ok(f"arch/{other}: the same as {name}", twin == plain, twin)
            if name == "arm":
                be8(t, link, target)
    path = source[:-2] + ".txt"
    if os.environ.get("BB_GOLDEN") == "write":
        with open(path, "w") as f:
            f.write(got)
    with open(path) as f:
        ok(f"arch/{name}", f.read() == got, got)


if __name__ == "__main__":
    for source in sorted(glob.glob(os.path.join(TOP, "tests/golden/arch/*.s"))):
        test(source)
    sys.exit(done())
