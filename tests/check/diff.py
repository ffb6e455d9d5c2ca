"""diff.py: bb-diff on two versions of a program: what changed, what is gone, and which of both is in another."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import done, ok, prog, run, tmpdir, write

T = tmpdir()

# A field is copied without a look at the room for it: as CVE-2022-37434 of zlib. {0} is the fix.
SOURCE = """
#include <stdio.h>
#include <string.h>
struct head {{ unsigned char *extra; unsigned len, max, name[7]; long time; }};
struct state {{ struct head *head; unsigned length, mode, seen; unsigned long check; }};
int field(struct state *s, const unsigned char *from, unsigned copy)
{{
	if (s->length & 512 && s->head && s->head->extra) {{
		unsigned len = s->head->len - s->length;
		{0}
		memcpy(s->head->extra + len, from, len + copy > s->head->max ? s->head->max - len : copy);
	}}
	s->length -= copy;
	s->check = s->check * 31 + copy;
	return s->length != 0;
}}
int same(int *p, int n)
{{
	int sum = 0;
	for (int i = 0; i < n; i++)
		sum += p[i] * p[i] ^ i;
	return sum;
}}
void twice(const char *a, const char *b, int *n)
{{
	puts(a);
	n[0] = n[1] * 7 + n[2];
	puts(b);
	n[3] = n[4] << 3;
	n[5] = n[6] ^ n[7];
	n[8] &= 15;
}}
{1}
"""
FIX = "if (len >= s->head->max) return 7;"
OLD = "int gone(double *d, int n) { d[n + 4] = d[n] * d[n + 1]; return printf(\"%f\", d[2]); }"
NEW = "long added(long *p) { p[6] = p[5] % 11; p[3] ^= p[9] + 77; return p[1] - p[2]; }"


def build(name, fix, last, compiler="gcc", level="-O2", strip=False):
    out = os.path.join(T, name)
    source = write(out + ".c", SOURCE.format(fix, last).encode())
    r = run([compiler, level, "-w", "-fPIC", "-shared", "-g0", *(["-s"] if strip else []), "-o", out, source])
    assert r.rc == 0, r
    return out


def shapes(*paths, options=()):
    out = b""
    for argv in (["bb-disasm", *options, *paths], ["bb-strands"], ["bb-sym"], ["bb-join", "--shape"]):
        r = run([prog(argv[0]), *argv[1:]], out)
        assert r.rc == 0, r
        out = r.out
    return write(os.path.join(T, "shapes-" + "-".join(map(os.path.basename, paths))[:80] + "".join(options)), out)


def diff(*args, rc=0):
    r = run([prog("bb-diff"), *args])
    assert r.rc == rc, r
    return r.out.decode()


def rows(*args):
    return [json.loads(line) for line in diff("-j", *args).splitlines()]


def test_changes():
    a, b = build("a.so", "", OLD), build("b.so", FIX, NEW)
    old, new = shapes(a), shapes(b)
    found = rows("--from", old, new)
    status = {(r["old"]["name"] if "old" in r else r["new"]["name"]): r["status"] for r in found[:-1]}
    ok("diff/status", status == {"field": "changed", "gone": "gone", "added": "new"}, status)
    same = found[-1]["same"]
    ok("diff/counts", same >= 2 and found[-1] == {"same": same, "changed": 1, "gone": 1, "new": 1}, found[-1])
    field = next(r for r in found if r.get("status") == "changed")
    ok("diff/why", any("* ( v0 add 12 )" in e for e in field["added"]) and 0 < field["score"] < 1, field)
    both = next(r for r in rows("--from", old, "-s", new) if r.get("status") == "changed")
    expressions = {e for r in rows("--from", old, "-s", "-a", old) if r.get("old", {}).get("name") == "field"
                   for e in r["shared"]}
    ok("diff/shared", both["shared"] and set(both["shared"]) | set(both["removed"]) == expressions and
       not set(both["shared"]) & set(both["added"]) and "\n    = " in diff("--from", old, "-s", new), (both, expressions))
    ok("diff/shared in", run([prog("bb-diff"), "-s", "--from", old, "--in", old, new]).rc == 2)
    ok("diff/itself", rows("--from", old, old) == [dict(same=same + 2, changed=0, gone=0, new=0)])
    origin = {"bin": "00" * 16, "file": "f", "fn": "0x1000", "name": "", "addr": "0x1000"}
    rec = {"unit": "function", "origin": origin, "labels": {}, "group": "", "arch": "x86-64", "code": "", "len": [],
           "pos": [], "marks": [], "refs": {"insn": [], "kind": [], "target": [], "name": [], "names": []},
           "exprs": [], "hashes": [], "insns": 5}
    empty = write(os.path.join(T, "empty"), run([prog("bb-cat"), "--from-json", "sequence"], json.dumps(rec).encode()).out)
    ok("diff/functions that compute nothing", rows("--from", empty, empty) == [dict(same=1, changed=0, gone=0, new=0)])
    text = diff("--from", old, new)
    ok("diff/text", f"{same} same, 1 changed, 1 gone, 1 new\n" in text and "\n    + " in text and
       "changed  " in text and "field a.so:0x" in text and " -> field b.so:0x" in text, text)
    lines = diff("--from", old, "-n", "1", new)
    ok("diff/lines", "    + ..." in lines and len(lines) < len(text), lines)
    ok("diff/all", diff("--from", old, "-a", new).count("\nsame ") + 1 >= same)
    ok("diff/min-insns", rows("--from", old, "--min-insns", "100000", new) == [dict(same=0, changed=0, gone=0, new=0)])
    # The same without names: partners are found by what they compute.
    x, y = (shapes(f, options=["--ignore-symbols"]) for f in (a, b))
    at = {r["new"]["fn"]: r["old"]["fn"] for r in rows("--from", x, "-a", y) if "new" in r and "old" in r}
    named = {r["new"]["fn"]: r["old"]["fn"] for r in rows("--from", old, "-a", new)
             if "new" in r and "old" in r and r["old"]["name"] in ("field", "same", "twice")}
    ok("diff/stripped", len(named) == 3 and named.items() <= at.items(), (named, at))


def test_which():
    """One compiler left out, each of the others taught both versions."""
    builds = [("gcc", "-O1"), ("gcc", "-O2"), ("gcc", "-Os"), ("gcc", "-O3")]
    old = [shapes(build(f"o{i}.so", "", "", *b)) for i, b in enumerate(builds)]
    new = [shapes(build(f"n{i}.so", FIX, "", *b)) for i, b in enumerate(builds)]
    targets = [shapes(build("t-old.so", "", OLD, "clang-14", "-O1", True)),
               shapes(build("t-new.so", FIX, NEW, "clang-14", "-O1", True)),
               shapes(os.path.join(T, "a.so"), os.path.join(T, "b.so"))]
    none = write(os.path.join(T, "none.c"), b"#include <math.h>\ndouble f(double *x) { return x[0] * x[1] + x[7]; }\n")
    r = run(["gcc", "-shared", "-fPIC", "-s", "-o", none[:-2] + ".so", none])
    assert r.rc == 0, r
    args = [a for f in old for a in ("--from", f)] + [a for f in targets for a in ("--in", f)]
    found = rows(*args, "--in", shapes(none[:-2] + ".so"), *new)
    ok("diff/which functions", [r["function"]["name"] for r in found[:-1]] == ["field"], found)
    ok("diff/which counts", found[-1]["changed"] == 1 and found[-1]["functions"] >= 3, found[-1])
    told = {f["in"]["file"]: f["verdict"] for f in found[0]["found"]}
    ok("diff/which", told == {"t-old.so": "old", "t-new.so": "new", "a.so": "old", "b.so": "new"}, found[0]["found"])
    ok("diff/which not there", found[0]["not_there"] == ["none.so"], found[0]["not_there"])
    ok("diff/which builds", found[0]["old_builds"] == found[0]["new_builds"] == 4, found[0])
    text = diff(*args, *new)
    ok("diff/which min-score", "not there t-new.so" in diff("--min-score", "0.9", *args, *new))
    ok("diff/which text", "\n  new      field t-new.so:0x" in text and "\n  old      field t-old.so:0x" in text, text)


def test_wrong():
    old = shapes(os.path.join(T, "a.so"))
    ok("diff/no old build", "--from" in run([prog("bb-diff"), old]).err)
    for args in (["--from", "-"], ["--from", old, "--in", "-", "-"], ["--from", old, "--min-score", "-1", old]):
        r = run([prog("bb-diff"), *args])
        ok("diff/usage " + " ".join(a[-5:] for a in args), r.rc == 2 and not r.out, r)
    strands = run([prog("bb-strands")], run([prog("bb-disasm"), os.path.join(T, "a.so")]).out).out
    r = run([prog("bb-diff"), "--from", old], strands)
    plain = run([prog("bb-join")], run([prog("bb-sym")], strands).out).out
    p = run([prog("bb-diff"), "--from", old], plain)
    ok("diff/without --shape", p.rc == 1 and "--shape" in p.err and not p.out, p)
    ok("diff/strands", r.rc == 1 and "bb-join" in r.err and not r.out, r)


if __name__ == "__main__":
    test_changes()
    test_which()
    test_wrong()
    sys.exit(done())
