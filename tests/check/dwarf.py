"""dwarf.py: bb-disasm -g against addr2line: file, line and inlined function of each block, of programs
by both compilers in all forms of DWARF; separate debug files; damaged ones."""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readstream
from bbtest import LONG, TOP, crashed, done, ok, prog, read, run, tmpdir, write

T = tmpdir()
SOURCE = write(os.path.join(T, "x.c"), b"""
#include <stdlib.h>
#include <string.h>
struct list { struct list *next; int key; };
static inline int square(int x) { return x > 3 ? x * x : x + 1; }
static inline int twice(int x)
{
	if (x & 1)
		return square(x) + 2;
	return square(x + 1);
}
int sum(const struct list *l, int max)
{
	int s = 0;
	for (; l; l = l->next) {
		if (l->key > max)
			s += twice(l->key);
		else
			s -= square(max);
	}
	return s;
}
const char *name(int k)
{
	switch (k) {
	case 0: return "zero";
	case 1: return getenv("ONE");
	case 2: return strchr("two", 'w');
	case 3: abort();
	case 4: return strerror(k);
	default: return name(k - 5);
	}
}
int main(int argc, char **argv)
{
	struct list a = {NULL, argc}, b = {&a, (int)strlen(argv[0])};
	return sum(&b, 3) + (name(argc) != NULL);
}
""")


def at(name):
    return os.path.join(T, name)


def build(cc, out, *options):
    r = run([cc, "-w", *options, "-o", at(out), "x.c"], cwd=T)
    assert r.rc == 0, r
    return at(out)


def functions(*args):
    r = run([prog("bb-disasm"), *args])
    assert r.rc == 0, r
    j = run([prog("bb-cat"), "-j"], r.out)
    return [json.loads(l) for l in j.out.decode().splitlines()]


def blocks(f):
    """(address, file:line, inlined function) of each block; None for what is not known."""
    s, a, starts = f["source"], int(f["addr"], 16), []
    for n in f["len"]:
        starts.append(a)
        a += n
    for i, b in enumerate(f["blocks"]):
        file = s["bfile"][i] if s["bfile"] else 0
        name = s["binline"][i] if s["binline"] else 0
        yield starts[b], f"{s['files'][file - 1]}:{s['bline'][i]}" if file else None, s["inlined"][name - 1] if name else None


def peer(path, addresses, base):
    """Address to (file:line, innermost function, whether it is inlined), from addr2line."""
    r = run(["addr2line", "-a", "-f", "-i", "-e", path, *(["-j", ".text"] if base else [])],
            "".join(f"{a - base:#x}\n" for a in addresses).encode())
    out, lines = {}, r.out.decode().splitlines()
    at, frames = None, []
    for line in [*lines, "0x0"]:
        if line.startswith("0x"):
            if at is not None:
                out[at + base] = (frames[1].split(" ")[0], frames[0], len(frames) > 2)
            at, frames = int(line, 16), []
        else:
            frames.append(line)
    return out


def compare(name, path, base=0, args=(), truth=None, inlines=True):
    fs = [f for f in functions("-g", "--ignore-symbols", *args, path) if f["source"]["name"]]
    known = {f["source"]["name"] for f in fs}
    got = {a: (line, inlined, f["source"]["name"]) for f in fs for a, line, inlined in blocks(f)}
    want = peer(truth or path, got, base)
    wrong, same = [], 0
    for a, (line, function, inlined) in want.items():
        if line.endswith((":?", ":0")):
            continue
        mine = got[a]
        if os.path.normpath(line) == os.path.normpath(mine[0] or "-") and \
                (not inlines or mine[1] == (function if inlined else None) and (inlined or function == mine[2])):
            same += 1
        else:
            wrong.append(f"{a:#x}: {mine}, addr2line: {(line, function, inlined)}")
    ok(f"dwarf/{name}: as addr2line, {same} blocks", {"sum", "name", "main"} <= known and same > 15 and not wrong,
       "\n".join(wrong) or known)
    return fs


