"""quiz.py: the questions of bb-quiz have the right answers, worked out here by other means."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bbtest import FIX, done, ok, prog, run

ORIGIN = {"bin": "00" * 16, "file": "f", "fn": "0x1000", "name": "", "addr": "0x1000"}
REFS = {"insn": [], "kind": [], "target": [], "name": [], "names": []}


def records(stream):
    r = run([prog("bb-cat"), "-j"], stream)
    assert r.rc == 0, r
    return [json.loads(line) for line in r.out.decode().splitlines()]


def sequence(unit, *insns):
    """A stream of one record; insns are hexadecimal."""
    rec = {"unit": unit, "origin": ORIGIN, "labels": {"opt": "O2"}, "group": "", "arch": "x86-64",
           "code": "".join(insns), "len": [len(i) // 2 for i in insns], "pos": [], "marks": [], "refs": REFS,
           "exprs": [], "hashes": []}
    r = run([prog("bb-cat"), "--from-json", "sequence"], json.dumps(rec).encode() + b"\n")
    assert r.rc == 0, r
    return r.out


def quiz(stream, *args):
    r = run([prog("bb-quiz"), *args], stream)
    assert r.rc == 0, r
    return records(r.out)


# Code, the outputs it may be asked for ("" is a condition) and what each is, by its inputs.
M = 0xffffffff
EXECUTE = [
    # lea eax, [rdi + rsi]
    (["8d0437"], {"rax": lambda rdi, rsi: rdi + rsi & M}),
    # mov eax, [rbp - 180]; sub eax, 1: the paper's example
    (["8b854cffffff", "83e801"], {"rax": lambda m: m - 1 & M}),
    # mov rax, rdi; imul rax, rsi; and eax, 127
    (["4889f8", "480fafc6", "83e07f"], {"rax": lambda rdi, rsi: rdi * rsi & 127}),
    # movzx ecx, byte [rdx + 4 * rsi + 2]; xor ecx, edi
    (["0fb64cb202", "31f9"], {"rcx": lambda m, rdi: m ^ rdi}),
    # cmp edi, 50; jle
    (["83ff32", "7e10"], {"": lambda rdi: int(rdi <= 50)}),
    # xor edx, edx; mov eax, edi; mov ecx, 7; div ecx: quotient and remainder
    (["31d2", "89f8", "b907000000", "f7f1"], {"rax": lambda rdi: rdi // 7, "rdx": lambda rdi: rdi % 7}),
    # mov [rsp + 8], rdi; mov rax, [rsp + 8]; add rax, 3: through memory
    (["48897c2408", "488b442408", "4883c003"], {"rax": lambda rdi: rdi + 3}),
]


def test_execute():
    for insns, outputs in EXECUTE:
        stream, wrong, asked, seen = sequence("strand", *insns), [], set(), set()
        for seed in range(12):
            for q in quiz(stream, "-k", "execute", "-s", seed, "--each", "5"):
                inputs = {}
                for part in q["exprs"][0].split(" , "):
                    name, value = part.rsplit(" = ", 1)
                    inputs["m" if name.startswith("*") else name] = int(value)
                out = q["exprs"][1] if len(q["exprs"]) > 1 else ""
                asked.add(out)
                seen.add(str(inputs))
                try:
                    truth = outputs[out](**inputs)
                except (KeyError, TypeError) as e:
                    truth = repr(e)
                if str(truth) != q["labels"].get("answer") or not all(0 <= v <= 100 for v in inputs.values()):
                    wrong.append((q["exprs"], q["labels"], truth))
                if q["labels"].get("opt") != "O2":
                    wrong.append("labels")
        name = " ".join(insns)
        ok(f"quiz/execute {name}", not wrong and seen, wrong[:3] or "no question")
        # ecx = 7 has no inputs and is not asked for
        ok(f"quiz/execute {name} asks for everything", asked == set(outputs), asked)
        ok(f"quiz/execute {name} draws inputs", len(seen) > 10, len(seen))
    ok("quiz/execute nothing about a constant", quiz(sequence("strand", "b807000000"), "-k", "execute") == [])
    ok("quiz/execute nothing about large values", quiz(sequence("strand", "48f7d7"), "-k", "execute") == [])


def test_recover():
    # Three disjoint strands, interleaved: rax from rdi; rcx from rsi; a store of rdx + 1; and a nop.
    block = sequence("block", "4889f8", "4889f1", "90", "4883c001", "488d4905", "4883c201", "48891424")
    got = {"".join(map(str, q["marks"])) for seed in range(20)
           for q in quiz(block, "-k", "recover", "--strands", "3", "-s", seed)}
    ok("quiz/recover marks the strands", got == {"1002000", "0100200", "0000012"}, got)
    all3 = quiz(block, "-k", "recover", "--strands", "3", "--each", "9")
    ok("quiz/recover each strand once", len({tuple(q["marks"]) for q in all3}) == len(all3) == 3, all3)
    ok("quiz/recover wants enough strands", quiz(block, "-k", "recover", "--strands", "4") == [])
    r = run([prog("bb-quiz"), "-k", "recover"], sequence("strand", "4889f8"))
    ok("quiz/recover refuses strands", r.rc == 0 and "not a block" in r.err and records(r.out) == [], r)
    r = run([prog("bb-tok"), "-m", os.path.join(FIX, "vocab")],
            run([prog("bb-quiz"), "-k", "recover", "--strands", "3"], block).out)
    t = records(r.out)
    ok("quiz/recover marks reach the tokens, without the nop",
       len(t) == 1 and len(t[0]["marks"]) == len(t[0]["starts"]) == 6 and sorted(t[0]["marks"])[-1] == 2, t)


def test_sets():
    for kind, classes in (("opcode", 5), ("operand", 8)):
        with open(os.path.join(FIX, "blocks.bb"), "rb") as f:
            stream = f.read()
        q = quiz(stream, "-k", kind, "--sets", "200", "-s", "1")
        bad = []
        for i in range(0, len(q), 5):
            five = q[i:i + 5]
            odd = [x for x in five if x["labels"]["odd"] == "1"]
            rest = [x for x in five if x["labels"]["odd"] == "0"]
            if (len({x["group"] for x in five}) != 1 or len(odd) != 1 or len({x["code"] for x in five}) != 5
                    or len({x["labels"]["class"] for x in rest}) != 1
                    or odd[0]["labels"]["class"] == rest[0]["labels"]["class"]):
                bad.append(five)
        ok(f"quiz/{kind} sets are four and one", len(q) == 1000 and not bad, bad[:1])
        names = {x["labels"]["class"] for x in q}
        ok(f"quiz/{kind} has its classes", len(names) >= classes, names)
        places = {i % 5 for i, x in enumerate(q) if x["labels"]["odd"] == "1"}
        ok(f"quiz/{kind} the odd one is anywhere", len(places) == 5, places)
        ok(f"quiz/{kind} depends on the seed",
           q != quiz(stream, "-k", kind, "--sets", "200", "-s", "2") and
           q == quiz(stream, "-k", kind, "--sets", "200", "-s", "1"))


def vector(group, odd, vec):
    return {"unit": "instruction", "origin": ORIGIN, "labels": {"odd": odd}, "group": group, "insns": 1, "vec": vec}


def test_odd():
    recs = [vector("a", "0", [1, 0]), vector("a", "1", [0, 1]), vector("a", "0", [2, .1]),
            vector("b", "0", [1, 1]), vector("b", "0", [1, 1.1]), vector("b", "1", [1, 0.9]), vector("b", "0", [-1, 0])]
    r = run([prog("bb-cat"), "--from-json", "embedding"], "\n".join(map(json.dumps, recs)).encode())
    r = run([prog("bb-odd"), "--task", "test"], r.out)
    p = records(r.out)
    best = [x["classes"][x["scores"].index(max(x["scores"]))] for x in p]
    ok("odd/the farthest", best == ["1", "3"], p)
    ok("odd/the truth", [x["truth"] for x in p] == ["1", "2"] and p[0]["task"] == "test", p)
    ok("odd/scores are shares", all(abs(sum(x["scores"]) - 1) < 1e-6 for x in p), p)
    e = run([prog("bb-eval"), "-j"], r.out)
    ok("odd/bb-eval reads it", e.rc == 0 and json.loads(e.out)["accuracy"] == 0.5, e.out)


test_execute()
test_recover()
test_sets()
test_odd()
sys.exit(done())
