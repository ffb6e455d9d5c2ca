"""names.py: bb-cat -C against c++filt: the names of a C++ library and all that they call."""
import glob
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import done, ok, prog, run


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


if __name__ == "__main__":
    test_demangle()
    sys.exit(done())