def test_lines():
    for cc, compiler in ("gcc-12", "gcc-12"), ("clang-14", "clang-14"):
        for level in "-O0", "-O2":
            told = {}
            for version in "4", "5":
                # addr2line of binutils 2.40 cannot read the ranges of inlined functions in clang's DWARF 5
                inlines = cc != "clang-14" or version == "4"
                fs = compare(f"{cc} {level} DWARF {version}", build(cc, "x", level, "-g", "-gdwarf-" + version), inlines=inlines)
                told[version] = [list(blocks(f)) for f in fs]
                ok(f"dwarf/{cc} {level} DWARF {version}: file of the declaration",
                   {os.path.basename(f["source"]["file"]) for f in fs} == {"x.c"}, fs[0]["source"])
                labels = {tuple(sorted(f["labels"].items())) for f in fs}
                want = {"compiler": compiler, **({"opt": level[1:]} if cc == "gcc-12" else {})}
                ok(f"dwarf/{cc} {level} DWARF {version}: labels", labels == {tuple(sorted(want.items()))}, labels)
            ok(f"dwarf/{cc} {level}: both versions of DWARF say the same", told["4"] == told["5"], told)
    fs = compare("compressed", build("gcc-12", "x", "-O2", "-g", "-gz"))
    ok("dwarf/declaration, unit, language, producer", all(
        f["source"]["unit"] == "x.c" and os.path.basename(f["source"]["file"]) == "x.c" and
        f["source"]["language"] == "C11" and f["source"]["producer"].startswith("GNU C17 12.") and
        read(SOURCE).decode().split("\n")[f["source"]["line"] - 1].find(f["source"]["name"] + "(") > 0 for f in fs), fs[0]["source"])
    ok("dwarf/names stay hidden", not any(f["name"] for f in fs))
    inlined = {f["source"]["name"]: f["source"]["inlined"] for f in fs}
    ok("dwarf/inlined functions", set(inlined["sum"]) == {"twice", "square"}, inlined)
    split = functions("-g", "--ignore-symbols", build("gcc-12", "x", "-O2", "-g", "-gsplit-dwarf"))
    ok("dwarf/split into .dwo: the same", [list(blocks(f)) for f in split if f["source"]["name"]] ==
       [list(blocks(f)) for f in fs], split)
    for options in (), ("-gz",), ("-ffunction-sections",):
        path = build("gcc-12", "x.o", "-c", "-O2", "-g", *options)
        if "-ffunction-sections" not in options:
            compare(" ".join(["object file", *options]), path, base=0x10000)
        else:  # a section for each function: addr2line would have to be asked for each of them
            fs = functions("-g", path)
            ok("dwarf/object file with many sections", len(fs) >= 3 and all(
                f["source"]["name"] == f["name"].split(".")[0] and all(line for _, line, _ in blocks(f)) for f in fs), fs)


def test_options():
    path = build("gcc-12", "x", "-O1", "-g")
    plain, asked = functions(path), functions("-g", path)
    ok("dwarf/only when asked for", all(not any(f["source"].values()) and not f["labels"] for f in plain))
    ok("dwarf/the code is the same", [{**f, "source": 0, "labels": 0} for f in plain] ==
       [{**f, "source": 0, "labels": 0} for f in asked])
    runs = [run([prog("bb-disasm"), "-g", "-t", t, path, path, path]).out for t in ("1", "2", "5")]
    ok("dwarf/any number of threads", runs[0] and runs[0] == runs[1] == runs[2])
    fs = functions("-g", "-l", "compiler=mine", "-l", "project=p", path)
    ok("dwarf/labels of the user win", {tuple(f["labels"].items()) for f in fs if f["source"]["name"]} ==
       {(("compiler", "mine"), ("opt", "O1"), ("project", "p"))}, fs[0]["labels"])
    r = run([prog("bb-disasm"), "-g", "--ignore-symbols", path])
    s = run([prog("bb-strands"), "-u", "function"], r.out)
    groups = {rec["group"] for m in readstream.members(s.out) for rec in m[1] if rec.get("group")}
    ok("dwarf/the truth is the group of hidden functions", {"sum", "name", "main"} <= groups, groups)
    bare = build("gcc-12", "bare", "-O1", "-g0")
    r = run([prog("bb-disasm"), "-g", bare])
    ok("dwarf/a file without is used, with a warning", r.rc == 0 and r.err.count("\n") == 1 and bare in r.err, r)
    r = run([prog("bb-disasm"), "-g", "-q", "--strict", bare])
    ok("dwarf/a file without is no error", r.rc == 0 and r.err == "", r)


def test_separate():
    path = build("gcc-12", "x", "-O2", "-g", "-Wl,--build-id=0x0123456789abcdef")
    folder = at("debug/.build-id/01")
    os.makedirs(folder)
    debug = os.path.join(folder, "23456789abcdef.debug")
    assert run(["objcopy", "--only-keep-debug", path, debug]).rc == 0
    assert run(["strip", "-o", at("stripped"), path]).rc == 0
    compare("separate file", at("stripped"), args=("--debug-dir", at("debug")), truth=path)
    fs = functions("-g", "--debug-dir", at("debug"), at("stripped"))
    ok("dwarf/a stripped file gets names", {"sum", "name", "main"} <= {f["name"] for f in fs})
    r = run([prog("bb-disasm"), "-g", "--debug-dir", at("nowhere"), at("stripped")])
    ok("dwarf/no separate file", r.rc == 0 and at("stripped") in r.err, r)
    build("gcc-12", "other", "-O2", "-g", "-Wl,--build-id=0xff23456789abcdef")
    assert run(["objcopy", "--only-keep-debug", at("other"), debug]).rc == 0
    fs = functions("-g", "-q", "--debug-dir", at("debug"), at("stripped"))
    ok("dwarf/a separate file of another build is not used", not any(f["source"]["name"] for f in fs))


