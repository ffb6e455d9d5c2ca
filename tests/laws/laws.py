"""laws.py: the laws L1 to L10 of bb(7) on one filter: laws.py FILTER."""
import os
import random
import re
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import xxhash
import zstandard

import readstream
from bbtest import FIX, HANG, LONG, TOP, crashed, done, mkstream, ok, prog, read, run, tmpdir, write
from table import ALSO_READS, USES

KINDS = ["function", "sequence", "tokens", "embedding", "match", "prediction"]
SIGPIPE = -13


def frame_bytes(data):
    """The frames of a stream, packed."""
    out = []
    while data:
        d = zstandard.ZstdDecompressor().decompressobj()
        d.decompress(data)
        out.append(data[:len(data) - len(d.unused_data)])
        data = d.unused_data
    return out


def is_complete(data):
    try:
        return sum(1 for _ in readstream.members(data)) > 0
    except readstream.StreamError:
        return False


def records(data):
    """The bytes of all records."""
    return [r for _, _, raw, _ in readstream.members(data) for r in raw]


def empty_of(data):
    """The stream's header and an empty trailer."""
    head = frame_bytes(data)[0]
    kind = next(iter(readstream.members(data)))[0]["kind"]
    return head + frame_bytes(mkstream(kind, 0))[1]


