"""avx512.py: the text of random AVX-512 encodings against objdump's: opcodes, prefixes, operands, sizes of memory,
scaled displacements, masks, broadcasts and roundings. What objdump takes for no instruction has no name here either.

	tests/check/avx512.py ELF...

does the same with the AVX-512 instructions of programs that both find.

BB_CASES says how many encodings (default 100,000)."""
import os
import random
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import done, ok, prog, run

SLOT = 32  # bytes from one encoding to the next; nops fill the rest, where a disassembler finds its way again
CASES = int(os.environ.get("BB_CASES", "100000"))
PREDICATES = ("eq lt le unord neq nlt nle ord eq_uq nge ngt false neq_oq ge gt true eq_os lt_oq le_oq unord_s neq_us "
              "nlt_uq nle_uq ord_s eq_us nge_uq ngt_uq false_os neq_os ge_oq gt_oq true_us").split()
INTEGER = "eq lt le false neq nlt nle true".split()
# Where the opcodes of each map are close together.
BUSY = {1: [*range(0x10, 0x18), *range(0x28, 0x30), *range(0x51, 0x80), 0xc2, *range(0xc4, 0xc7), *range(0xd1, 0xff)],
        2: [*range(0x00, 0x0e), *range(0x10, 0x67), *range(0x70, 0x94), *range(0x96, 0xc0), 0xc4, 0xcf, *range(0xdc, 0xe0)],
        3: [*range(0x00, 0x28), *range(0x38, 0x58), 0x66, 0x67, *range(0x70, 0x74), 0xce, 0xcf]}
MULTIPLY = {"lqlq": 0, "hqlq": 1, "lqhq": 16, "hqhq": 17}


def number(text):
    """Hexadecimal and decimal numbers as one, modulo 2^64."""
    return str(int(text, 0) & (1 << 64) - 1)


def memory(size, text, bits):
    """A memory operand as size, segment, sorted terms and displacement."""
    segment = ""
    m = re.match(r"(ds|[cefgs]s):(.*)", text)
    if m:
        segment, text = m[1] if m[1] in ("fs", "gs") else "", m[2]
    terms, disp = [], 0
    for sign, term in re.findall(r"([+-]?)([^+-]+)", text.strip("[]")):
        if re.match(r"0x|\d", term):
            disp += int(term, 0) * (-1 if sign == "-" else 1)
        elif not re.match("[re]iz", term):
            terms.append(re.sub(r"\*1$", "", term))
    if bits == 32:
        disp &= (1 << 32) - 1
    return f"{size} {segment}[{'+'.join(terms)} {disp & (1 << 64) - 1}]"


def operand(text, bits):
    text = text.strip().replace(" ", "").lower()
    mask = "".join(re.findall(r"\{k\d\}|\{z\}", text))
    text = re.sub(r"\{k\d\}|\{z\}", "", text)
    m = re.match(r"(?:(\w+?)(ptr|bcst))?((?:\w\w:)?\[.*?\]|ds:0x\w+)(\{1to\d+\})?$", text)
    if m:
        broadcast = "bcst " if m[2] == "bcst" or m[4] else ""
        text = broadcast + memory(m[1] or "", m[3], bits)
    elif re.match(r"-?(0x|\d)", text):
        text = number(text)
    return text + mask