def test_link():
    """.gnu_debuglink: a name and the checksum of the file, which is in one of three places."""
    path = build("gcc-12", "linked", "-O2", "-g", "-Wl,--build-id=none")
    debug, stripped = at("linked.debug"), at("place/stripped")
    os.makedirs(at("place/.debug"))
    os.makedirs(at("below") + os.path.realpath(at("place")))
    assert run(["objcopy", "--only-keep-debug", path, debug]).rc == 0
    assert run(["strip", f"-o{stripped}", path]).rc == 0
    assert run(["objcopy", f"--add-gnu-debuglink={debug}", stripped]).rc == 0
    data = read(debug)
    named = lambda: {f["name"] for f in functions("-g", "-q", "--debug-dir", at("below"), stripped)}
    ok("dwarf/a debug link that leads nowhere", "sum" not in named())
    for place in ("place", "place/.debug", "below" + os.path.realpath(at("place"))):
        there = write(os.path.join(T, place.lstrip("/")) + "/linked.debug", data)
        ok(f"dwarf/debug link: {place.split('/')[0]}", {"sum", "name", "main"} <= named(), place)
        write(there, data[:-1] + bytes([data[-1] ^ 1]))
        ok(f"dwarf/debug link: another checksum in {place.split('/')[0]}", "sum" not in named())
        os.unlink(there)


def test_provenance():
    """The folder counts where it is looked into."""
    path = build("gcc-12", "prov", "-O1", "-g")
    options = lambda *a: [m[0]["prov"][-1]["options"] for m in readstream.members(run([prog("bb-disasm"), *a, path]).out)]
    ok("dwarf/no folder in the provenance without -g", options() == options("--debug-dir", at("x")) == [[]])
    ok("dwarf/the folder in the provenance with -g", f"debug-dir={T}" in options("-g", "--debug-dir", T)[0])


def sections(data):
    """Offset and size of the sections of debugging information."""
    u = lambda at, n: int.from_bytes(data[at:at + n], "little")
    heads = [u(40, 8) + 64 * i for i in range(u(60, 2))]
    names = u(heads[u(62, 2)] + 24, 8)
    for h in heads:
        start = names + u(h, 4)
        if data[start:data.index(b"\0", start)].startswith(b".debug_"):
            yield u(h + 24, 8), u(h + 32, 8)


def test_damage():
    """Whatever is done to the debugging information: the same functions, and no harm to others."""
    n, rng = (4000 if LONG else 150), random.Random(5)
    originals = [read(build("gcc-12", "x", "-O2", "-g")), read(build("clang-14", "y", "-O2", "-g", "-gdwarf-4"))]
    places = [list(sections(d)) for d in originals]
    for start in range(0, n, 50):
        paths = []
        for i in range(start, start + 50):
            data, place = bytearray(originals[i % 2]), places[i % 2]
            for _ in range(rng.choice((1, 1, 2, 8, 64))):
                offset, size = rng.choice(place)
                at_ = offset + rng.randrange(size)
                if rng.random() < .2:
                    k = min(rng.choice((2, 4, 8)), offset + size - at_)
                    data[at_:at_ + k] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))[:k]
                else:
                    data[at_] = rng.choice((data[at_] ^ 1 << rng.randrange(8), rng.randrange(256)))
            paths.append(write(at(f"m{i - start}"), bytes(data)))
        clean = run([prog("bb-disasm"), "-q", *paths])
        want = [(r["name"], r["addr"], r["code"]) for m in readstream.members(clean.out) for r in m[1]]
        r = run([prog("bb-disasm"), "-g", *paths], timeout=300)
        got = [(x["name"], x["addr"], x["code"]) for m in readstream.members(r.out) for x in m[1]] if r.rc == 0 else None
        lines = [l for l in r.err.split("\n") if l]
        if not ok(f"dwarf/{len(paths)} damaged files from {start} on, {len(lines)} of them told of", not crashed(r) and got == want and
                  all(any(l.startswith(f"bb-disasm: {p}: ") for p in paths) for l in lines), r):
            break
        s = run([prog("bb-cat"), "-c"], r.out)
        ok("dwarf/what comes of them is valid", s.rc == 0, s)


if __name__ == "__main__":
    test_lines()
    test_options()
    test_separate()
    test_link()
    test_provenance()
    test_damage()
    sys.exit(done())
