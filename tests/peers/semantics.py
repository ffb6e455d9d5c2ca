#!/usr/bin/env python3
"""semantics: what instructions do, according to bb, against Unicorn (QEMU) and angr's VEX.

	tests/peers/semantics.py [--unicorn N] [--vex N] [--strands N] [-s SEED] [ELF...]

Different encodings of instructions from compiled programs run in random states of registers, flags
and memory (sem_dump.c): all registers, the flags bb says are defined, and memory must agree. Not
compared: branches and calls, x87, AVX-512, operands of a segment, what the peer cannot run.
Then strands of several instructions run in angr, in random states for the values, and once more with
symbols in all registers for the time (of the processor) this takes beside that of bb-sym without its
memo.
A difference is explained where the table EXPLAINED knows it by the mnemonic; any other fails.
"""
import argparse, collections, json, os, random, resource, subprocess, sys, tempfile, time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
O = os.environ.get("O", os.path.join(TOP, "build"))
BB = os.environ.get("BB", os.path.join(O, "bin"))
WINDOW, SIZE, PC = 0x20000000, 0x100000, 0x10000000
VALGRIND = "/usr/lib/x86_64-linux-gnu/valgrind"
GPR = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
FLAG = {"cf": 0, "pf": 2, "af": 4, "zf": 6, "sf": 7, "of": 11}
# Mnemonic: in what the peer may differ, and why.
SPILL = ({"below"}, "VEX keeps the register in memory, below the stack pointer and its red zone")
BT = ({"zf"}, "bit tests leave ZF alone, say the manual, the processor and VEX of today; pyvex's clears it")
REP = ({"rcx", "rdi", "rsi", "memory"}, "the meaning of rep is one step of its loop; angr runs all")
EXPLAINED = {
    "unicorn": {},
    "angr": {"bt": BT, "bts": BT, "btr": BT, "btc": BT, "rep": REP},
    "vex": {"bt": SPILL, "bts": SPILL, "btr": SPILL, "btc": SPILL},
}