def common(text, bits):
    """bb's text and objdump's in one spelling: objdump has predicates in mnemonics."""
    text = re.sub(r"\s*#.*|\{evex\} |\{vex\} ", "", text)
    text = re.sub(r",?\s*(\{\w*-?sae\})", r", \1", text)
    name, _, rest = text.strip().partition(" ")
    if name in ("vmovss", "vmovsd"):  # objdump takes the vector's length for something
        rest = re.sub(r"\b[yz]mm", "xmm", rest)
    ops = [operand(o, bits) for o in re.split(r",(?![^\[]*\])", rest)] if rest.strip() else []
    m = re.fullmatch(r"vcmp(\w+?)([ps][sd])", name)
    if m and m[1] in PREDICATES:
        name, ops = "vcmp" + m[2], ops + [str(PREDICATES.index(m[1]))]
    m = re.fullmatch(r"vpcmp(\w+?)(u?[bwdq])", name)
    if m and m[1] in INTEGER and not (m[1] == "eq" and m[2][0] != "u" and len(ops) == 3 and ops[-1] == "plain"):
        name, ops = "vpcmp" + m[2], ops + [str(INTEGER.index(m[1]))]
    m = re.fullmatch(r"vpclmul(\w{4})dq", name)
    if m and m[1] in MULTIPLY:
        name, ops = "vpclmulqdq", ops + [str(MULTIPLY[m[1]])]
    ops.sort(key=lambda o: o.endswith("sae}"))  # before the immediate there, at the end here
    return f"{name} {', '.join(ops)}"


def tail(r, space, op):
    """ModRM and what follows it."""
    modrm, sib = r.choice([r.randrange(256), 0xc0 | r.randrange(64)]), b""
    size = {0: 4 if modrm & 7 == 5 else 0, 1: 1, 2: 4, 3: 0}[modrm >> 6]
    if modrm < 0xc0 and modrm & 7 == 4:
        sib = bytes([r.randrange(256)])
        if modrm < 0x40 and sib[0] & 7 == 5:
            size = 4
    if space == 3 or space == 1 and (op in range(0x70, 0x74) or op in (0xc2, 0xc4, 0xc5, 0xc6)):
        size += 1
    return bytes([modrm]) + sib + bytes(r.randrange(256) for _ in range(size))


def encoding(r, bits):
    """An encoding of EVEX, or of VEX with a mask register; in 32-bit mode two bits are always set."""
    if r.random() < 0.06:
        space = r.choice([1, 1, 1, 3])
        op = r.choice([0x41, 0x42, 0x44, 0x45, 0x46, 0x47, 0x4a, 0x4b, 0x90, 0x91, 0x92, 0x93, 0x98, 0x99]
                      if space == 1 else [0x30, 0x31, 0x32, 0x33])
        vvvv = r.choice([15, 8 | r.randrange(8), r.randrange(16)])
        return bytes([0xc4, r.choice([0xe0, r.randrange(8) << 5]) | (0xc0 if bits == 32 else 0) | space,
                      r.randrange(2) << 7 | vvvv << 3 | r.randrange(2) << 2 | r.randrange(4), op]) + \
            tail(r, space, op)
    space = r.choice([1, 1, 2, 2, 3])
    op = r.choice(BUSY[space]) if r.random() < 0.9 else r.randrange(256)
    p0 = r.randrange(16) << 4 | (0xc0 if bits == 32 else 0) | space
    p1 = r.randrange(2) << 7 | r.choice([15, 15, r.randrange(16)]) << 3 | 4 | r.choice([0, 1, 1, 2, 2, 3])
    p2 = (r.random() < 0.12) << 7 | r.choice([0, 0, 1, 1, 2, 2, 2, 3]) << 5 | (r.random() < 0.2) << 4 | \
        (r.random() < 0.95) << 3 | r.choice([0, 0, 0, r.randrange(8)])
    return bytes([0x62, p0, p1, p2, op]) + tail(r, space, op)


def texts(path, from_zero=True):
    """By address: objdump's texts and bytes, and bb's texts."""
    theirs, mine = {}, {}
    out = subprocess.run(["objdump", "-d", "-w", "-M", "intel", path], stdout=subprocess.PIPE, text=True, check=True).stdout
    for m in re.finditer(r"^\s*([0-9a-f]+):\t([0-9a-f ]+?)\s*\t(.*)$", out, re.M):
        theirs[int(m[1], 16)] = (m[3], m[2])
    r = run([prog("bb-disasm"), "-q", path])
    assert r.rc == 0, r.err
    r = run([prog("bb-cat"), "-t"], r.out)
    assert r.rc == 0, r.err
    for m in re.finditer(r"^\s+(?:0x)?([0-9a-f]+):?\s+(.*?)(?:  ;.*)?$", r.out.decode(), re.M):
        mine[int(m[1], 16)] = m[2]
    first = min(mine) if from_zero else 0  # an object file's sections are laid out one behind another
    return theirs, {at - first: text for at, text in mine.items()}


