#!/usr/bin/env python3
"""semantics: what instructions do, according to bb, against Unicorn (QEMU) and angr's VEX.

	tests/peers/semantics.py [--unicorn N] [--vex N] [--strands N] [-s SEED] [ELF...]

Different encodings of instructions from compiled programs run in random states of registers, flags
and memory (sem_dump.c): all registers, the flags bb says are defined, and memory must agree. Not
compared: branches and calls, x87, operands relative to rip or a segment, what the peer cannot run.
Then strands of several instructions run symbolically in angr, for the time this takes beside that of
bb-sym without its memo (processor time).
A difference is explained where the table EXPLAINED knows it by the mnemonic; any other fails.
"""
import argparse, collections, json, os, random, resource, subprocess, sys, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
O = os.environ.get("O", os.path.join(TOP, "build"))
BB = os.environ.get("BB", os.path.join(O, "bin"))
WINDOW, SIZE, PC = 0x20000000, 0x100000, 0x10000000
GPR = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
FLAG = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "of": 11}
# Mnemonic: in what the peer may differ, and why.
BT = ({"zf"}, "bit tests leave ZF alone, says the manual, and so does the processor; VEX clears it")
CARRY = ({"cf", "of"}, "angr's carry of 64-bit products; the processor agrees with bb (unit/native)")
NAN = ({"*"}, "the processor's own NaN and integer for what has no result; angr's floating point has others")
EXPLAINED = {
    "unicorn": {},
    "vex": {"bt": BT, "bts": BT, "btr": BT, "btc": BT, "mul": CARRY, "imul": CARRY, "sqrtsd": NAN,
            "sqrtss": NAN, "cvttsd2si": NAN, "cvttss2si": NAN, "cvtsd2si": NAN, "cvtss2si": NAN},
}

ap = argparse.ArgumentParser()
ap.add_argument("--unicorn", type=int, default=100_000, metavar="N", help="instructions to compare")
ap.add_argument("--vex", type=int, default=100_000, metavar="N")
ap.add_argument("--strands", type=int, default=300, metavar="N")
ap.add_argument("-s", type=int, default=1, metavar="SEED")
ap.add_argument("elf", nargs="*", default=["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/git",
                                           "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                           "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"])
a = ap.parse_args()


def build(folder):
    exe = os.path.join(folder, "sem_dump")
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-I" + TOP,
                    "-I" + os.path.join(TOP, "libcommon"), os.path.join(TOP, "tests/peers/sem_dump.c"),
                    os.path.join(O, "libbb.a"), "-Wl,--as-needed", "-lcapstone", "-lz3", "-lxxhash",
                    "-lbsd", "-lm", "-o", exe], check=True)
    return exe


def records(command):
    elf = [e for e in a.elf if os.path.exists(e)]
    pipe = f'{BB}/bb-disasm -q "$@" | {command} | {BB}/bb-cat -q -j'
    p = subprocess.Popen(["bash", "-o", "pipefail", "-c", pipe, "bash", *elf], stdout=subprocess.PIPE)
    for line in p.stdout:
        yield json.loads(line)
    if p.wait():
        sys.exit("cannot read the programs")


def shuffled(found):
    found = list(found)
    random.Random(a.s).shuffle(found)
    return found


def encodings():
    """Different instructions of the programs, in a random order that the seed decides."""
    found = {}
    for r in records(f"{BB}/bb-strands -q -u block | {BB}/bb-uniq -q"):
        at = 0
        for n in r["len"]:
            found[r["code"][2 * at:2 * (at + n)]] = True
            at += n
    return shuffled(found)


def strands():
    """Strands of several instructions without what no peer follows: branches, names of addresses."""
    found = {}
    for r in records(f"{BB}/bb-strands -q --min-insns 2 | {BB}/bb-uniq -q"):
        if "refs" not in r or not r["refs"].get("insn"):
            found[r["code"]] = r["len"]
    return found


def fill(addr, n):
    return bytes(((x * 0x9e3779b1) & 0xffffffff) >> 24 for x in range(addr, addr + n))


