"""names.py: names of what is called, through all that linkers put between; bb-cat -C against c++filt."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import done, ok, prog, run, tmpdir, write


T = tmpdir()


def at(name):
    return os.path.join(T, name)


def build(out, source, *options):
    r = run(["gcc", "-w", "-O1", *options, "-o", at(out), write(at("x.c"), source.encode())])
    assert r.rc == 0, r
    return at(out)


def refers(path, *options):
    """Function to the names of each kind of reference it has: {"main": {"call": {...}, "import": {...}, ...}}."""
    kinds = ("", "call", "import", "jump", "data", "code", "slot")
    out = {}
    for line in run([prog("bb-cat"), "-j"], run([prog("bb-disasm"), *options, path]).out).out.splitlines():
        f = json.loads(line)
        r, mine = f["refs"], {k: set() for k in kinds}
        for kind, name in zip(r["kind"], r["name"]):
            mine[kinds[kind]].add(r["names"][name - 1] if name else "")
        out[f["name"] or f["addr"]] = {**mine, "thunk": f["thunk"], "addr": f["addr"]}
    return out


CALLS = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int plain(int x) { return x + 1; }
static int (*choose(void))(int) { return plain; }
int chosen(int) __attribute__((ifunc("choose")));
int (*volatile pointer)(int) = chosen;
int main(int argc, char **argv)
{
	char *p = getenv(argv[0]);
	puts(p ? p : "none");
	if (argc > 9)
		abort();
	return chosen(argc) + pointer(argc);
}
"""


def test_linking():
    """Imports and indirect functions, by all ways to link, with symbols and without."""
    imports = {"getenv", "puts", "abort"}
    for options in (["-fPIE", "-pie"], ["-fPIE", "-pie", "-fno-plt"], ["-fno-pie", "-no-pie"], ["-fno-pie", "-no-pie", "-fno-plt"],
                    ["-fPIE", "-pie", "-fcf-protection=full", "-Wl,-z,now"], ["-fPIC", "-shared"], ["-fPIC", "-shared", "-fno-plt"]):
        path = build("x", CALLS, *options)
        name = " ".join(options)
        fs = refers(path)
        ok(f"names/{name}: imports", fs["main"]["import"] == imports, fs["main"])
        ok(f"names/{name}: an indirect function", "chosen" in fs["main"]["call"], fs["main"])
        assert run(["strip", "-o", at("bare"), path]).rc == 0
        bare = [f for f in refers(at("bare")).values() if f["addr"] == fs["main"]["addr"]]
        ok(f"names/{name}: imports of the stripped file", bare and bare[0]["import"] == imports, bare)
    for options in (["-static", "-no-pie", "-fno-pie"], ["-static-pie", "-fPIE"], ["-static-pie", "-fPIE", "-fno-plt"]):
        fs = refers(build("x", CALLS, *options))
        name = " ".join(options)
        ok(f"names/{name}: calls", imports <= {n.lstrip("_").removeprefix("IO_") for n in fs["main"]["call"]} and
           not fs["main"]["import"], fs["main"])
        ok(f"names/{name}: an indirect function", "chosen" in fs["main"]["call"], fs["main"])
        # the C library's own calls of memcpy and the like go through slots that a resolver fills
        ok(f"names/{name}: indirect functions of the C library", any({"memcpy", "strlen", "strchr"} & {
            n.lstrip("_") for n in f["call"]} for f in fs.values()), len(fs))


KERNEL = """
extern int _printk(const char *, ...), register_it(void *), unregister_it(void *);
extern void *kmalloc_it(unsigned long) __attribute__((noinline));
static int state;
struct operations { int (*open)(void *); int (*close)(void *); const char *name; };
static int my_open(void *p) { state++; _printk("open %p", p); return state > 3 ? -16 : 0; }
static int my_close(void *p) { state--; return 0; }
static struct operations operations = { my_open, my_close, "mine" };
__attribute__((section(".init.text"))) int init_module(void)
{
	if (!kmalloc_it(64))
		return -12;
	return register_it(&operations);
}
__attribute__((section(".exit.text"))) void cleanup_module(void) { unregister_it(&operations); _printk("bye"); }
"""


def test_module():
    """What kernel modules are: relocatable files of several, with code in many sections."""
    flags = ["-c", "-mcmodel=kernel", "-fno-pie", "-ffreestanding", "-mno-red-zone", "-ffunction-sections", "-fno-asynchronous-unwind-tables"]
    one = build("one.o", KERNEL, *flags)
    two = build("two.o", "extern int _printk(const char *, ...);\nint helper(int x) { return _printk(\"%d\", x); }\n", *flags)
    assert run(["ld", "-r", "-o", at("mod.ko"), one, two]).rc == 0
    fs = refers(at("mod.ko"))
    ok("names/module: functions", {"my_open", "my_close", "init_module", "cleanup_module", "helper"} == set(fs), set(fs))
    ok("names/module: calls of the kernel", fs["init_module"]["import"] == {"kmalloc_it", "register_it"} and
       fs["cleanup_module"]["import"] == {"_printk", "unregister_it"} and
       fs["my_open"]["import"] == {"_printk"} and fs["helper"]["import"] == {"_printk"}, fs)
    ok("names/module: data", {"operations"} == fs["cleanup_module"]["data"] - {""} and "state" in fs["my_open"]["data"], fs)


