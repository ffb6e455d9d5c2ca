"""traced.py: micro-traces through bb-vocab, bb-tok and bb-uniq: each number has its value, each register the one its
trace says, on whatever token it is."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, done, ok, prog, run, tmpdir, write

T = tmpdir()
ORIGIN = {"bin": "00" * 16, "file": "f", "fn": "0x1000", "name": "", "addr": "0x1000"}
REFS = {"insn": [], "kind": [], "target": [], "name": [], "names": []}

# Code of each processor, and its words: %x is a register, a number follows its word.
CODE = {
    "x86-64": (["55", "4889e5", "83ec10", "90", "8b45fc", "c3"], "push %rbp  mov %rbp %rsp  sub %esp num=16  mov %eax [ %rbp num=-4  ret"),
    "i386": (["8b442404", "c1e003", "c3"], "mov %eax [ %esp num=4  shl %eax num=3  ret"),
    "aarch64": (["fd7bbfa9", "20d862b8", "c0035fd6"],
                "stp %x29 %x30 [ %sp num=-16 !  ldr %w0 [ %x1 %w2 sxtw num=2  ret"),
    "arm": (["04e02de5", "023181e0", "1eff2fe1"], "str %lr [ %sp num=-4 !  add %r3 %r1 %r2 lsl num=2  bx %lr"),
    "thumb": (["8918", "7047"], "adds %r1 %r1 %r2  bx %lr"),
    "mips": (["8fa40010", "3402ffff", "03e00008", "00000000"],
             "lw %$a0 num=16 ( %$sp  ori %$v0 $zero num=65535  jr %$ra"),
    "mipsel": (["1000a48f"], "lw %$a0 num=16 ( %$sp"),
}
M = (1 << 64) - 1


def sequence(arch, insns, values=None, number=1):
    return {"unit": "function", "origin": ORIGIN, "labels": {}, "group": arch, "arch": arch, "code": "".join(insns),
            "len": [len(i) // 2 for i in insns], "pos": [], "marks": [], "refs": REFS, "exprs": [], "hashes": [],
            "insns": 0, "run": number if values is not None else 0, "values": [hex(v) for v in values or []]}


def stream(*recs):
    r = run([prog("bb-cat"), "--from-json", "sequence"], "".join(json.dumps(r) + "\n" for r in recs).encode())
    assert r.rc == 0, r
    return r.out


def records(data):
    r = run([prog("bb-cat"), "-j"], data)
    assert r.rc == 0, r
    return [json.loads(line) for line in r.out.decode().splitlines()]


def values_of(words, start):
    """A value for each register of the text, none like another."""
    return [start + 257 * i for i in range(words.count("%"))]


def tok(data, *args):
    return run([prog("bb-tok"), *args], data)


def pieces(rec, vocab):
    """Words and values: [(word, value or None)] of each instruction."""
    value = dict(zip(rec["vat"], (int(v, 16) for v in rec["values"])))
    out = []
    for at, i in enumerate(rec["ids"]):
        if at in rec["starts"]:
            out.append([])
        if vocab[i].startswith("##"):
            word, v = out[-1].pop()
            out[-1].append((word + vocab[i][2:], v))
            assert at not in value, "a value in the middle of a word"
        else:
            out[-1].append((vocab[i], value.get(at)))
    return out


def wanted(words, values):
    """The same, from the text above."""
    values = iter(values) if values else None
    out = []
    for insn in words.split("  "):
        out.append([])
        for w in insn.split():
            if w.startswith("%"):
                out[-1].append((w[1:], next(values) if values else None))
            elif w.startswith("num="):
                out[-1].append(("num", int(w[4:]) & M))
            else:
                out[-1].append((w, None))
    return out


def main():
    traced = [sequence(a, c, values_of(t, 0x1234567800 + n)) for n, (a, (c, t)) in enumerate(CODE.items())]
    plain = [sequence(a, c) for a, (c, _) in CODE.items()]
    small, large = os.path.join(T, "small"), os.path.join(T, "large")
    r = run([prog("bb-vocab"), "-n", "256", "-o", small], stream(*traced))
    ok("traced/vocabulary", r.rc == 0, r)
    r = run([prog("bb-vocab"), "-n", "4096", "-o", large], stream(*(traced * 2)))
    with open(os.path.join(large, "tokenizer_config.json")) as f:
        ok("traced/a vocabulary says so", r.rc == 0 and json.load(f).get("bb_reads") == "traced", r)

    for name, path in (("small", small), ("large", large)):  # words in pieces, and whole
        with open(os.path.join(path, "vocab.txt")) as f:
            vocab = f.read().splitlines()
        r = tok(stream(*traced), "-m", path)
        for n, rec in enumerate(records(r.out)):
            words = CODE[rec["arch"]][1]
            got = pieces(rec, vocab)
            ok(f"traced/{name}/{rec['arch']}", got == wanted(words, values_of(words, 0x1234567800 + n)), (got, words))
        ok(f"traced/{name}/all", r.rc == 0 and n + 1 == len(CODE), r)
        r = tok(stream(*plain), "-m", path)
        for rec in records(r.out):
            ok(f"traced/{name}/{rec['arch']} without a trace", pieces(rec, vocab) == wanted(CODE[rec["arch"]][1], None), rec)

    # What is cut has no values.
    whole = records(tok(stream(*traced), "-m", large).out)[0]
    for length in range(8, 30):
        rec = records(tok(stream(traced[0]), "-m", large, "-L", length).out)[0]
        n = min(length - 2, len(whole["ids"]))
        k = sum(at < n for at in whole["vat"])
        ok(f"traced/cut to {length}", rec["ids"] == whole["ids"][:n] and rec["vat"] == whole["vat"][:k] and
           rec["values"] == whole["values"][:k] and rec["cut"] == len(whole["ids"]) - n, rec)
    for n in range(1, 6):
        rec = records(tok(stream(traced[0]), "-m", large, "--max-insns", n).out)[0]
        ok(f"traced/first {n} instructions", len(rec["starts"]) == n and rec["ids"] == whole["ids"][:len(rec["ids"])] and
           rec["values"] == whole["values"][:len(rec["vat"])], rec)

    # A trace of other code.
    for change in ([], traced[0]["values"][:-1], traced[0]["values"] + ["0x1"]):
        bad = dict(traced[0], values=change)
        r = tok(stream(bad, traced[1]), "-m", large)
        ok(f"traced/{len(change)} values", r.rc == 0 and len(records(r.out)) == 1 and
           f"{len(change)} values, its text {len(traced[0]['values'])} registers" in r.err, r)
        ok(f"traced/{len(change)} values, strict", tok(stream(bad), "-m", large, "--strict").rc == 1)

    # Text, with the values or without.
    for style, recs, want in (("traced", traced, lambda t: t.replace("%", "")),
                              ("values", plain, lambda t: t.replace("%", ""))):
        lines = tok(stream(*recs), "--text", style).out.decode().splitlines()
        for (arch, (_, t)), line in zip(CODE.items(), lines):
            t = want(t)
            if style == "traced":
                t = " ".join(w.split("=")[0] for w in t.split(" "))
            else:
                t = " ".join(f"num={int(w[4:]) & M:x}" if w.startswith("num=") else w for w in t.split(" "))
            ok(f"traced/--text {style}/{arch}", line == t, (line, t))
    line = tok(stream(traced[0]), "--text", "values").out.decode()
    ok("traced/--text values of a trace", line.startswith("push rbp=1234567800  mov rbp=1234567901 rsp=1234567a02  "), line)

    said = [run([prog("bb-cat"), "-t"], x).out.decode().splitlines()[0] for x in
            (stream(traced[0]), stream(plain[0]), tok(stream(traced[0]), "-m", large).out)]
    ok("traced/bb-cat -t", said[0].endswith(" run 1, 6 values") and " run " not in said[1] and said[2].endswith(", 8 values"), said)

    # What does not go together.
    r = run([prog("bb-vocab"), "-o", os.path.join(T, "mixed")], stream(traced[0], plain[1]))
    ok("traced/vocabulary of both", r.rc == 1 and "with and without a trace" in r.err and
       not os.path.exists(os.path.join(T, "mixed", "vocab.txt")), r)
    r = run([prog("bb-vocab"), "-o", os.path.join(T, "x.txt")], stream(*traced))
    ok("traced/vocabulary without a folder", r.rc == 1 and "-o DIR" in r.err and not os.path.exists(os.path.join(T, "x.txt")), r)
    r = tok(None, "-m", large, os.path.join(FIX, "shapes.bb"))
    ok("traced/expressions", r.rc == 0 and not records(r.out) and "micro-traces" in r.err, r)
    a = records(tok(stream(traced[0]), "-m", os.path.join(FIX, "vocab")).out)
    b = records(tok(stream(plain[0]), "-m", os.path.join(FIX, "vocab")).out)
    ok("traced/a vocabulary of code leaves traces out", a == b and not a[0]["vat"] and not a[0]["arch"], (a, b))

    # Another run is another content, but the same code.
    again = sequence("x86-64", CODE["x86-64"][0], values_of(CODE["x86-64"][1], 5), 2)
    for how, n in (("content", 3), ("code", 2), ("record", 4)):
        other = dict(traced[0], group="another")
        data = stream(traced[0], again, other, traced[1])
        ok(f"traced/uniq --by {how}", len(records(run([prog("bb-uniq"), "-b", how], data).out)) == n, how)
        made = tok(data, "-m", large).out
        ok(f"traced/uniq --by {how} of tokens", len(records(run([prog("bb-uniq"), "-b", how], made).out)) == n, how)
    # The format's own rules.
    for kind, rec, change, why in (("sequence", traced[0], {"run": 0}, "of no run"),
                                   ("sequence", traced[0], {"code": "", "len": [], "values": []}, "no code"),
                                   ("tokens", whole, {"vat": [999], "values": ["0x1"]}, "out of range"),
                                   ("tokens", whole, {"vat": [1, 0], "values": ["0x1"] * 2}, "order"),
                                   ("tokens", whole, {"vat": [0], "values": ["0x1"] * 2}, "different lengths"),
                                   ("tokens", whole, {"arch": ""}, "no architecture")):
        r = run([prog("bb-cat"), "--strict", "--from-json", kind], json.dumps(dict(rec, **change)).encode())
        ok(f"traced/{kind}: {why}", r.rc == 1 and why in r.err, r)


def pipe():
    """What bb-trace writes, to vectors: no record is lost, and bb-join takes the runs of a function together."""
    fseq, trex = os.path.join(FIX, "fseq.bb"), os.path.join(FIX, "trex")
    functions = int(run([prog("bb-cat"), "-c", fseq]).out)
    data = run([prog("bb-trace"), "-n", "3", fseq]).out
    r = tok(data, "-m", trex)
    ok("traced/pipe: each run has tokens", len(records(r.out)) == 3 * functions and "registers" not in r.err, r)
    vectors = run([prog("bb-embed"), "-m", trex], r.out).out
    runs, joined = records(vectors), records(run([prog("bb-join")], vectors).out)
    far = max(abs(sum(r["vec"][i] for r in runs[3 * n:3 * n + 3]) / 3 - x)
              for n, j in enumerate(joined) for i, x in enumerate(j["vec"]))
    ok("traced/pipe: runs are joined to their mean", len(joined) == functions and far < 1e-5, (len(joined), far))
    ok("traced/pipe: runs differ", sum(a["vec"] != b["vec"] for a, b in zip(runs[::3], runs[1::3])) > functions / 2)
    one = records(run([prog("bb-uniq"), "-b", "code"], data).out)
    ok("traced/pipe: bb-uniq --by code keeps first runs", one and all(r["run"] == 1 for r in one), one[:1])


if __name__ == "__main__":
    main()
    pipe()
    sys.exit(done())
