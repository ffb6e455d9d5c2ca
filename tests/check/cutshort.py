"""cutshort.py: files that are cut short while bb-disasm reads them: one line for each, what was written of
them before is as it was, and the files behind them are whole."""
import fcntl
import os
import random
import struct
import subprocess
import sys
import termios
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import FIX, done, ok, prog, read, run, tmpdir, write

T = tmpdir()
GOOD = os.path.join(FIX, "elf/O0/lists.so")
FUNCTIONS, SIZE = 600, 20001  # 12 MB that does not compress


def at(name):
    return os.path.join(T, name)


def source(functions, prefix):
    """Functions of instructions with random numbers: mov $number, %eax ... ret."""
    rng = random.Random(5)
    code = b"".join(b"".join(b"\xb8" + rng.randbytes(4) for _ in range(SIZE // 5)) + b"\xc3" for _ in range(functions))
    write(at(prefix + ".bin"), code)
    lines = [".text"]
    for k in range(functions):
        lines += [f".globl {prefix}{k}", f".type {prefix}{k}, @function", f"{prefix}{k}:",
                  f'.incbin "{at(prefix)}.bin", {k * SIZE}, {SIZE}', f".size {prefix}{k}, {SIZE}"]
    write(at(prefix + ".s"), "\n".join(lines + [""]).encode())
    assert run(["gcc", "-c", "-o", at(prefix + ".o"), at(prefix + ".s")]).rc == 0
    return at(prefix + ".o")


def large_file():
    path = at("large.so")
    assert run(["gcc", "-shared", "-nostdlib", "-o", path, source(FUNCTIONS, "f")]).rc == 0
    return path


def large_archive():
    members, data = [], read(source(20, "m"))
    for k in range(60):
        members.append(write(at(f"m{k}.o"), data))
    assert run(["ar", "rcs", at("large.a"), *members]).rc == 0
    return at("large.a")


def waits(p):
    """Waits until the program can write no more: nobody reads its output."""
    before, same, word = -1, 0, bytearray(4)
    for _ in range(2000):
        fcntl.ioctl(p.stdout.fileno(), termios.FIONREAD, word)
        now, = struct.unpack("i", word)
        same = same + 1 if now == before and now >= 4096 else 0
        if same == 20:
            return True
        before = now
        time.sleep(0.02)
    return False


def cut(path, *options):
    """bb-disasm PATH GOOD, where PATH is cut to a page when the output is full: rc, stdout, stderr."""
    data = read(path)
    p = subprocess.Popen([prog("bb-disasm"), *options, path, GOOD], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    full = waits(p)
    os.truncate(path, 4096)
    out, err = p.communicate(timeout=120)
    write(path, data)
    return full, p.returncode, out, err.decode()


def records(out):
    ms = list(readstream.members(out))
    return [b for m in ms for b in m[2]], sum(m[3]["skipped"] for m in ms)


def test(name, path):
    whole = records(run([prog("bb-disasm"), path]).out)[0]
    good = records(run([prog("bb-disasm"), GOOD]).out)[0]
    for threads in "1", "4":
        full, rc, out, err = cut(path, "--threads", threads)
        ok(f"cutshort/{name}: the output is full, {threads} threads", full)
        *lines, _ = err.splitlines()  # the last one counts
        ok(f"cutshort/{name}: said of each, {threads} threads", rc == 0 and lines and
           all(l.startswith(f"bb-disasm: {path}") for l in lines) and
           all("cut short" in l for l in lines), (rc, err))
        got, skipped = records(out) if rc == 0 else ([], 0)
        ok(f"cutshort/{name}: the file behind it is whole, {threads} threads", got[-len(good):] == good)
        before = got[:-len(good)]
        ok(f"cutshort/{name}: what was written before is right, {threads} threads",
           len(before) < len(whole) and before == whole[:len(before)], (len(before), len(whole)))
        ok(f"cutshort/{name}: counted, {threads} threads", skipped == len(lines), skipped)
    full, rc, out, err = cut(path, "--strict")
    ok(f"cutshort/{name}: --strict", rc == 1 and "cut short" in err, (rc, err))


if __name__ == "__main__":
    test("a file", large_file())
    test("an archive", large_archive())
    sys.exit(done())
