"""badcode.py: code no compiler makes: blocks of 64 KiB, prefixes of all kinds, bytes that are no
instructions, expressions that explode. bb-strands and bb-sym take it in bounded time and memory, and
count what they leave out. (tests/fuzz/strands.c runs such bytes with sanitizers.)"""
import json
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bbtest import crashed, done, ok, prog, run

BLOCK = 64 << 10
MEMORY = 1 << 30
ORIGIN = {"bin": "00" * 16, "file": "f", "fn": "0x1000", "name": "", "addr": "0x1000"}


def stream(kind, rec):
    r = run([prog("bb-cat"), "--from-json", kind], json.dumps(rec).encode() + b"\n")
    assert r.rc == 0, r
    return r.out


def function(insns):
    return stream("function", {"bin": "00" * 16, "file": "f", "arch": "x86-64", "addr": "0x1000", "name": "f",
                               "code": b"".join(insns).hex(), "len": [len(i) for i in insns], "blocks": [0],
                               "exits": [0], "jumps": []})


def sequence(insns, unit):
    return stream("sequence", {"unit": unit, "origin": ORIGIN, "arch": "x86-64", "code": b"".join(insns).hex(),
                               "len": [len(i) for i in insns]})


def records(data):
    r = run([prog("bb-cat"), "-j"], data)
    assert r.rc == 0, r
    return [json.loads(line) for line in r.out.decode().splitlines()]


def check(name, insns, dropped=None):
    """Through bb-strands and bb-sym, and as one block through bb-sym."""
    strands = run([prog("bb-strands")], function(insns), timeout=300, memory=MEMORY)
    ok(f"badcode/{name}: strands", strands.rc == 0 and not crashed(strands), crashed(strands) or strands)
    if strands.rc:
        return
    for rec in records(strands.out):
        if not (rec["pos"] == sorted(set(rec["pos"])) and rec["pos"][-1] < len(insns)):
            ok(f"badcode/{name}: indices", False, rec["pos"])
    for what, data in ("strands", strands.out), ("block", sequence(insns, "block")):
        r = run([prog("bb-sym"), "--no-memo"], data, timeout=300, memory=MEMORY)
        why = crashed(r) or r
        ok(f"badcode/{name}: expressions of the {what}", r.rc == 0 and not crashed(r), why)
        if dropped is not None and r.rc == 0:
            said = "left out" in r.err
            ok(f"badcode/{name}: {what}: says that expressions were left out", said == dropped, r.err)
            ok(f"badcode/{name}: {what}: none is long", all(len(e) < 64000 for s in records(r.out) for e in s["exprs"]))


def fill(insns):
    """The instructions again and again, 64 KiB of them."""
    return insns * (BLOCK // sum(map(len, insns)))


def decodable(chunks):
    """Bytes as the function they would be in: each one that starts no instruction is one on its own."""
    return [c[i:i + 15] for c in chunks for i in range(0, len(c), 15)]


H = bytes.fromhex
# mov rax, [rax + rax]; imul rax, rbx; add rbx, rax: a tree that doubles at every step
check("expressions double", fill([H("488b0400"), H("480fafc3"), H("4801c3")]), dropped=True)
# xor rax, [rdi]; add rdi, 8: as many addresses as there are instructions
check("a long chain", fill([H("483307"), H("4883c708")]), dropped=True)
# push rax; pop rcx; nop: 64 KiB that is nothing
check("nothing", fill([H("50"), H("59"), H("90")]), dropped=False)
# pcmpestri, cpuid and others without a meaning, after one another
check("no meaning", fill([H("660f3a61c100"), H("0fa2"), H("0f01d0")]))

rng = random.Random(1)
prefixes = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x3e, 0x26, 0x64, 0x65, *range(0x40, 0x50)]
some = []
for _ in range(2000):
    some.append(bytes(rng.choice(prefixes) for _ in range(rng.randrange(1, 12))) +
                rng.choice([H("01d8"), H("8b0418"), H("0fb6c0"), H("a4"), H("ab"), H("90"), H("c3"), H("0f6fc1"), H("")]))
check("prefixes upon prefixes", decodable(some))
noise = [rng.randbytes(rng.randrange(1, 16)) for _ in range(BLOCK // 8)]
check("noise", noise)
sys.exit(done())
