"""strands.py: bb-strands and bb-sym on functions written by hand: units, references, groups, calls,
bytes that do not decode; and on the small corpus: the memo changes nothing, the code is understood."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, done, ok, prog, read, run

# mov rax, [rbp - 168]; mov eax, [rax + 24]; test al, 2; jne | mov esi, imm; mov rdi, [rbp];
# call fprintf | pop rbx; jmp exit
CODE = [["488b8558ffffff", "8b4018", "a802", "7510"], ["be04204000", "488b7d00", "e800000000"],
        ["5b", "e900000000"]]
FPRINTF, EXIT = 6, 8  # instructions with a reference
COND = "0 Concat * ( * ( rbp add -168 ) add 24 ) [1:1] ne 0"
CALL = "fprintf ( * ( rbp ) , 4202500 )"


def function(blocks, refs=(), **more):
    code = [i for b in blocks for i in b]
    starts = [sum(len(b) for b in blocks[:k]) for k in range(len(blocks))]
    names = [name for _, _, name in refs]
    f = {"bin": "00" * 16, "file": "a.o", "labels": {}, "arch": "x86-64", "addr": "0x1000", "name": "f",
         "code": "".join(code), "len": [len(i) // 2 for i in code], "blocks": starts,
         "exits": [1] * (len(blocks) - 1) + [0],
         "refs": {"insn": [i for i, _, _ in refs], "kind": [k for _, k, _ in refs],
                  "target": ["0x0"] * len(names), "name": [k + 1 for k in range(len(names))], "names": names}}
    f.update(more)
    return f


EXAMPLE = function(CODE, [(FPRINTF, 2, "fprintf"), (EXIT, 2, "exit")])


def stream(functions):
    text = "".join(json.dumps(f) + "\n" for f in functions).encode()
    r = run([prog("bb-cat"), "--from-json", "function"], text)
    assert r.rc == 0, r
    return r.out


def pipe(functions, strands=(), sym=()):
    """The records after bb-strands with these options and, unless sym is None, bb-sym."""
    r = run([prog("bb-strands"), *strands], stream(functions))
    if r.rc == 0 and sym is not None:
        r = run([prog("bb-sym"), *sym], r.out)
    if r.rc:
        return r
    return [json.loads(line) for line in run([prog("bb-cat"), "-j"], r.out).out.splitlines()]


def test_units():
    got = pipe([EXAMPLE])
    ok("strands/the strands of Table 1", [s["exprs"] for s in got] ==
       [[COND], [CALL], ["rbx = * ( rsp )"], ["exit ( )"]], [s["exprs"] for s in got])
    ok("strands/bytes and place of each instruction", [(s["code"], s["pos"]) for s in got] ==
       [("".join(CODE[0]), [0, 1, 2, 3]), ("".join(CODE[1]), [0, 1, 2]), ("5b", [0]), ("e900000000", [1])], got)
    ok("strands/references by instruction of the strand",
       [(s["refs"]["insn"], s["refs"]["names"]) for s in got] ==
       [([], []), ([2], ["fprintf"]), ([], []), ([0], ["exit"])], got)
    ok("strands/origin", [s["origin"]["addr"] for s in got] == ["0x1000", "0x100e", "0x101c", "0x101c"], got)
    got = pipe([EXAMPLE], ["-u", "block"])
    ok("strands/blocks", [s["exprs"] for s in got] == [[COND], [CALL], ["rbx = * ( rsp )", "exit ( )"]] and
       [s["code"] for s in got] == ["".join(b) for b in CODE], got)
    got = pipe([EXAMPLE], ["-u", "function"])
    ok("strands/functions have no expressions", len(got) == 1 and got[0]["exprs"] == [] and
       got[0]["refs"]["insn"] == [FPRINTF, EXIT], got)
    got = pipe([EXAMPLE], ["-u", "function", "--max-insns", "7"])
    ok("strands/--max-insns", got[0]["len"] == [7, 3, 2, 2, 5, 4, 5] and got[0]["refs"]["insn"] == [FPRINTF], got)
    ok("strands/--min-insns", [len(s["len"]) for s in pipe([EXAMPLE], ["--min-insns", "2"])] == [4, 3])


def test_groups():
    named = function(CODE, labels={"project": "zlib", "opt": "O2"})
    stripped = function(CODE, name="")
    def groups(f, *options):
        return {s["group"] for s in pipe([f], options)}
    ok("strands/group of a function", groups(named, "-u", "function") == {"zlib:f"})
    ok("strands/group without a project", groups(EXAMPLE, "-u", "function") == {"f"})
    ok("strands/group without a name", groups(stripped, "-u", "function") == {""})
    ok("strands/group of strands", groups(named) == {""})
    ok("strands/--group", groups(named, "--group", "{file} {opt}/{name}@{fn}{none}") == {"a.o O2/f@0x1000"})
    ok("strands/--group by unit", groups(named, "-u", "block", "--group", "{addr}") == {"0x1000", "0x100e", "0x101c"})
    known = function(CODE, source={"name": "g", "file": "/src/b.c", "line": 3, "unit": "/src/b.c", "language": "C11",
                                   "producer": "cc", "files": ["b.c", "/inc/b.h"], "bfile": [1, 2, 0],
                                   "bline": [4, 9, 0], "binline": [], "inlined": []})
    ok("strands/--group by source", groups(known, "--group", "{source}") == {"g@b.c"})
    ok("strands/--group by line", groups(known, "-u", "block", "--group", "{source} {line}") ==
       {"g@b.c b.c:4", "g@b.c b.h:9", ""})
    ok("strands/--group by line of strands", groups(known, "--group", "{line}") == {"b.c:4", "b.h:9", ""})
    ok("strands/--group by line of a function", groups(known, "-u", "function", "--group", "{line}") == {"b.c:4"})
    ok("strands/--group by unknown source", groups(named, "--group", "{name} {source}") == {""} ==
       groups(named, "--group", "{line}"))
    for bad in ("{name", "{}", "{a{b}"):
        ok(f"strands/--group {bad}", run([prog("bb-strands"), "--group", bad], b"").rc == 2)
    ok("strands/--max-insns with strands", run([prog("bb-strands"), "--max-insns", "5"], b"").rc == 2)


def test_odd():
    thunk = function([["ff2500000000"]], [(0, 2, "puts")], thunk="puts")
    for unit in ("strand", "block", "function"):
        ok(f"strands/no thunks as {unit}", pipe([thunk], ["-u", unit]) == [])
    ok("strands/--thunks", [s["exprs"] for s in pipe([thunk], ["--thunks"])] == [["puts ( )"]])
    # mov eax, 1; (bad); mov ecx, eax: data among the code
    odd = function([["b801000000", "06", "89c1"]])
    ok("strands/bytes that do not decode cut a block", [s["exprs"] for s in pipe([odd])] ==
       [["rax = 1"], ["rcx = 0 Concat eax"]])
    ok("strands/the same in a block", [s["exprs"] for s in pipe([odd], ["-u", "block"])] ==
       [["rax = 1", "rcx = 0 Concat eax"]])
    other = function(CODE, arch="pdp-11")
    r = run([prog("bb-strands")], stream([other, EXAMPLE]))
    ok("strands/another architecture is skipped", r.rc == 0 and "a.o: no semantics for its architecture: 1 record" in r.err, r)
    ok("strands/and counted", b'"skipped":1' in run([prog("bb-cat"), "-H", "-j"], r.out).out.replace(b" ", b""),
       run([prog("bb-cat"), "-H", "-j"], r.out).out)
    ok("strands/--strict", run([prog("bb-strands"), "--strict"], stream([other])).rc == 1)
    bad = {"unit": "strand", "origin": {"bin": "00" * 16, "file": "a", "fn": "0x0", "name": "", "addr": "0x0"},
           "arch": "x86-64", "code": "06", "len": [1]}
    r = run([prog("bb-cat"), "--from-json", "sequence"], json.dumps(bad).encode() + b"\n")
    r = run([prog("bb-sym")], r.out)
    ok("strands/a strand that does not decode is skipped", r.rc == 0 and "decode" in r.err, r)


def test_prove():
    # lea rax, [rdi + rsi]; with carries apart: rax = (rdi ^ rsi) + 2 * (rdi & rsi)
    codes = [["488d0437"], ["4889f8", "4831f0", "4889f9", "4821f1", "488d0448"], ["488d0477"]]
    plain = pipe([function([c]) for c in codes])
    rax = [[(e, h) for e, h in zip(s["exprs"], s["hashes"]) if e.startswith("rax")][0] for s in plain]
    ok("strands/forms that rewriting leaves apart", len(set(rax)) == 3, rax)
    proved = pipe([function([c]) for c in codes], sym=["--prove"])
    forms = [[(e, h) for e, h in zip(s["exprs"], s["hashes"]) if e.startswith("rax")][0] for s in proved]
    ok("strands/--prove", forms == [rax[0], rax[0], rax[2]], forms)
    timid = pipe([function([c]) for c in codes], sym=["--prove", "--rlimit", "1"])
    ok("strands/--rlimit", timid == plain, timid)
    r = run([prog("bb-sym"), "--prove", "-v", os.path.join(FIX, "strands.bb")])
    again = run([prog("bb-sym"), "--prove", "-t", "2", "--no-memo", os.path.join(FIX, "strands.bb")])
    ok("strands/--prove: the same bytes again", r.rc == 0 and r.out == again.out and "proved equal" in r.err, r)


def test_eval():
    def values(code, given):
        return [e for s in pipe([function([code])], ["-u", "block"], sym=["--eval", given]) for e in s["exprs"]]
    # imul rdi, rsi; lea rax, [rdi + 4*rsi - 1]; mov ecx, [rdi + rdx]
    code = ["480faffe", "488d44b7ff", "8b0c17"]
    got = values(code, "rdi=6,rsi=-7,rdx=0x103a,*0x1010=5,*0x1012=-2")  # the load is at 0x1010
    ok("strands/--eval", got == ["rax = -71", "rcx = 4294836229"], got)
    ok("strands/--eval: the rest stays", values(code, "rsi=8") ==
       ["rax = 31 add ( 8 mul rdi )", "rcx = 0 Concat * ( rdx add ( 8 mul rdi ) )"],
       values(code, "rsi=8"))
    test = ["4839f7", "7702"]  # cmp rdi, rsi; ja
    ok("strands/--eval of conditions", [values(test, f"rdi={k},rsi=5") for k in (4, 6)] == [["0 ne 0"], ["1 ne 0"]],
       [values(test, f"rdi={k},rsi=5") for k in (4, 6)])
    for bad in ("", "rdi", "rdi=", "rdi=5,", "rdi=5x", "dil=5", "?=5", "*=1", "*5", "*5=", "rdi=18446744073709551616", "=1"):
        ok(f"strands/--eval '{bad}'", run([prog("bb-sym"), "--eval", bad], b"").rc == 2)
    ok("strands/--eval with --prove", run([prog("bb-sym"), "--prove", "--eval", "rdi=1"], b"").rc == 2)


def test_architectures():
    def arm(file, name="f"):
        # ldr r0, [pc, #-4]; bx lr; a word that is no code
        f = function([["04001fe5", "1eff2fe1"], ["01", "02", "03", "04"]], arch="arm", file=file, name=name)
        return f
    files = [arm("b.o"), arm("b.o", "g"), arm("b.o", "h"), EXAMPLE, arm("c.o")]
    lines = ["b.o: no semantics for its architecture: 3 records", "c.o: no semantics for its architecture: 1 record"]
    for threads in "1", "2":
        r = run([prog("bb-strands"), "-t", threads], stream(files))
        got = [l.split(": ", 1)[1] for l in r.err.splitlines() if "semantics" in l]
        ok(f"strands/a line for each file without semantics, {threads} threads", r.rc == 0 and got == lines, r)
    r = run([prog("bb-strands"), "--strict"], stream(files))
    ok("strands/--strict: no semantics is an error", r.rc == 1 and lines[0][:30] in r.err, r)
    r = run([prog("bb-strands"), "-u", "block"], stream(files))
    r = run([prog("bb-sym")], r.out)
    got = [l.split(": ", 1)[1] for l in r.err.splitlines() if "semantics" in l]
    ok("strands/bb-sym: a line for each file without semantics", r.rc == 0 and got == lines, r)
    r = run([prog("bb-strands"), "-u", "block"], stream([arm("b.o")]))
    got = [json.loads(line)["len"] for line in run([prog("bb-cat"), "-j"], r.out).out.splitlines()]
    ok("strands/data between code are no block", got == [[4, 4]], got)


def test_across():
    """One function, compiled for two processors, computes the same."""
    # cmp dword ptr [rdi + 8], 9; ja | mov [rdi], rsi; mov edi, 5; call puts | movzx eax, byte ptr [rdi + rsi]; ret
    x86 = function([["837f0809", "7710"], ["488937", "bf05000000", "e800000000"], ["0fb60437", "c3"]],
                   [(4, 2, "puts")])
    # ldr w2, [x0, 8]; cmp w2, 9; b.hi | str x1, [x0]; mov w0, 5; bl puts | ldrb w0, [x0, x1]; ret
    a64 = function([["020840b9", "5f240071", "48000054"], ["010000f9", "a0008052", "00000094"],
                    ["00686138", "c0035fd6"]], [(5, 2, "puts")], arch="aarch64")
    # ldr r2, [r0, 8]; cmp r2, 9; bhi | str r1, [r0]; movs r0, 5; bl puts | ldrb r0, [r0, r1]; bx lr
    thumb = function([["8268", "092a", "03d8"], ["0160", "0520", "00f000f8"], ["405c", "7047"]],
                     [(5, 2, "puts")], arch="thumb")
    sets = []
    # cmp dword ptr [edi + 8], 9; ja | mov [edi], esi; push 5; call puts | movzx eax, byte ptr [edi + esi]; ret
    i386 = function([["837f0809", "7710"], ["8937", "6a05", "e800000000"], ["0fb60437", "c3"]], [(4, 2, "puts")],
                    arch="i386")
    for functions in [x86], [a64], [i386], [thumb]:
        r = run([prog("bb-sym")], run([prog("bb-strands")], stream(functions)).out)
        r = run([prog("bb-join"), "--shape"], r.out)
        sets += [json.loads(line) for line in run([prog("bb-cat"), "-j"], r.out).out.splitlines()]
    want = sorted(["* ( v0 add 8 ) ugt 9", "* ( v0 ) = v1", "puts ( 5 )", "0 Concat * ( v0 add v1 )"])
    ok("strands/equal shapes across processors", [sorted(s["exprs"]) for s in sets] == [want] * 4 and
       [s["arch"] for s in sets] == ["x86-64", "aarch64", "i386", "thumb"], sets)
    both = run([prog("bb-sym")], run([prog("bb-strands"), "-t", "1"], stream([x86, a64, x86])).out)
    got = [json.loads(line)["exprs"] for line in run([prog("bb-cat"), "-j"], both.out).out.splitlines()]
    ok("strands/processors by turns", len(got) == 12 and got[:4] == got[8:] and got[4] == ["* ( x0 add 8 ) ugt 9"], got)
    last = run([prog("bb-sym"), "--coverage"], run([prog("bb-strands"), "-u", "block"], stream([x86, a64])).out).out.decode()
    ok("strands/--coverage of two processors", "instructions 15  without semantics 0" in last, last)
    got = [e for s in pipe([a64], ["-u", "block"], sym=["--eval", "x0=8,*16=12"]) for e in s["exprs"]]
    ok("strands/--eval of AArch64", got[0] == "1 ne 0", got)
    got = [e for s in pipe([i386], ["-u", "block"], sym=["--eval", "edi=8,*16=12"]) for e in s["exprs"]]
    ok("strands/--eval of i386", got[0] == "1 ne 0", got)
    # cmp r0, 3; itte hi; movhi r1, 4; addhi r1, r2; movls r1, r0; str r1, [r3]
    code = function([["0328", "86bf", "0421", "8918", "0146", "1960"]], arch="thumb")
    got = pipe([code])
    ok("strands/an it block is kept together", [s["exprs"] for s in got] == [
        ["* ( r3 ) = ite ( r0 ult 4 , r0 , 4 add r2 )"]], got)


def test_got():
    """References of 32-bit code say where operands relative to the GOT are, or what an immediate is."""
    # lea eax, [ebx - 8] | mov eax, [ebx - 12] | mov eax, [ebx + ecx*4 - 16] | mov dword ptr [esi], 0x8049000
    # | mov eax, [ecx + 0x8049000] | mov eax, [ecx*4 + 0x8049000] | mov eax, gs:[20]
    code = [["8d43f8"], ["8b43f4"], ["8b448bf0"], ["c70600900408"], ["8b8100900408"], ["8b048d00900408"],
            ["65a114000000"]]
    f = function(code, [(0, 4, "a"), (1, 6, "b"), (2, 4, "c"), (3, 4, "d"), (4, 4, "e"), (5, 4, "f")], arch="i386")
    f["refs"]["target"] = ["0x804a000", "0x804b000", "0x804c000"] + ["0x8049000"] * 3
    got = [e for s in pipe([f], ["-u", "block"]) for e in s["exprs"]]
    ok("strands/relative to the GOT", got == ["eax = 134520832", "eax = 134524928", "eax = * ( ( 4 mul ecx ) add 134529024 )",
                                              "* ( esi ) = 134516736", "eax = * ( ecx add 134516736 )",
                                              "eax = * ( ( 4 mul ecx ) add 134516736 )", "eax = * ( gs add 20 )"], got)


def test_corpus():
    blocks = run([prog("bb-strands"), "-u", "block", os.path.join(FIX, "functions.bb")])
    for name, data in (("strands", read(os.path.join(FIX, "strands.bb"))), ("blocks", blocks.out)):
        with_memo = run([prog("bb-sym")], data)
        without = run([prog("bb-sym"), "--no-memo", "-t", "1"], data)
        ok(f"strands/{name}: the memo changes nothing", with_memo.rc == 0 and len(with_memo.out) > 1000 and
           with_memo.out == without.out, (with_memo, without))
    r = run([prog("bb-sym"), "--coverage"], blocks.out)
    last = r.out.decode().strip().rsplit("\n", 1)[-1]
    share = float(last.split("covered ")[1].split("%")[0]) if "covered " in last else 0
    ok("strands/the corpus is understood", r.rc == 0 and share >= 99.5, r.out.decode())


if __name__ == "__main__":
    test_units()
    test_groups()
    test_odd()
    test_prove()
    test_eval()
    test_architectures()
    test_across()
    test_got()
    test_corpus()
    sys.exit(done())