class Filter:
    def __init__(self, name, use):
        self.name, self.use = name, use
        self.args = [a.replace("{fix}", FIX) for a in use.args]
        self.input = os.path.join(FIX, use.input)
        self.parts = [os.path.join(FIX, p) for p in use.parts]
        self.elf = use.reads == "elf"
        self.stream = use.writes not in ("text", "folder")

    def test(self, law, cond, why=""):
        return ok(f"{law} {self.name} {self.use.name}", cond, why)

    def run(self, data=None, operands=(), args=(), san=False, timeout=60, **more):
        """On the input, or on these bytes, or on these operands. A folder comes back as bytes."""
        argv = [prog(self.name, san), *self.args, *args]
        if self.use.writes == "folder":
            folder = os.path.join(self.tmp(), "model")
            r = run([*argv, "-o", folder, *operands], data, timeout, **more)
            r.out += b"".join(f.encode() + b"\0" + read(os.path.join(folder, f))
                              for f in sorted(os.listdir(folder))) if os.path.isdir(folder) else b""
            shutil.rmtree(folder, ignore_errors=True)
            return r
        return run([*argv, *operands], data, timeout, **more)

    def tmp(self):
        if not hasattr(self, "_tmp"):
            self._tmp = tmpdir()
        return self._tmp

    def given(self, path=None, **more):
        """On a file: ELF files are operands, streams come on stdin."""
        path = path or self.input
        return self.run(operands=[path], **more) if self.elf else self.run(read(path), **more)

    # ---- the laws --------------------------------------------------------------------------------

    def plain(self):
        r = self.given()
        good = r.rc == 0 and r.out and (not self.stream or is_complete(r.out))
        if good and self.stream:
            kind = next(iter(readstream.members(r.out)))[0]["kind"]
            want = next(iter(readstream.members(read(self.input))))[0]["kind"] \
                if self.use.writes == "same" else self.use.writes
            good = kind == want and (self.use.name == "empty" or records(r.out))
        self.result = r.out
        return self.test("L0 works", good, r)

    def law1(self):
        """A truncated input fails and leaves no trailer."""
        data = read(self.input)
        if self.elf:
            # All that the section headers at the end name is there, or nothing is taken.
            cuts = [len(data) * k // 100 for k in (1, 10, 50, 90)] + [len(data) - 1]
        else:
            f = frame_bytes(data)
            ends = [sum(map(len, f[:i + 1])) for i in range(len(f))]
            cuts = sorted({0, 1, 4, len(f[0]) // 2, *ends[:-1], ends[0] + len(f[1]) // 2, ends[-2] + 1, len(data) - 1})
            if self.use.name != "tokens" and len(f) == 3:  # a cut between two frames of records
                cuts.append(-1)
        for cut in cuts:
            if not self.use.whole and cut != 0:
                continue
            part = f[0] + f[1] + f[1] if cut == -1 else data[:cut]
            for how in ("file",) if self.elf else ("stdin", "file"):
                path = write(os.path.join(self.tmp(), "cut"), part)
                r = self.run(operands=[path]) if how == "file" else self.run(part)
                named = ("stdin" if how == "stdin" else path) in r.err
                if r.rc != 1 or not named or (self.stream and r.out and is_complete(r.out)) or \
                        not re.search(r"cut short|empty|not |no |damaged|truncated|out of", r.err):
                    return self.test("L1 truncated", False, f"cut at {cut} of {len(data)} ({how}): {r}")
        return self.test("L1 truncated", True)

    def law2(self):
        """A full disk fails with a message."""
        if self.use.writes == "folder":
            return
        with open("/dev/full", "wb") as full:
            r = self.given(stdout=full)
            self.test("L2 full disk", r.rc == 1 and "No space left" in r.err and r.err.startswith(self.name), r)
        if "--output FILE" in self.help():
            r = self.given(args=["-o", "/dev/full"])
            self.test("L2 full disk -o", r.rc == 1 and "No space left" in r.err, r)

    def law3(self):
        """A closed pipe ends it by SIGPIPE, quietly."""
        if self.use.writes == "folder":
            return
        back, front = os.pipe()
        os.close(back)
        r = self.given(stdout=front)
        os.close(front)
        self.test("L3 closed pipe", r.rc == SIGPIPE and r.err == "", r)

    def law4(self):
        """A valid empty stream gives a valid empty stream."""
        if self.elf:
            return
        data = empty_of(read(self.input))
        assert is_complete(data)
        r = self.run(data)
        if self.use.empty == "error":
            good = r.rc == 1 and r.err.startswith(self.name)
        elif self.use.empty == "text":
            good = r.rc == 0 and r.err == ""
        else:
            good = r.rc == 0 and r.err == "" and is_complete(r.out) and not records(r.out)
        self.test("L4 empty stream", good, r)

    def law5(self):
        """A wrong kind is refused, naming both kinds and who makes the right one."""
        text = b"this is neither a stream nor an ELF file\n" * 3
        path = write(os.path.join(self.tmp(), "junk"), text)
        r = self.run(operands=[path])
        self.test("L5 junk", r.rc == 1 and path in r.err and not (self.stream and is_complete(r.out)), r)
        if self.use.reads in ("any", "elf"):
            return
        reads = re.findall("|".join(KINDS), self.use.reads)
        for kind in KINDS:
            if kind in reads or kind in ALSO_READS.get(self.name, ()):
                continue
            for n in (0, 2):
                r = self.run(mkstream(kind, n))
                good = r.rc == 1 and kind in r.err and any(k in r.err for k in reads) and \
                    re.search("need .* of bb-[a-z]", r.err) and \
                    (b"model.safetensors" not in r.out if self.use.writes == "folder" else r.out == b"")
                if not good:
                    return self.test("L5 wrong kind", False, f"{kind}: {r}")
        self.test("L5 wrong kind", True)

    def help(self):
        if not hasattr(self, "_help"):
            r = run([prog(self.name), "-h"])
            self._help, self._help_r = r.out.decode(), r
        return self._help

    def options(self):
        """[(short or None, long, argument or None)] of -h."""
        found = []
        for m in re.finditer(r"^  (?:-(\S), |    )--([a-z0-9-]+)(?: ([A-Z]\S*))?(?:  |$)", self.help(), re.M):
            found.append((m[1], m[2], m[3]))
        return found

    def law6(self):
        """Junk options exit 2."""
        junk = [["--no-such-option"], ["-?"], ["--threads=0"], ["--threads=-1"], ["--threads=abc"], ["--threads=1x"],
                ["--threads="], ["--threads=99999999999999999999"], ["--threads= 1"], ["--help=yes"]]
        for short, long, arg in self.options():
            if arg:
                junk.append(["--" + long])
                if short:
                    junk.append(["-" + short])
                if arg in ("N", "X", "MIB") and long not in ("layer",):
                    junk += [[f"--{long}=abc"], [f"--{long}=1e999"], [f"--{long}=7seven"]]
        for args in junk:
            r = run([prog(self.name), *args])
            if r.rc != 2 or r.out or not r.err.startswith(self.name + ": ") or "usage:" not in r.err:
                return self.test("L6 junk options", False, f"{args}: {r}")
        self.test("L6 junk options", True)

    def law7(self):
        """-h goes to stdout, exits 0 and lists the options of the man page."""
        self.help()
        r = self._help_r
        self.test("L7 help", r.rc == 0 and r.err == "" and r.out.startswith(self.name.encode() + b" - ") and
                  b"example" in r.out and "usage: " + self.name in self.help(), r)
        v = run([prog(self.name), "--version"])
        self.test("L7 version", v.rc == 0 and re.fullmatch(self.name + r" \d+\.\d+\.\d+\n", v.out.decode()), v)
        page = os.path.join(TOP, "man", self.name + ".1")
        if not self.test("L7 man page is there", os.path.exists(page), page):
            return
        text = re.sub(".\b", "", run(["mandoc", "-T", "ascii", page]).out.decode())  # no overstriking
        told = set()
        for m in re.finditer(r"^ +(-\S, )?(--[a-z0-9-]+)", text, re.M):
            told.update(o.strip(", ") for o in m.groups() if o)
        helped = set()
        for short, long, _ in self.options():
            helped.add("--" + long)
            if short:
                helped.add("-" + short)
        self.test("L7 options of -h and man page", told == helped and helped,
                  f"only in -h: {sorted(helped - told)}, only in the man page: {sorted(told - helped)}")

    def law8(self):
        """Same input, options and seed: the same bytes, at any -t, anywhere."""
        want, data = self.result, read(self.input)
        big = None
        if self.use.each and not self.elf:  # more frames than threads
            frames = frame_bytes(data)
            big = frames[0] + frames[1] * 9
            n = len(records(data))
            raw = b"".join(records(data)) * 9
            big += seal(raw, n * 9)
        for args, more in ((["--threads=1"], {}), (["--threads=2"], {}), (["--threads=3"], {}), (["--threads=16"], {}),
                           ([], dict(env=dict(TZ="Asia/Kolkata", LC_ALL="tr_TR.UTF-8", LANG="de_DE.UTF-8",
                                              HOME="/", USER="x", OMP_NUM_THREADS="2"))),
                           ([], dict(cwd="/"))):
            r = self.given(args=args, **more)
            if r.rc or r.out != want:
                return self.test("L8 same bytes", False, f"{args} {more}: {r}, first difference at "
                                 f"{len(os.path.commonprefix([r.out, want]))} of {len(want)}")
        if not self.elf:
            for operands in ([self.input], ["-"]):
                r = self.run(data, operands=operands)
                if r.rc or r.out != want:
                    return self.test("L8 same bytes", False, f"operands {operands}: {r}")
        if self.use.writes != "folder" and "--output" in self.help():
            path = os.path.join(self.tmp(), "out.txt")  # bb-vocab goes by the ending
            r = self.given(args=["-o", path])
            if r.rc or r.out or not os.path.exists(path) or read(path) != want:
                return self.test("L8 same bytes", False, f"-o FILE: {r}")
            left = [f for f in os.listdir(self.tmp()) if "part" in f]
            if left:
                return self.test("L8 same bytes", False, f"left behind: {left}")
        if big:
            a, b = self.run(big, args=["--threads=1"]), self.run(big, args=["--threads=4"])
            if a.rc or b.rc or a.out != b.out:
                return self.test("L8 same bytes", False, f"many frames: {a} / {b}")
        self.test("L8 same bytes", True)

    def law9(self):
        """f(a); f(b) is f(a b), record for record."""
        if not self.use.each:
            return
        one = [self.given(p) for p in self.parts]
        if self.elf:
            both = [self.run(operands=self.parts)]
        else:
            both = [self.run(operands=self.parts), self.run(b"".join(map(read, self.parts)))]
        apart = records(one[0].out + one[1].out)
        good = apart and all(r.rc == 0 for r in one + both) and all(records(r.out) == apart for r in both)
        if self.use.members and not self.elf:
            good = good and both[0].out == both[1].out == one[0].out + one[1].out
        self.test("L9 f(a);f(b) = f(a b)", good, both[0])

    def law10(self):
        """One flipped bit anywhere: an error or a counted skip; no crash, no hang, no silent wrong result."""
        data = bytearray(read(self.input))
        rng = random.Random(10)
        want, n = None, 400 if LONG else 40
        for bit in sorted(rng.sample(range(8 * len(data)), n)):
            data[bit // 8] ^= 1 << bit % 8
            path = write(os.path.join(self.tmp(), "flipped"), bytes(data))
            data[bit // 8] ^= 1 << bit % 8
            r = self.run(operands=[path], san=True, timeout=60)
            why = crashed(r)
            if not why and r.rc not in (0, 1):
                why = f"status {r.rc}"
            if not why and r.rc == 0 and not self.elf:
                # Flips that the packing does not see (an unused bit) change nothing.
                if want is None:
                    want = self.run(operands=[self.input], san=True).out
                if r.out != want and "skipped" not in r.err:
                    why = "a silent other result"
            if why:
                return self.test("L10 flipped bit", False, f"bit {bit}: {why}: {r}")
        self.test("L10 flipped bit", True)
        if self.elf:
            return
        # The same inside the records, under fitting checksums and a fitting trailer: a hostile
        # writer. Any result will do, but a whole one or none.
        frames = frame_bytes(bytes(data))
        raw = bytearray(b"".join(records(bytes(data))))
        count = len(records(bytes(data)))
        for k in range(n):
            flips = [rng.randrange(8 * len(raw)) for _ in range(1 + k % 3)]
            for bit in flips:
                raw[bit // 8] ^= 1 << bit % 8
            packed = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(raw))
            path = write(os.path.join(self.tmp(), "hostile"), frames[0] + packed + seal(bytes(raw), count))
            for bit in flips:
                raw[bit // 8] ^= 1 << bit % 8
            r = self.run(operands=[path], san=True, timeout=60)
            why = crashed(r) or (r.rc not in (0, 1) and f"status {r.rc}")
            if not why and r.rc == 0 and self.stream and run([prog("bb-cat"), "-c"], r.out).rc != 0:
                why = "status 0 and no whole stream"
            if why:
                return self.test("L10 hostile records", False, f"bits {flips}: {why}: {r}")
        self.test("L10 hostile records", True)
        kinds = KINDS if self.use.reads == "any" else [self.use.reads]
        for kind in kinds:  # valid records that no program of ours would write
            path = write(os.path.join(self.tmp(), "sample"), mkstream(kind, 300, seed=10))
            r = self.run(operands=[path], san=True, timeout=120)
            why = crashed(r) or (r.rc not in (0, 1) and f"status {r.rc}")
            if why:
                return self.test("L10 random records", False, f"{kind}: {why}: {r}")
        self.test("L10 random records", True)


def seal(raw, count):
    """A trailer frame for the records."""
    import cbor2
    t = cbor2.dumps({"end": 1, "records": count, "skipped": 0, "digest": xxhash.xxh3_128(raw).digest()})
    return zstandard.ZstdCompressor(write_checksum=True).compress(t)


def main():
    name = sys.argv[1]
    if not ok(f"laws {name} has an entry in tests/laws/table.py", name in USES):
        return
    for i, use in enumerate(USES[name]):
        f = Filter(name, use)
        if not f.plain():
            continue
        f.law1()
        f.law2()
        f.law3()
        f.law4()
        f.law5()
        if i == 0:
            f.law6()
            f.law7()
        f.law8()
        f.law9()
        f.law10()


if __name__ == "__main__":
    main()
    sys.exit(done())