class Case:
    """A line of sem_dump."""

    def __init__(self, code, line):
        self.code, self.before, self.after, self.open = bytes.fromhex(code), {}, {}, set()
        self.reads, self.writes = [], {}
        t = iter(line.split())
        for what in t:
            if what == "open":
                self.open.add(next(t))
            elif what == "read":
                self.reads.append((int(next(t), 16), int(next(t), 16)))
            elif what == "write":
                at, data = int(next(t), 16), bytes.fromhex(next(t))
                self.writes.update((at + i, b) for i, b in enumerate(data))
            else:
                name = next(t)
                (self.before if what == "in" else self.after)[name] = int(next(t), 16)

    def flags(self):
        return sum(self.before[f] << b for f, b in FLAG.items())

    def differences(self, got, memory):
        """got: registers and flags by name; memory: of the addresses of self.writes."""
        for name, v in got.items():
            want = self.after.get(name, self.before[name])
            if name not in self.open and v != want:
                yield name, f"{name} is {want:x}, the peer says {v:x}"
        for at, b in self.writes.items():
            if memory[at] != b:
                yield "memory", f"memory at {at:x} is {b:x}, the peer says {memory[at]:x}"


class Unicorn:
    name = "unicorn"

    def __init__(self):
        import unicorn
        from unicorn import x86_const as x
        self.u, self.Error = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64), unicorn.UcError
        self.u.mem_map(PC, 0x1000)
        self.u.mem_map(WINDOW, SIZE)
        self.u.mem_write(WINDOW, fill(WINDOW, SIZE))
        self.regs = {n: getattr(x, "UC_X86_REG_" + n.upper()) for n in GPR}
        self.vecs = {f"v{i}": getattr(x, f"UC_X86_REG_XMM{i}") for i in range(16)}
        self.eflags = x.UC_X86_REG_EFLAGS

    def run(self, c):
        """Registers and memory afterwards, or None if the peer cannot run it."""
        u = self.u
        if c.code[0] in (0xc4, 0xc5, 0x62):
            return None  # no AVX
        u.mem_write(PC, c.code)
        for n, r in {**self.regs, **self.vecs}.items():
            u.reg_write(r, c.before[n])
        u.reg_write(self.eflags, c.flags() | 0x202)
        try:
            u.emu_start(PC, PC + len(c.code), count=1)
        except self.Error:
            return None
        got = {n: u.reg_read(r) for n, r in {**self.regs, **self.vecs}.items()}
        f = u.reg_read(self.eflags)
        got.update((n, f >> b & 1) for n, b in FLAG.items())
        memory = {at: u.mem_read(at, 1)[0] for at in c.writes}
        for at in c.writes:
            u.mem_write(at, fill(at, 1))
        return got, memory


class Vex:
    name = "vex"

    def __init__(self):
        import logging
        logging.disable(logging.CRITICAL)
        import angr
        self.p = angr.load_shellcode(b"\x90", "amd64", load_address=PC)
        self.ccall = angr.engines.vex.claripy.ccall
        self.base = self.p.factory.blank_state(addr=PC, add_options={
            angr.options.ZERO_FILL_UNCONSTRAINED_MEMORY, angr.options.ZERO_FILL_UNCONSTRAINED_REGISTERS})
        self.angr = angr

    def symbolic(self, code, n):
        """Seconds that angr takes to execute n instructions with symbols for all registers."""
        s = self.p.factory.blank_state(addr=PC, add_options={self.angr.options.SYMBOLIC_WRITE_ADDRESSES})
        start = time.process_time()
        try:
            self.p.factory.successors(s, insn_bytes=code, num_inst=n)
        except Exception:
            pass
        return time.process_time() - start

    def run(self, c):
        s = self.base.copy()
        for n in GPR:
            setattr(s.regs, n, c.before[n])
        for i in range(16):
            setattr(s.regs, f"ymm{i}", c.before[f"v{i}"])
        s.regs.cc_op, s.regs.cc_dep1, s.regs.cc_dep2, s.regs.cc_ndep = 0, c.flags(), 0, 0
        s.regs.d = 1
        for at, n in c.reads:
            s.memory.store(at, fill(at, n))
        for at in c.writes:
            s.memory.store(at, fill(at, 1))
        try:
            t = self.p.factory.successors(s, insn_bytes=c.code, num_inst=1).flat_successors
            if len(t) != 1 or t[0].history.jumpkind != "Ijk_Boring":
                return None
            t = t[0]
            got = {n: getattr(t.regs, n).concrete_value for n in GPR}
            got.update((f"v{i}", getattr(t.regs, f"ymm{i}").concrete_value) for i in range(16))
            f = self.ccall.amd64g_calculate_rflags_all(t, t.regs.cc_op, t.regs.cc_dep1, t.regs.cc_dep2,
                                                       t.regs.cc_ndep).concrete_value
            got.update((n, f >> b & 1) for n, b in FLAG.items())
            memory = {at: t.memory.load(at, 1).concrete_value for at in c.writes}
        except Exception:  # angr has many ways not to know an instruction
            return None
        return got, memory


