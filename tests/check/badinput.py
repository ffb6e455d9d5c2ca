"""badinput.py: what is wrong with an input is said in one line that names file and reason, the other
inputs are unaffected, and the exit status is as in bb(7)."""
import json
import os
import shutil
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import FIX, crashed, done, mkstream, ok, prog, read, run, tmpdir, write

T = tmpdir()
GOOD = os.path.join(FIX, "elf/O0/lists.so")
ELF = read(GOOD)


def at(name):
    return os.path.join(T, name)


def count(data):
    """(records, skipped) of a whole stream, or None."""
    try:
        ms = list(readstream.members(data))
        return sum(len(m[1]) for m in ms), sum(m[3]["skipped"] for m in ms)
    except readstream.StreamError:
        return None


def patched(offset, data):
    return ELF[:offset] + data + ELF[offset + len(data):]


def bad_elves():
    """name -> (path, words of which the message must have one)"""
    shoff, = struct.unpack_from("<Q", ELF, 40)
    yield "not an ELF file", write(at("text.txt"), b"just text\n" * 30), ("ELF",)
    yield "a script", write(at("script"), b"#!/bin/sh\nexit 0\n"), ("ELF",)
    yield "an empty file", write(at("empty"), b""), ("empty", "ELF")
    yield "four bytes", write(at("magic"), ELF[:4]), ("cut", "truncated", "short", "ELF")
    yield "a cut header", write(at("header"), ELF[:50]), ("cut", "truncated", "short", "header")
    yield "half an ELF file", write(at("half"), ELF[:len(ELF) // 2]), ("cut", "truncated", "short", "end", "out")
    yield "all but the last byte", write(at("last"), ELF[:-1]), ("cut", "truncated", "short", "end", "out")
    yield "another machine", write(at("ppc"), patched(18, b"\x15\x00")), ("PowerPC64",)
    yield "32 bits", write(at("bits32"), patched(4, b"\x01")), ("32", "x86-64", "class")
    yield "big-endian", write(at("big"), patched(5, b"\x02")), ("endian", "x86-64")
    yield "sections far away", write(at("far"), patched(40, struct.pack("<Q", 1 << 62))), ("section", "out", "cut", "truncated", "past")
    no = at("nothing.o")
    src = write(at("nothing.c"), b"int data = 3;\n")
    assert run(["gcc", "-c", "-o", no, src]).rc == 0
    yield "no functions", no, ("function",)
    yield "no such file", at("gone"), ("No such file",)
    yield "a folder", T, ("directory",)
    if os.getuid() != 0:  # root reads everything
        path = write(at("secret"), ELF)
        os.chmod(path, 0)
        yield "an unreadable file", path, ("denied",)


def one_line(r, program, path):
    """The lines about the file: exactly one, of the form bb-x: file: ...: why."""
    lines = [l for l in r.err.split("\n") if path in l]
    return len(lines) == 1 and lines[0].startswith(f"{program}: {path}: ")


def test_disasm():
    alone = run([prog("bb-disasm"), GOOD])
    want = [b for m in readstream.members(alone.out) for b in m[2]]
    ok("badinput/a good ELF file", alone.rc == 0 and len(want) >= 12 and alone.err == "", alone)
    for name, path, words in bad_elves():
        r = run([prog("bb-disasm"), path])
        said = one_line(r, "bb-disasm", path) and any(w in r.err.split(path, 1)[1] for w in words)
        ok(f"badinput/{name}: alone", r.rc == 1 and said and count(r.out) is None, r)
        for order in ([path, GOOD], [GOOD, path]):
            r = run([prog("bb-disasm"), *order])
            got = [b for m in readstream.members(r.out) for b in m[2]] if r.rc == 0 else None
            if r.rc != 0 or got != want or not one_line(r, "bb-disasm", path) or count(r.out)[1] != 1:
                ok(f"badinput/{name}: the others are unaffected", False, r)
                break
        else:
            ok(f"badinput/{name}: the others are unaffected", True)
        r = run([prog("bb-disasm"), "--strict", path, GOOD])
        ok(f"badinput/{name}: --strict", r.rc == 1 and count(r.out) is None and path in r.err, r)
    r = run([prog("bb-disasm"), "-q", at("empty"), GOOD])
    ok("badinput/-q says nothing of a skipped file", r.rc == 0 and r.err == "", r)
    names = write(at("names"), f"{at('empty')}\n{GOOD}\n".encode())
    for r in (run([prog("bb-disasm"), "--files-from", names]), run([prog("bb-disasm"), "--files-from", "-"], read(names))):
        got = [b for m in readstream.members(r.out) for b in m[2]] if r.rc == 0 else None
        ok("badinput/--files-from", got == want and one_line(r, "bb-disasm", at("empty")), r)


def test_archives():
    """Members without functions are no news; others are as files are."""
    good, none = at("good.o"), at("nothing.o")
    src = write(at("good.c"), b"int f(int x) { return x + 1; }\n")
    assert run(["gcc", "-O1", "-c", "-o", good, src]).rc == 0
    src = write(at("nothing.c"), b"int data = 3;\n")
    assert run(["gcc", "-c", "-o", none, src]).rc == 0
    text = write(at("text.txt"), b"just text\n" * 30)
    for name, members, said, skipped in (("without functions", [none, good, none], "", 0),
                                         ("damaged", [none, text, good], "text.txt", 1)):
        lib = at(f"{name[:7]}.a")
        assert run(["ar", "rcs", lib, *members]).rc == 0
        r = run([prog("bb-disasm"), lib])
        ok(f"badinput/archive members {name}", r.rc == 0 and count(r.out) == (1, skipped) and
           [said in l for l in r.err.splitlines() if lib in l] == [True] * skipped, r)
        ok(f"badinput/archive members {name}: --strict",
           run([prog("bb-disasm"), "--strict", lib]).rc == skipped)
    assert run(["ar", "rcs", at("none.a"), none]).rc == 0
    r = run([prog("bb-disasm"), at("none.a")])
    ok("badinput/archive: no functions at all", r.rc == 1 and "functions" in r.err, r)
    r = run([prog("bb-disasm"), "-v", at("without.a")])
    ok("badinput/archive: -v names members without functions", r.err.count("nothing.o)") >= 1, r)


def test_thin_archives():
    """Members outside: regular files below the archive's folder, and no others."""
    d = at("thin")
    os.makedirs(os.path.join(d, "sub/deep"))
    os.mkfifo(os.path.join(d, "pipe.o"))
    obj = read(at("good.o"))
    into = lambda name, data=obj: write(os.path.join(d, name), data)
    into("a.o")
    into("sub/deep/a_name_longer_than_fifteen.o")
    into("sub/gone.o")
    into("../beside.o")
    lib = os.path.join(d, "lib.a")
    r = run(["sh", "-c", f"cd {d} && ar rcT lib.a a.o sub/deep/a_name_longer_than_fifteen.o"])
    assert r.rc == 0 and read(lib).startswith(b"!<thin>\n"), r
    r = run([prog("bb-disasm"), lib])
    lines = run([prog("bb-cat"), "-j"], r.out).out.splitlines()
    names = [f["name"] + " " + f["file"] for f in map(json.loads, lines)]
    ok("badinput/thin archive: its members", r.rc == 0 and r.err == "" and
       names == ["f lib.a(a.o)", "f lib.a(sub/deep/a_name_longer_than_fifteen.o)"], (names, r))

    def head(name, size):
        return f"{name:16}{0:<12}{0:<6}{0:<6}{644:<8}{size:<10}`\n".encode()

    os.symlink("a.o", os.path.join(d, "link.o"))
    os.symlink("sub", os.path.join(d, "linked"))
    os.symlink("/dev/zero", os.path.join(d, "zero.o"))
    for name, why in (("../beside.o", "leads out"), ("sub/../../beside.o", "leads out"), (at("beside.o"), "absolute"),
                      ("/etc/passwd", "absolute"), ("link.o", "regular"), ("zero.o", "regular"), ("pipe.o", "regular"),
                      ("linked/gone.o", "symbolic link"), ("sub", "regular"), ("missing.o", "No such file"),
                      ("a.o/b.o", "symbolic link, or no folder"), ("", "No such file"), ("a.o", "again"),
                      ("x/" * 200, "too long"), ("sub/gone.o", "size")):
        table = f"{name}/\na.o/\n".encode()
        table += b"\n" * (len(table) % 2)
        size = len(obj) + (why == "size")
        entries = [head("/0", size), head(f"/{len(name) + 2}", len(obj))]
        entries = entries[::-1] if why == "again" else entries
        write(lib, b"!<thin>\n" + head("//", len(table)) + table + b"".join(entries))
        r = run([prog("bb-disasm"), lib])
        ok(f"badinput/thin archive: {name[:20]}: {why}", r.rc == 0 and count(r.out) == (1, 1) and
           [why in l for l in r.err.splitlines() if lib in l] == [True], r)
    write(lib, b"!<thin>\n" + head("//", 12) + b"in.a/\na.o/\n\n"[:12] + head("/0:68", len(obj)) + head("/6", len(obj)))
    r = run([prog("bb-disasm"), lib])
    ok("badinput/thin archive: an archive within", count(r.out) == (1, 1) and "lib.a(in.a): is within another" in r.err, r)
    r = run([prog("bb-disasm")], read(lib))
    ok("badinput/thin archive: from stdin", r.rc == 1 and "folder is not known" in r.err, r)
    r = run([prog("bb-disasm"), "--strict", lib])
    ok("badinput/thin archive: --strict", r.rc == 1 and count(r.out) is None, r)


def test_no_section_headers():
    """As sstrip leaves files: functions and the names of what they call are found by program headers; and of damaged
    ones nothing bad comes."""
    phoff, = struct.unpack_from("<Q", ELF, 32)
    phnum, = struct.unpack_from("<H", ELF, 56)
    heads = [struct.unpack_from("<2I6Q", ELF, phoff + 56 * i) for i in range(phnum)]
    bare = bytearray(ELF[:max(h[2] + h[5] for h in heads)])
    bare[40:48], bare[58:64] = bytes(8), bytes(6)

    def told(path):
        r = run([prog("bb-disasm"), "--ignore-symbols", path])
        fs = [json.loads(l) for l in run([prog("bb-cat"), "-j"], r.out).out.splitlines()]
        return {f["addr"]: (f["code"], [n for n in f["refs"]["names"] if n != "__gmon_start__"]) for f in fs}, r

    want, _ = told(GOOD)
    got, r = told(write(at("bare"), bytes(bare)))
    ok("badinput/no section headers: the same functions and names", len(want) > 10 and
       all(got.get(a) == want[a] for a in want) and len(got) <= len(want) + 1 and
       any(names for _, names in want.values()), ([(a, want[a], got.get(a)) for a in want if got.get(a) != want[a]], r))
    dynamic, = [h for h in heads if h[0] == 2]
    places = [p for h in range(phnum) for p in range(phoff + 56 * h, phoff + 56 * h + 56, 8)]
    places += range(dynamic[2], dynamic[2] + dynamic[5], 8)
    bad = []
    for place in places:
        for value in 0, 1, 0xfff, 1 << 31, (1 << 63) + 8, (1 << 64) - 1:
            d = bytearray(bare)
            d[place:place + 8] = struct.pack("<Q", value)
            r = run([prog("bb-disasm"), "-q", write(at("damaged"), bytes(d))])
            if crashed(r) or r.rc not in (0, 1):
                bad.append((place, value, r))
    ok(f"badinput/no section headers: {6 * len(places)} damaged ones", not bad, bad[:2])


def test_elf_damage():
    """Fields of the ELF headers set to all kinds of wrong: never a crash, and out in time."""
    shoff, = struct.unpack_from("<Q", ELF, 40)
    shnum, = struct.unpack_from("<H", ELF, 60)
    phoff, = struct.unpack_from("<Q", ELF, 32)
    phnum, = struct.unpack_from("<H", ELF, 56)
    places = [(16, 2), (18, 2), (24, 8), (32, 8), (40, 8), (52, 2), (54, 2), (56, 2), (58, 2), (60, 2), (62, 2)]
    for i in range(shnum):
        s = shoff + 64 * i
        places += [(s, 4), (s + 4, 4), (s + 8, 8), (s + 16, 8), (s + 24, 8), (s + 32, 8), (s + 40, 4), (s + 56, 8)]
    for i in range(phnum):
        s = phoff + 56 * i
        places += [(s, 4), (s + 8, 8), (s + 16, 8), (s + 32, 8), (s + 40, 8)]
    # Many bad files in one run: what one does must not touch the next.
    paths, values = [], {2: ["<H", 0, 1, 0xffff], 4: ["<I", 0, 7, 1 << 31, 0xffffffff],
                         8: ["<Q", 0, 1, len(ELF) - 1, 1 << 31, (1 << 64) - 1, (1 << 63) - 64]}
    for offset, size in places:
        code, *vs = values[size]
        for v in vs:
            paths.append(write(at(f"bad{len(paths)}"), patched(offset, struct.pack(code, v))))
    wrong, step = [], 100
    for i in range(0, len(paths), step):
        r = run([prog("bb-disasm", san=True), *paths[i:i + step], GOOD], timeout=120)
        if crashed(r) or r.rc != 0 or count(r.out)[0] < 12:
            for p in paths[i:i + step]:
                one = run([prog("bb-disasm", san=True), p], timeout=20)
                if crashed(one) or one.rc not in (0, 1):
                    wrong.append(f"{p}: {crashed(one) or one}")
            wrong = wrong or [str(r)]
            break
    ok(f"badinput/{len(paths)} ELF files with wrong fields", not wrong, "\n".join(wrong[:3]))
    for p in paths:
        os.unlink(p)


def test_vocabulary():
    """Tokens of another vocabulary than the model's are refused, by name."""
    other = at("other")
    r = run([prog("bb-vocab"), "-n", "300", "-o", other, os.path.join(FIX, "strands.a.bb")])
    tok = run([prog("bb-tok"), "-m", other], read(os.path.join(FIX, "fseq.bb")))
    if not ok("badinput/another vocabulary can be made", r.rc == 0 and tok.rc == 0, f"{r} {tok}"):
        return
    model = os.path.join(FIX, "model")
    r = run([prog("bb-embed"), "-m", model], tok.out)
    ok("badinput/bb-embed: tokens of another vocabulary", r.rc == 1 and "vocab" in r.err and count(r.out) is None, r)
    r = run([prog("bb-train"), "--init", model, "--task", "similarity", "--steps", "1", "-o", at("m")], tok.out)
    ok("badinput/bb-train: tokens of another vocabulary", r.rc == 1 and "vocab" in r.err, r)
    r = run([prog("bb-train"), "--vocab", os.path.join(FIX, "vocab"), "--config", "tiny", "--steps", "1", "-o", at("m2")], tok.out)
    ok("badinput/bb-train: tokens that the vocabulary did not make", r.rc == 1 and "vocab" in r.err, r)
    for name, words in ({"gone": ("No such file",), "empty": ("vocab", "empty", "special", "[PAD]"),
                         "text.txt": ("[PAD]", "special", "vocab")}).items():
        r = run([prog("bb-tok"), "-m", at(name)], read(os.path.join(FIX, "sym.bb")))
        ok(f"badinput/bb-tok: a vocabulary that is none ({name})", r.rc == 1 and at(name) in r.err and
           any(w in r.err.split(at(name), 1)[1] for w in words), r)
    r = run([prog("bb-tok")], read(os.path.join(FIX, "sym.bb")))
    ok("badinput/bb-tok: no vocabulary", r.rc == 2 and "-m" in r.err + r.out.decode() or "model" in r.err and r.rc == 2, r)


def test_model():
    """A model folder with something missing, cut or wrong."""
    model = os.path.join(FIX, "model")
    tokens = read(os.path.join(FIX, "ftok.bb"))
    for name in ("config.json", "model.safetensors", "vocab.txt"):
        for how in ("gone", "empty", "cut", "junk"):
            folder = at(f"model-{name}-{how}")
            shutil.copytree(model, folder)
            path = os.path.join(folder, name)
            data = read(path)
            os.unlink(path)
            if how != "gone":
                write(path, {"empty": b"", "cut": data[:len(data) // 2], "junk": b"\xff{junk" * 100}[how])
            r = run([prog("bb-embed", san=True), "-m", folder], tokens)
            ok(f"badinput/model: {name} {how}", r.rc == 1 and not crashed(r) and folder in r.err and
               r.err.startswith("bb-embed: ") and count(r.out) is None, r)
            shutil.rmtree(folder)
    r = run([prog("bb-embed"), "-m", at("gone")], tokens)
    ok("badinput/model: no such folder", r.rc == 1 and at("gone") in r.err, r)


def test_skipped():
    """Records that cannot be used: each is counted and told in one line, the others come through."""
    n = 300
    data = mkstream("sequence", n, seed=4)
    r = run([prog("bb-sym")], data)
    records, skipped = count(r.out) or (0, 0)
    told = [l for l in r.err.split("\n") if "do not decode" in l and l.startswith("bb-sym: ")]
    ok("badinput/skipped records are counted", r.rc == 0 and records + skipped == n and 20 < skipped == len(told), r)
    ok("badinput/messages are lines without control characters", all(" " <= c or c == "\n" for c in r.err) and
       r.err.count("\n") == skipped + 1, r)
    s = run([prog("bb-sym"), "--strict"], data)
    ok("badinput/--strict: a record that cannot be used", s.rc == 1 and told[0] in s.err and count(s.out) is None, s)
    q = run([prog("bb-sym"), "-q"], data)
    ok("badinput/-q: skipped records", q.rc == 0 and q.err == "" and q.out == r.out, q)
    q = run([prog("bb-sym"), "-q", "--strict"], data)
    ok("badinput/-q --strict says what was fatal", q.rc == 1 and told[0] in q.err, q)


def test_files():
    """Streams that cannot be read or written, by any program."""
    good = os.path.join(FIX, "functions.bb")
    out = write(at("out.bb"), b"what was there before")
    for program, args in (("bb-cat", []), ("bb-strands", [])):
        for name, words in (("gone", "No such file"), ("", "directory")):
            r = run([prog(program), *args, "-o", out, good, at(name)])
            ok(f"badinput/{program}: a stream that is {'no file' if name else 'a folder'}", r.rc == 1 and
               at(name) in r.err and words in r.err and read(out) == b"what was there before", r)
        r = run([prog(program), "-o", at("no/such/folder/x"), good])
        ok(f"badinput/{program}: -o into no folder", r.rc == 1 and "no/such/folder" in r.err, r)
        left = [f for f in os.listdir(T) if "part" in f]
        ok(f"badinput/{program}: nothing is left of a failed -o", not left, left)


if __name__ == "__main__":
    test_disasm()
    test_archives()
    test_thin_archives()
    test_no_section_headers()
    test_elf_damage()
    test_vocabulary()
    test_model()
    test_skipped()
    test_files()
    sys.exit(done())