ap = argparse.ArgumentParser()
ap.add_argument("--unicorn", type=int, default=100_000, metavar="N", help="instructions to compare")
ap.add_argument("--vex", type=int, default=100_000, metavar="N")
ap.add_argument("--strands", type=int, default=1000, metavar="N")
ap.add_argument("-s", type=int, default=1, metavar="SEED")
ap.add_argument("elf", nargs="*", default=["/usr/bin/perl", "/usr/bin/bash", "/usr/bin/git",
                                           "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                           "/usr/lib/x86_64-linux-gnu/libcrypto.so.3"])
a = ap.parse_args()


def build(folder):
    exe = os.path.join(folder, "sem_dump")
    sources = [os.path.join(TOP, "tests/peers", c) for c in ("sem_dump.c", "sem_vex.c")]
    vex = [os.path.join(VALGRIND, f"lib{n}-amd64-linux.a") for n in ("vexmultiarch", "vex", "gcc-sup")]
    subprocess.run(["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-I" + TOP,
                    "-I" + os.path.join(TOP, "libcommon"), *sources, os.path.join(O, "libbb.a"), *vex,
                    "-Wl,--as-needed", "-lcapstone", "-lz3", "-lxxhash", "-lbsd", "-lm", "-o", exe], check=True)
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
            found[r["code"][2 * at:2 * (at + n)]] = [n]
            at += n
    return shuffled(found.items())


def strands():
    """Strands of 2 to 64 instructions without names of addresses, which are symbols to bb."""
    found = {}
    for r in records(f"{BB}/bb-strands -q --min-insns 2 | {BB}/bb-uniq -q"):
        if len(r["len"]) <= 64 and not r.get("refs", {}).get("insn"):
            found[r["code"]] = r["len"]
    return shuffled(found.items())


def fill(addr, n):
    return bytes(((x * 0x9e3779b1) & 0xffffffff) >> 24 for x in range(addr, addr + n))


class Case:
    """A line of sem_dump."""

    def __init__(self, line):
        self.before, self.after, self.open = {}, {}, set()
        self.reads, self.writes, self.peer, self.peer_memory = [], {}, {}, {}
        t = iter(line.split())
        for what in t:
            if what == "code":
                self.code = bytes.fromhex(next(t))
            elif what == "open":
                self.open.add(next(t))
            elif what == "read":
                self.reads.append((int(next(t), 16), int(next(t), 16)))
            elif what in ("write", "vexmem"):
                at, data = int(next(t), 16), bytes.fromhex(next(t))
                to = self.writes if what == "write" else self.peer_memory
                to.update((at + i, b) for i, b in enumerate(data))
            else:
                name = next(t)
                if name != "none":
                    {"in": self.before, "out": self.after, "vex": self.peer}[what][name] = int(next(t), 16)

    def flags(self):
        return sum(self.before[f] << b for f, b in FLAG.items())

    def differences(self, got, memory):
        """got: registers and flags by name; memory: of the addresses of self.writes."""
        for name, v in got.items():
            want = self.after.get(name, self.before[name])
            if name not in self.open and v != want:
                yield name, f"{name} is {want:x}, the peer says {v:x}"
        for at, v in memory.items():
            want = self.writes.get(at, fill(at, 1)[0])
            if v != want:
                below = 128 < self.before["rsp"] - at < 512
                yield "below" if below else "memory", f"memory at {at:x} is {want:x}, the peer says {v:x}"


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
        self.u.reg_write(x.UC_X86_REG_MXCSR, 0x1f80)

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

    def run(self, c):
        """What sem_dump got from VEX itself."""
        return (c.peer, c.peer_memory) if c.peer else None


class Angr:
    """Strands, in random states for their values and with symbols in all registers for the time."""
    name = "angr"

    def __init__(self):
        import logging
        logging.disable(logging.CRITICAL)
        import angr, claripy
        self.angr, self.claripy = angr, claripy
        self.p = angr.load_shellcode(b"\x90" * 1024, "amd64", load_address=PC)
        self.flags = angr.engines.vex.claripy.ccall.amd64g_calculate_rflags_all
        self.errors = (angr.errors.AngrError, angr.errors.SimError, claripy.errors.ClaripyError)

    def state(self, values):
        """A state of angr whose registers and flags hold values, or symbols where there are none."""
        o = self.angr.options
        s = self.p.factory.blank_state(addr=PC, add_options={
            o.SYMBOL_FILL_UNCONSTRAINED_REGISTERS, o.SYMBOL_FILL_UNCONSTRAINED_MEMORY})
        for n in values or ():
            if n not in FLAG:
                setattr(s.regs, "ymm" + n[1:] if n[0] == "v" else n, values[n])
        f = sum(values[n] << b for n, b in FLAG.items()) if values else self.claripy.BVS("flags", 64)
        s.regs.cc_op, s.regs.cc_dep1, s.regs.cc_dep2, s.regs.cc_ndep, s.regs.d = 0, f, 0, 0, 1
        return s

    def execute(self, s, code):
        """
        The state after code, or None. A block of VEX may end before the code does, at a rep or where it
        is full: what is left is the next block.
        """
        while s.addr != PC + len(code):
            if not PC <= s.addr < PC + len(code):
                return None
            t = self.p.factory.successors(s, insn_bytes=code[s.addr - PC:]).flat_successors
            if len(t) != 1 or t[0].history.jumpkind not in ("Ijk_Boring", "Ijk_NoHook"):
                return None
            s = t[0]
        return s

    def run(self, c):
        """Values after the strand for the inputs of c."""
        s = self.state(c.before)
        for at, n in [*c.reads, *((at, 1) for at in c.writes)]:
            s.memory.store(at, fill(at, n))
        try:
            t = self.execute(s, c.code)
            if t is None:
                return None
            value = lambda e: e.concrete_value
            got = {n: value(getattr(t.regs, n)) for n in GPR}
            got.update((f"v{i}", value(getattr(t.regs, f"ymm{i}"))) for i in range(16))
            f = value(self.flags(t, t.regs.cc_op, t.regs.cc_dep1, t.regs.cc_dep2, t.regs.cc_ndep))
            got.update((n, f >> b & 1) for n, b in FLAG.items())
            return got, {at: value(t.memory.load(at, 1)) for at in c.writes}
        except self.errors:  # does not know an instruction
            return None

    def time(self, code):
        """Seconds that angr takes to execute code with nothing known of the registers; None if it cannot."""
        s = self.state(None)
        start = time.process_time()
        try:
            if self.execute(s, code) is None:
                return None
        except self.errors:
            return None
        return time.process_time() - start


def stream(codes):
    """Sequences of bb for (code, lengths)."""
    lines = "".join(json.dumps({"unit": "strand", "origin": {"bin": "00" * 16, "file": "a", "fn": "0x0", "name": "",
                                                             "addr": "0x0"}, "arch": "x86-64", "code": c,
                                "len": n}) + "\n" for c, n in codes)
    return subprocess.run([f"{BB}/bb-cat", "-q", "--from-json", "sequence"], input=lines.encode(),
                          stdout=subprocess.PIPE, check=True).stdout


def text_of(code, lengths):
    t = subprocess.run([f"{BB}/bb-cat", "-q", "-t"], input=stream([(code, lengths)]), stdout=subprocess.PIPE)
    lines = t.stdout.decode().strip().split("\n")
    return "; ".join(line.strip() for line in lines[-len(lengths):])


def speed(angr, some):
    """The time of angr for each of the strands beside that of bb-sym for the same."""
    times = [(c, angr.time(bytes.fromhex(c[0]))) for c in some]
    times = [(c, t) for c, t in times if t is not None]
    theirs = sum(t for _, t in times) / len(times)
    copies = 100
    s = stream(c for c, _ in times) * copies
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([f"{BB}/bb-sym", "-q", "-t1", "--no-memo"], input=s, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    ours = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(times) / copies
    print(f"symbolic execution of a strand: angr {1e6 * theirs:.0f} us, bb-sym --no-memo {1e6 * ours:.2f} us: "
          f"{theirs / ours:.0f} times as fast over the same {len(times)} strands")


def compare(peer, dump, codes, n, what="instructions"):
    """The number of unexplained differences; in peer.done what was compared."""
    p = subprocess.Popen([dump, *(["-v"] if peer.name == "vex" else []), str(a.s)], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    cannot, why, bad, explained, opens = 0, collections.Counter(), [], collections.Counter(), 0
    peer.done = []
    for code, lengths in codes:
        if len(peer.done) == n:
            break
        p.stdin.write(code + "\n")
        p.stdin.flush()
        line = p.stdout.readline()
        if line.startswith("no "):
            why[line[3:].strip()] += 1
            continue
        c = Case(line)
        result = peer.run(c)
        if result is None:
            cannot += 1
            continue
        if len(c.code) < sum(lengths):
            lengths = lengths[:-1]  # without its branch
        peer.done.append((c.code.hex(), lengths))
        opens += bool(c.open)
        diffs = list(c.differences(*result))
        if diffs:
            text = text_of(c.code.hex(), lengths)
            known = [w for w in text.replace(";", "").split() if w in EXPLAINED[peer.name]]
            may = EXPLAINED[peer.name][known[0]][0] if known else set()
            if "*" in may or {name for name, _ in diffs} <= may:
                explained[known[0]] += 1
            else:
                bad.append((c.code.hex(), text, [d for _, d in diffs]))
    p.stdin.close()
    p.wait()
    print(f"{peer.name}: {len(peer.done)} {what} compared ({opens} with undefined results in part), "
          f"{cannot} the peer cannot run, left out: {dict(why)}")
    for m, k in explained.most_common():
        print(f"  {k} differences explained: {m}: {EXPLAINED[peer.name][m][1]}")
    for code, text, diffs in bad[:40]:
        print(f"  {code} {text}: " + "; ".join(diffs[:3]))
    print(("FAILED" if bad else "ok    "), f"{peer.name}: {len(bad)} unexplained differences", flush=True)
    return len(bad)


with tempfile.TemporaryDirectory() as t:
    exe, failed = build(t), 0
    if a.unicorn or a.vex:
        codes = encodings()
        print(f"{len(codes)} different instructions", flush=True)
    if a.unicorn:
        failed += compare(Unicorn(), exe, codes, a.unicorn)
    if a.vex:
        failed += compare(Vex(), exe, codes, a.vex)
    if a.strands:
        angr = Angr()
        failed += compare(angr, exe, strands(), a.strands, "strands")
        speed(angr, angr.done)
    sys.exit(failed != 0)
