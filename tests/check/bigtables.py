"""bigtables.py: ELF files and archives whose tables are huge, empty, over one another or without end:
each is done with in a second of processor time and 512 MiB, with a good result or one line that says
what is wrong, and the file behind it is unaffected."""
import os
import resource
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import FIX, done, ok, prog, read, tmpdir, write

T = tmpdir()
GOOD = os.path.join(FIX, "elf/O0/lists.so")
MILLION = 1 << 20
HUGE = (1 << 64) - 8
PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL, DYNSYM, INIT_ARRAY = 1, 2, 3, 4, 8, 9, 11, 14
ALLOC, CODE, DATA = 2, 2 | 4, 2 | 1
EXEC, DYN, OBJECT = 2, 3, 1
RET = b"\x31\xc0\xc3" + b"\x90" * 13  # xor eax, eax; ret; and padding


def section(name=0, type=PROGBITS, flags=0, addr=0, data=b"", link=0, info=0, entsize=0, size=None, offset=None):
    return dict(locals())


def header(kind, shoff, shnum, shstrndx, phoff=0, phnum=0, entry=0x10000):
    return (b"\x7fELF\x02\x01\x01" + bytes(9) +
            struct.pack("<HHIQQQIHHHHHH", kind, 62, 1, entry, phoff, shoff, 0, 64, 56, phnum, 64, shnum, shstrndx))


def elf(kind, sections, names=0, extra=b"", count=None):
    """An ELF file of these sections, behind section 0; extra: more section headers."""
    body, heads = bytearray(), bytearray(64)
    for s in sections:
        size = len(s["data"]) if s["size"] is None else s["size"]
        at = 64 + len(body) if s["offset"] is None else s["offset"]
        heads += struct.pack("<IIQQQQIIQQ", s["name"], s["type"], s["flags"], s["addr"], at, size, s["link"], s["info"],
                             16, s["entsize"])
        body += s["data"] + bytes(-len(s["data"]) % 16)
    n = 1 + len(sections) + len(extra) // 64
    if n >= 0xff00:
        struct.pack_into("<Q", heads, 32, n)
    return header(kind, 64 + len(body), n if n < 0xff00 else 0, names) + bytes(body) + bytes(heads) + extra


def text(n=64, **more):
    return section(flags=CODE, addr=0x10000, data=RET * n, **more)


def symbols(n, name=lambda i: 1, addr=lambda i: 0x10000 + 16 * (i % 64)):
    one = struct.Struct("<IBBHQQ")
    out = bytearray(24 * (n + 1))
    for i in range(n):
        one.pack_into(out, 24 * (i + 1), name(i), 0x12, 0, 1, addr(i), 3)
    return bytes(out)


def relocs(n, addr, type=8, sym=0):
    one = struct.Struct("<QQq")
    out = bytearray(24 * n)
    for i in range(n):
        one.pack_into(out, 24 * i, addr(i), sym << 32 | type, 0x10000 + 16 * (i % 64))
    return bytes(out)


def member(name, data, size=None):
    head = f"{name:16}{0:<12}{0:<6}{0:<6}{644:<8}{len(data) if size is None else size:<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)


