"""tree.py: the rules of the tree (bb(7), TREE): who includes what, homes of libraries, names of
symbols, what programs link, manual pages, the CDDL."""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import O, TOP, done, filters, ok, prog, run

TOP_NAMES = {"Makefile", "README.md", "LICENSE", "filters", "libcommon", "formats", "scripts", "tests", "man", "models",
             ".ci", ".clang-format", ".gitignore"}

# What each part may include, besides itself.
MAY = {
    "base": [],
    "stream": ["base"],
    "formats": ["base", "stream"],
    "code": ["base", "formats"],
    "sem": ["base", "formats", "code"],
    "text": ["base", "stream", "formats", "code", "sem"],
    "nn": ["base", "formats", "text"],
    "ann": ["base", "formats"],
    "emu": ["base", "formats", "code"],
    "cli": ["base", "stream", "formats"],
}

# The only files that may include a library's headers.
HOMES = {
    r"capstone/": r"libcommon/code/insn\w*\.c",
    r"(libelf|gelf|elfutils/.*|dwarf|elf)\.h": r"libcommon/code/.*",
    r"libiberty/": r"libcommon/code/demangle\.c",
    r"z3": r"libcommon/sem/prove\w*\.c",
    r"zstd": r"libcommon/stream/frame\.c",
    r"(oneapi/)?dnnl": r"libcommon/(nn/nn_cpu\w*|ann/\w+)\.c",
    r"(cuda|cublas|cudnn|nccl)": r"libcommon/nn/nn_cuda\w*\.[ch]",
    r"bsd/": r"libcommon/(base|cli)/.*",
    r"xxhash": r"libcommon/base/hash\.c",
    r"unicorn/": r"libcommon/emu/machine\w*\.c",
}

# What a program may link besides the C library.
COMMON = {"libzstd", "libjansson", "libxxhash", "libbsd", "libmd", "libm", "libc", "libdl", "libpthread"}
CODE, TENSOR = {"libcapstone"}, {"libdnnl", "libgomp"}
LINKS = {
    "bb-cat": CODE, "bb-disasm": CODE | {"libelf", "libdw"}, "bb-strands": CODE, "bb-sym": CODE | {"libz3"},
    "bb-vocab": CODE, "bb-tok": CODE, "bb-quiz": CODE, "bb-odd": set(), "bb-join": set(), "bb-uniq": set(), "bb-train": TENSOR, "bb-embed": TENSOR,
    "bb-knn": TENSOR, "bb-eval": set(), "bb-diff": set(), "bb-trace": CODE | {"libunicorn"},
}

# Library code never prints, exits, asks the environment or the clock.
NEVER = re.compile(r"(v?f?printf|__v?f?printf_chk|f?puts|putchar|fwrite|perror|exit|_exit|abort|getenv|secure_getenv|"
                   r"setlocale|stdout|stderr|rand|srand|random|time|gettimeofday|clock_gettime)$")
# The part of state.h that is about flags.
PREFIXES = {"libcommon/sem/flags.c": ["state"]}
# Where nothing else can be done: out of memory (mem.h), and in oneDNN.
EXCEPT = {("libcommon/base/mem.c", "_exit"), ("libcommon/nn/nn_cpu.c", "abort"),
          # When the program's own function for failures returns, against its contract.
          ("libcommon/nn/nn_cuda_mem.c", "abort")}
# Which setting of the OpenMP runtime a thread has is kept by that runtime for each thread.
STATE = {("libcommon/nn/nn_cpu.c", "alone")}


def sources():
    return sorted(os.path.relpath(p, TOP) for pattern in
                  ("libcommon/*/*.[ch]", "formats/*.[ch]", "filters/*.[ch]", "filters/*/*.[ch]")
                  for p in glob.glob(os.path.join(TOP, pattern)))


def part(path):
    p = path.split("/")
    return p[1] if p[0] == "libcommon" else p[0]


def includes():
    for path in sources():
        text = open(os.path.join(TOP, path), encoding="utf-8").read()
        for m in re.finditer(r'^\s*#\s*include\s+(["<])([^">]+)[">]', text, re.M):
            yield path, m[1] == '"', m[2]


def test_includes():
    bad, homeless = [], []
    for path, own, name in includes():
        where = part(path)
        if not own:
            for lib, home in HOMES.items():
                if re.match(lib, name) and name != "elf.h" and not re.fullmatch(home, path):
                    homeless.append(f"{path}: <{name}>")
            continue
        to = name.split("/")[0]
        if where == "filters":
            beside = os.path.join(os.path.dirname(path), name)
            if path.count("/") == 2 and ("/" not in name and os.path.exists(os.path.join(TOP, beside)) or
                                         os.path.dirname(name) == os.path.dirname(path)):
                continue
            good = to in MAY
        else:
            good = to == where or to in MAY[where]
        if not good or not any(os.path.exists(os.path.join(TOP, d, name)) for d in ("libcommon", ".")):
            bad.append(f'{path}: "{name}"')
    ok("tree/includes", not bad, bad)
    ok("tree/homes of libraries", not homeless, homeless)