def assemble(codes, folder, bits):
    source, path = os.path.join(folder, "x.s"), os.path.join(folder, "x.o")
    with open(source, "w") as f:
        f.write(".text\n.globl all\n.type all, @function\nall:\n")
        for c in codes:
            f.write(f".balign {SLOT}, 0x90\n.byte {','.join(map(str, c))}\n")
        f.write("ret\n.size all, . - all\n")
    subprocess.run(["as", f"--{bits}", "-o", path, source], check=True)
    return path


def test(bits):
    r = random.Random(int(os.environ.get("BB_SEED", "1")))
    codes = [encoding(r, bits) for _ in range(CASES)]
    with tempfile.TemporaryDirectory() as t:
        theirs, mine = texts(assemble(codes, t, bits))
    same, names, wrong, bad, unnamed = 0, set(), [], [], {}
    for at in range(0, SLOT * CASES, SLOT):
        want = theirs.get(at, ("(bad)",))[0]
        got = mine.get(at, "(none)")
        code = codes[at // SLOT].hex()
        opaque = re.match(r"(e?vex)\.", got) or got == "(none)" or got.startswith("(bad)")
        if re.search(r"\(bad\)|-?bad\}", want):
            if not opaque:
                bad.append(f"{code}: {got}, objdump: {want}")
        elif opaque:  # objdump names some that no processor has, too
            name = common(want, bits).split()[0]
            unnamed.setdefault(name, []).append(f"{code}: {got}, objdump: {want}")
        elif common(got, bits) != common(want, bits):
            wrong.append(f"{code}: {got}, objdump: {want}; {common(got, bits)} / {common(want, bits)}")
        else:
            same += 1
            names.add(got.split()[0])
    print(f"{bits}: {same} of {CASES} are instructions, {len(names)} mnemonics; {len(bad)} only here, {len(unnamed)} mnemonics only of objdump")
    ok(f"avx512/{bits}: the text is objdump's", not wrong and same > CASES // 20, f"{len(wrong)}: " + "\n".join(wrong[:40]))
    ok(f"avx512/{bits}: what is no instruction has no name", not bad, f"{len(bad)}: " + "\n".join(bad[:40]))
    # Xeon Phi's own, vp2intersect, half precision, and dot products that have VEX only
    more = [unnamed[n][0] for n in sorted(unnamed) if n not in names and len(unnamed[n]) > 5 and
            not re.match(r"v4f|vp4dp|vexp2|vrcp28|vrsqrt28|vgatherpf|vscatterpf|vp2intersect|vpdpb(ss|su|uu)d|\w+[ps]h$|vcmp\w\{", n)]
    ok(f"avx512/{bits}: no name is missing", not more, f"{len(more)}: " + "\n".join(more[:60]))


def of_programs(paths):
    """Differences of the instructions with EVEX, or on mask registers, that both see in these files."""
    same, wrong = 0, []
    for path in paths:
        theirs, mine = texts(path, False)
        for at in theirs.keys() & mine.keys():
            want, got = theirs[at][0], mine[at]
            if not (theirs[at][1].startswith("62 ") or re.match(r"k[a-z]", want)) or "(bad)" in want:
                continue
            if common(got, 64) == common(want, 64):
                same += 1
            else:
                wrong.append(f"{path}: {at:x}: {got}, objdump: {want}")
    print(f"{same} the same, {len(wrong)} not")
    ok("avx512/programs", same and not wrong, "\n".join(wrong[:40]))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        of_programs(sys.argv[1:])
        sys.exit(done())
    test(64)
    test(32)
    sys.exit(done())