def cases():
    """name -> (bytes, must be good, or None for either)"""
    names = section(type=STRTAB, data=b"\0name\0")
    long = section(type=STRTAB, data=b"\0" + b"a" * MILLION + b"\0")
    endless = section(type=STRTAB, data=b"\0" + b"a" * (4 * MILLION))
    small = elf(DYN, [text()])

    many = struct.pack("<IIQQQQIIQQ", 0, PROGBITS, ALLOC, 0x900000, 64, 16, 0, 0, 1, 0)
    yield "a million sections, all over one another", elf(DYN, [text()], extra=many * MILLION), True
    heads = bytearray(many * MILLION)
    for i in range(MILLION):
        struct.pack_into("<Q", heads, 64 * i + 16, 0x900000 + 16 * i)
    yield "a million sections", elf(DYN, [text()], extra=bytes(heads)), True
    for i in range(MILLION):
        struct.pack_into("<II", heads, 64 * i, 1, STRTAB if i % 2 else SYMTAB)
    yield "a million sections with one endless name", elf(DYN, [text(), endless], names=2, extra=bytes(heads)), None
    yield "a million sections announced", elf(DYN, [text()])[:60] + b"\0\0" + elf(DYN, [text()])[62:], None

    yield ("a million symbols", elf(DYN, [text(), names, section(
        type=SYMTAB, data=symbols(MILLION), link=2, entsize=24)]), True)
    yield ("a million symbols with a long name", elf(DYN, [text(), long, section(
        type=SYMTAB, data=symbols(MILLION, lambda i: 1 + i % 1000), link=2, entsize=24)]), True)
    yield ("a million symbols with an endless name", elf(DYN, [text(), endless, section(
        type=SYMTAB, data=symbols(MILLION), link=2, entsize=24)]), True)
    yield ("a million symbols nowhere", elf(DYN, [text(), names, section(
        type=DYNSYM, flags=ALLOC, addr=0x400000, data=symbols(MILLION, addr=lambda i: HUGE - i), link=2, entsize=24)]), True)

    data = section(flags=DATA, addr=0x200000, data=bytes(8 * MILLION))
    yield ("a million relocations", elf(DYN, [text(), data, section(
        type=RELA, flags=ALLOC, addr=0x4000000, data=relocs(MILLION, lambda i: 0x200000 + 8 * (i * 7919 % MILLION)),
        entsize=24)]), True)
    yield ("a million relocations of one place", elf(DYN, [text(), data, section(
        type=RELA, flags=ALLOC, addr=0x4000000, data=relocs(MILLION, lambda i: 0x200000), entsize=24)]), True)
    yield ("a million relocations of one instruction", elf(OBJECT, [text(), names, section(
        type=SYMTAB, data=symbols(64, addr=lambda i: 16 * i), link=2, entsize=24), section(
        type=RELA, data=relocs(MILLION, lambda i: 1, 2, 1), link=3, info=1, entsize=24)]), None)
    gaps = section(flags=CODE, addr=0x10000, data=(RET + b"\xff\xff\x90\x90\x55\x90\xff\xe0" * 2) * (1 << 14))
    yield ("a million relocations and as many gaps", elf(DYN, [gaps, names, section(
        type=SYMTAB, data=symbols(1 << 14, addr=lambda i: 0x10000 + 32 * i), link=2, entsize=24), section(
        flags=DATA, addr=0x2000000, data=bytes(8 * MILLION)), section(
        type=RELA, flags=ALLOC, addr=0x4000000, data=relocs(MILLION, lambda i: 0x2000000 + 8 * i), entsize=24)]), True)

    yield ("tables of no size", elf(DYN, [text(), section(type=STRTAB), section(type=SYMTAB, link=2, entsize=24), section(
        type=RELA, flags=ALLOC, addr=0x20000, link=3, entsize=24), section(type=INIT_ARRAY, flags=ALLOC, addr=0x30000)],
        names=2), True)
    yield ("entries of no size", elf(DYN, [text(), names, section(type=SYMTAB, data=symbols(3), link=2, entsize=0)]), None)
    yield "no sections, no segments", header(DYN, 0, 0, 0), False
    yield ("no sections but a segment", header(DYN, 0, 0, 0, 64, 1) + struct.pack(
        "<IIQQQQQQ", 1, 5, 120, 0x10000, 0, len(RET) * 64, len(RET) * 64, 16) + RET * 64, True)
    many = b"".join(struct.pack("<IIQQQQQQ", 1, 5, 120, 0x10000, 0, 56, 56, 16) for _ in range(65535))
    yield "segments over one another", header(DYN, 0, 0, 0, 64, 65535) + many, None

    over = [section(flags=CODE, addr=0x10000 + 8 * i, data=RET * 64) for i in range(1000)]
    yield "sections over one another", elf(DYN, over), True
    for field in "addr", "size", "offset", "link", "info", "entsize":
        for value in HUGE, 1 << 63, (1 << 64) - 1:
            if field in ("link", "info"):
                value >>= 32
            for kind in PROGBITS, SYMTAB, RELA, NOBITS, STRTAB:
                odd = dict(section(type=kind, flags=CODE, addr=0x20000, data=RET * 8, entsize=24), **{field: value})
                yield f"{field} {value:#x}, section of type {kind}", elf(DYN, [text(), odd, names], names=3), None
    for at in 24, 32, 40:
        yield f"{HUGE:#x} at {at} of the header", small[:at] + struct.pack("<Q", HUGE) + small[at + 8:], None

    lib = b"!<arch>\n" + member("x.o/", elf(OBJECT, [text()]))
    for _ in range(200):
        lib = b"!<arch>\n" + member("inner.a/", lib)
    yield "archives in archives", lib, False
    yield "an archive that is its own member", b"!<arch>\n" + member("self.a/", b"!<arch>\n"), False
    yield "a thin archive of itself", b"!<thin>\n" + member("//", b"bad.elf/\n") + member("/0", b"", 100), False
    yield ("a member that ends far away", b"!<arch>\n" + member("a.o/", small) + member("b.o/", b"", 9999999999), None)
    yield ("many members with one endless name", b"!<arch>\n" + member("//", b"a" * MILLION) +
           member("/0", b"") * (MILLION // 16), False)


def run(paths, out):
    """(status, stderr, processor seconds, MiB)"""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 1)
        os.dup2(os.open(out + ".err", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
        resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
        os.execv(prog("bb-disasm"), ["bb-disasm", "--threads", "1", *paths])
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), read(out + ".err").decode(), used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def records(out):
    return [b for m in readstream.members(read(out)) for b in m[2]]


def main():
    out, bad = os.path.join(T, "out"), os.path.join(T, "bad.elf")
    status, _, _, _ = run([GOOD], out)
    want = records(out)
    ok("bigtables/a good file", status == 0 and len(want) >= 12)
    n = wrong = 0
    for name, data, good in cases():
        write(bad, data)
        status, said, seconds, memory = run([bad, GOOD], out)
        lines = [l for l in said.splitlines() if bad in l]
        why = f"status {status}, {seconds:.2f} s, {memory:.0f} MiB, {said[:300]}"
        fine = status == 0 and seconds < 1 and memory < 512 and all(l.startswith(f"bb-disasm: {bad}") for l in lines)
        if fine:
            got = records(out) if os.path.getsize(out) < 1 << 22 else None
            fine = got is None or got[-len(want):] == want
            fine = fine and {True: not lines, False: len(lines) >= 1, None: len(lines) <= 1}[good]
            if got is not None and good:
                fine = fine and len(got) > len(want)
        if "-v" in sys.argv:
            print(f"    {name}: {why}")
        n += 1
        if not fine:
            wrong += 1
            ok(f"bigtables/{name}", False, why)
    ok(f"bigtables/{n} files with odd tables", not wrong, f"{wrong} are not handled well")


if __name__ == "__main__":
    main()
    sys.exit(done())