def test_archive():
    """Members call each other as in the program they are linked into: the calls are no imports."""
    options = ["-c", "-O1", "-fno-pie"]
    one = build("one.o", "#include <stdio.h>\nint two(int); int three(int);\n"
                "int one(int x) { puts(\"one\"); return two(x) + three(x); }\n", *options)
    two = build("two.o", "int one(int);\nint two(int x) { return one(x - 1); }\n", *options)
    assert run(["ar", "rcs", at("lib.a"), one, two]).rc == 0
    fs = refers(at("lib.a"))
    ok("names/archive: calls of other members", fs["one"]["call"] == {"two"} and fs["two"]["call"] == {"one"}, fs)
    ok("names/archive: calls of other files", fs["one"]["import"] == {"puts", "three"}, fs)
    assert run(["ar", "rcS", at("bare.a"), one, two]).rc == 0
    for path in one, at("bare.a"):
        ok(f"names/{os.path.basename(path)}: all calls by name", refers(path)["one"]["import"] == {"puts", "two", "three"})


def test_versions():
    write(at("map"), b"V1 { global: twice; local: *; };\nV2 { global: twice; other; } V1;\n")
    path = build("x", """
__asm__(".symver twice_1, twice@V1\\n.symver twice_2, twice@@V2");
int twice_1(int x) { return x * 2; }
int twice_2(int x) { return x << 1; }
int other(int x) { return twice_2(x) + 1; }
""", "-fPIC", "-shared", "-fno-inline", "-Wl,--version-script=" + at("map"))
    for options in [], ["--ignore-symbols"]:
        fs = refers(path, *options)
        ok(f"names/versions are left out {' '.join(options)}", {"other"} <= set(fs) and
           not any("@" in n for f in fs.values() for k in ("call", "import", "data", "code", "slot") for n in f[k]) and
           not any("@" in n for n in fs), set(fs))
    fs = refers(build("x", CALLS, "-fPIE", "-pie"))
    ok("names/versions of imports are left out", not any("@" in n for f in fs.values() for n in f["import"] | f["data"]))


def names(records):
    for r in records:
        yield r["name"]
        yield r["thunk"]
        yield from r["refs"]["names"]


def test_demangle():
    library = glob.glob("/usr/lib/*/libstdc++.so.6")[0]  # z3 needs it
    stream = run([prog("bb-disasm"), library]).out
    linkage, plain = ([n for n in names(map(json.loads, run([prog("bb-cat"), *options], stream).out.splitlines())) if n]
                      for options in (["-j"], ["-j", "-C"]))
    peer = run(["c++filt", "-i"], "\n".join(linkage).encode()).out.decode().split("\n")
    wrong = [f"{l}: {p}, c++filt: {q}" for l, p, q in zip(linkage, plain, peer) if p != q]
    ok(f"names/{sum(l != p for l, p in zip(linkage, plain))} names of C++ as c++filt",
       len(linkage) == len(plain) > 10000 and not wrong, "\n".join(wrong[:5]) or len(linkage))
    text = run([prog("bb-cat"), "-t", "-C"], stream).out.decode()
    ok("names/in text", "std::__throw_bad_alloc()" in text and "_ZSt17__throw_bad_allocv" not in text)
    ok("names/streams keep linkage names", run([prog("bb-cat"), "-C"], stream).rc == 2)


def test_long():
    """A name of 256 KiB called from 10,000 functions: cut in each record, told apart from what is not cut."""
    name = "n" * (256 << 10)
    lines = [".text", f".globl {name}", f".type {name}, @function", f"{name}: .Lhere: ret", f".size {name}, .-{name}"]
    for k in range(10000):
        lines += [f".globl f{k}", f".type f{k}, @function", f"f{k}: call .Lhere", "ret", f".size f{k}, .-f{k}"]
    source, out = write(at("long.s"), "\n".join(lines + [""]).encode()), at("long.so")
    assert run(["gcc", "-shared", "-nostdlib", "-Wl,-Bsymbolic", "-o", out, source]).rc == 0
    r = run([prog("bb-disasm"), out])
    ok("names/a long name called from many functions: little comes of it", r.rc == 0 and
       len(r.out) < os.path.getsize(out), (r.rc, len(r.out), os.path.getsize(out)))
    first = [json.loads(l) for l in run([prog("bb-cat"), "-j", "-n", "2"], r.out).out.splitlines()]
    cut = "n" * 4093 + "..."
    ok("names/a long name is cut where bb-function(5) says", first[0]["name"] == cut and
       first[1]["refs"]["names"] == [cut], first[0]["name"][-10:])


if __name__ == "__main__":
    test_long()
    test_demangle()
    test_linking()
    test_module()
    test_archive()
    test_versions()
    sys.exit(done())