def objects(pattern):
    """(source, object) of what was built."""
    for path in sources():
        # What needs CUDA is built for the emulated device everywhere.
        o = os.path.join(O, "emu" if re.match(r"libcommon/nn/nn_cuda", path) else "", path[:-2] + ".o")
        if path.endswith(".c") and re.match(pattern, path):
            yield path, o


def test_symbols():
    names, calls, state, seen = [], [], [], 0
    for path, o in objects("libcommon|formats|filters"):
        base = os.path.splitext(os.path.basename(path))[0]
        words = base.split("_")
        prefixes = ["_".join(words[:i]) for i in range(len(words), 0, -1)] + PREFIXES.get(path, [])
        out = subprocess.run(["nm", "-A", o], capture_output=True, text=True)
        if out.returncode:
            names.append(f"{o}: {out.stderr}")
            continue
        seen += 1
        for line in out.stdout.splitlines():
            kind, name = line.split(":", 1)[1].split()[-2:]
            name = name.split("@")[0].split(".")[0]
            library = not path.startswith(("filters/", "libcommon/cli/"))
            if kind in "TDBRCVW" and name != "main" and not any(re.match(p + r"\d*_", name) for p in prefixes) \
                    and name not in (base, "err_set"):
                names.append(f"{path}: {name}")
            if kind == "U" and library and NEVER.match(name) and (path, name) not in EXCEPT:
                calls.append(f"{path}: {name}")
        if path.startswith(("filters/", "libcommon/cli/")):
            continue
        table = subprocess.run(["objdump", "-t", o], capture_output=True, text=True).stdout
        for m in re.finditer(r"^\S+ .{7} (\.data|\.bss|\.tbss|\.tdata|\*COM\*)\t\S+ +(\S+)$", table, re.M):
            if m[2] not in (".data", ".bss") and (path, m[2].split(".")[0]) not in STATE:
                state.append(f"{path}: {m[2]} in {m[1]}")
    ok("tree/symbols begin with their file's name", seen and not names, names)
    ok("tree/library code does not print, exit or look around", seen and not calls, calls)
    ok("tree/library code keeps no mutable state", seen and not state, state)


def test_links():
    for name in filters():
        out = subprocess.run(["readelf", "-d", prog(name)], capture_output=True, text=True).stdout
        linked = set(re.findall(r"NEEDED.*\[(\w+)[.-]", out))
        more = linked - COMMON - LINKS.get(name, set()) - {"ld-linux-x86-64"}
        ok(f"tree/{name} links only what it uses", linked and name in LINKS and not more,
           sorted(more) or "not in LINKS of tests/check/tree.py")


def test_pages():
    pages = {os.path.basename(p) for p in glob.glob(os.path.join(TOP, "man/*.[1-8]"))}
    kinds = run([os.path.join(O, "lib/mkstream"), "-k"]).out.decode().split()
    want = {"bb.7", "bb-stream.5"} | {f"{f}.1" for f in filters()} | {f"bb-{k}.5" for k in kinds}
    ok("tree/every filter and every record kind has a page", want <= pages, sorted(want - pages))
    for page in sorted(pages):
        r = run(["mandoc", "-T", "lint", "-W", "warning", os.path.join(TOP, "man", page)])
        ok(f"tree/mandoc {page}", r.rc == 0, r.out.decode())
    text = "".join(open(os.path.join(TOP, "man", p), encoding="utf-8").read() for p in sorted(pages))
    lost = {f"{m[1]}.{m[2]}" for m in re.finditer(r"^\.?.*Xr (bb[a-z-]*) (\d)", text, re.M)} - pages
    ok("tree/pages refer to pages that are there", not lost, sorted(lost))


def test_cddl():
    r = run([prog("bb-cat"), "--cddl"])
    want = open(os.path.join(TOP, "formats/bb.cddl"), "rb").read()
    ok("tree/formats/bb.cddl is what the tables say", r.rc == 0 and r.out == want,
       "write it anew: bb-cat --cddl > formats/bb.cddl")


def tracked():
    """The files that git keeps; none outside a checkout."""
    said = subprocess.run(["git", "-C", TOP, "ls-files"], capture_output=True, text=True).stdout
    return [f for f in said.split("\n") if f]


def test_top():
    """Nothing lies at the top but what bb(7) says."""
    odd = sorted({f.split("/")[0] for f in tracked()} - TOP_NAMES)
    ok("tree/top", not odd, odd)


def test_text():
    """No trailing blanks, no paths of one machine, no files that nobody can read in one sitting."""
    files = tracked() or sources()
    bad = []
    for path in files:
        if not re.search(r"\.([ch157]|cu|py|mk|md)$|Makefile$", path) or not os.path.exists(os.path.join(TOP, path)):
            continue
        text = open(os.path.join(TOP, path), encoding="utf-8").read()
        for i, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                bad.append(f"{path}:{i}: blanks at the end")
        if text and not text.endswith("\n"):
            bad.append(f"{path}: no newline at the end")
        if re.search(r"/(work|root)/\w", text) and not path.endswith("tree.py"):
            bad.append(f"{path}: a path of one machine")
    ok("tree/text", not bad, "\n".join(bad[:20]))


if __name__ == "__main__":
    test_includes()
    test_symbols()
    test_links()
    test_pages()
    test_cddl()
    test_top()
    test_text()
    sys.exit(done())