def mnemonic(code):
    r = {"unit": "block", "origin": {"bin": "00" * 16, "file": "a", "fn": "0x0", "name": "", "addr": "0x0"},
         "arch": "x86-64", "code": code.hex(), "len": [len(code)]}
    s = subprocess.run([f"{BB}/bb-cat", "-q", "--from-json", "sequence"], input=json.dumps(r).encode() + b"\n",
                       stdout=subprocess.PIPE).stdout
    t = subprocess.run([f"{BB}/bb-cat", "-q", "-t"], input=s, stdout=subprocess.PIPE).stdout.decode()
    return t.strip().split("\n")[-1].strip()


def speed(vex, found, n):
    """angr's time for each strand beside bb-sym's."""
    some = shuffled(found)[:n]
    theirs = sum(vex.symbolic(bytes.fromhex(c), len(found[c])) for c in some) / len(some)
    lines = "".join(json.dumps({"unit": "strand", "origin": {"bin": "00" * 16, "file": "a", "fn": "0x0", "name": "",
                                                             "addr": "0x0"}, "arch": "x86-64", "code": c,
                                "len": found[c]}) + "\n" for c in found)
    s = subprocess.run([f"{BB}/bb-cat", "-q", "--from-json", "sequence"], input=lines.encode(),
                       stdout=subprocess.PIPE, check=True).stdout
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([f"{BB}/bb-sym", "-q", "-t1", "--no-memo"], input=s, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(found)
    print(f"symbolic execution of a strand: angr {1e6 * theirs:.0f} us ({len(some)} strands), bb-sym --no-memo "
          f"{1e6 * ours:.2f} us ({len(found)} strands): {theirs / ours:.0f} times as fast")


def compare(peer, dump, codes, n):
    """The number of unexplained differences."""
    p = subprocess.Popen([dump, str(a.s)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    done, cannot, why, bad, explained, opens = 0, 0, collections.Counter(), [], collections.Counter(), 0
    for code in codes:
        if done == n:
            break
        p.stdin.write(code + "\n")
        p.stdin.flush()
        line = p.stdout.readline()
        if line.startswith("no "):
            why[line[3:].strip()] += 1
            continue
        c = Case(code, line)
        result = peer.run(c)
        if result is None:
            cannot += 1
            continue
        done += 1
        opens += bool(c.open)
        diffs = list(c.differences(*result))
        if diffs:
            text = mnemonic(c.code)
            known = [w for w in text.split() if w in EXPLAINED[peer.name]]
            may = EXPLAINED[peer.name][known[0]][0] if known else set()
            if "*" in may or {name for name, _ in diffs} <= may:
                explained[known[0]] += 1
            else:
                bad.append((code, text, [d for _, d in diffs]))
    p.stdin.close()
    p.wait()
    print(f"{peer.name}: {done} instructions compared ({opens} with undefined results in part), "
          f"{cannot} the peer cannot run, left out: {dict(why)}")
    for m, k in explained.most_common():
        print(f"  {k} differences explained: {m}: {EXPLAINED[peer.name][m][1]}")
    for code, text, diffs in bad[:40]:
        print(f"  {code} {text}: " + "; ".join(diffs[:3]))
    print(("FAILED" if bad else "ok    "), f"{peer.name}: {len(bad)} unexplained differences")
    return len(bad)


with tempfile.TemporaryDirectory() as t:
    exe, codes = build(t), encodings()
    print(f"{len(codes)} different instructions")
    failed = 0
    if a.unicorn:
        failed += compare(Unicorn(), exe, codes, a.unicorn)
    if a.vex:
        failed += compare(Vex(), exe, codes, a.vex)
    if a.strands:
        speed(Vex(), strands(), a.strands)
    sys.exit(failed != 0)
