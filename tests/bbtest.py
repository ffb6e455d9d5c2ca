"""bbtest.py: what the test scripts share: where things are, running programs, reporting.

A script reports with ok(name, condition, why), one line for each test, and ends with
sys.exit(done()). tests/run.py adds the lines up. The environment variable O is the folder that
make built into.
"""
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
O = os.path.abspath(os.environ.get("O", os.path.join(TOP, "build")))
BIN = os.path.join(O, "bin")
SAN = os.path.join(O, "san", "bin")  # the same programs with AddressSanitizer and UBSan
FIX = os.path.join(O, "test", "fixture")  # what tests/fixture.py made
LONG = bool(os.environ.get("BB_LONG"))

_failed = _passed = 0


def ok(name, cond, why=""):
    """Reports a test; why is shown when it failed."""
    global _failed, _passed
    if cond:
        _passed += 1
        print(f"ok {name}", flush=True)
    else:
        _failed += 1
        print(f"FAIL {name}: {str(why).strip() or 'no reason given'}"[:2000].replace("\n", "\n    "), flush=True)
    return bool(cond)


def skip(name, why):
    print(f"skip {name}: {why}", flush=True)


def done():
    return 1 if _failed or not _passed else 0


class Result:
    def __init__(self, rc, out, err, seconds):
        self.rc, self.out, self.err, self.seconds = rc, out, err.decode("utf-8", "replace"), seconds

    def __str__(self):
        said = self.err.strip() or "(nothing on stderr)"
        return f"status {self.rc}, {len(self.out)} bytes out, {said[:600]}"


HANG = -999  # Result.rc of a program that did not end in time


def run(argv, input=None, timeout=60, stdout=subprocess.PIPE, env=None, cwd=None, memory=None):
    """Runs a program to its end. input: bytes for stdin, nothing by default."""
    start = time.monotonic()
    full = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1",
                UBSAN_OPTIONS="print_stacktrace=1")
    full.update(env or {})

    def limit():
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                         stdout=stdout, stderr=subprocess.PIPE, env=full, cwd=cwd, preexec_fn=limit)
    try:
        out, err = p.communicate(input, timeout)
        rc = p.returncode
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        rc = HANG
    return Result(rc, out or b"", err or b"", time.monotonic() - start)


def prog(name, san=False):
    return os.path.join(SAN if san else BIN, name)


def filters():
    """Names of all programs, as the Makefile finds them."""
    names = {os.path.splitext(n)[0] for n in os.listdir(os.path.join(TOP, "filters")) if n.startswith("bb-")}
    return sorted(names)


def mkstream(kind, n, seed=1, members=1):
    r = run([os.path.join(O, "lib", "mkstream"), kind, n, seed, members])
    assert r.rc == 0, r.err
    return r.out


def read(path):
    with open(path, "rb") as f:
        return f.read()


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


def tmpdir():
    """A folder that is removed at the end of the script."""
    base = os.path.join(O, "test", "tmp")
    os.makedirs(base, exist_ok=True)
    t = tempfile.TemporaryDirectory(dir=base)
    _keep.append(t)
    return t.name


_keep = []


def crashed(r):
    """Why the result is a crash, a hang or a sanitizer's report; None if it is neither."""
    if r.rc == HANG:
        return "did not end"
    if r.rc < 0:
        return "killed by " + signal.Signals(-r.rc).name
    if "Sanitizer" in r.err or "runtime error:" in r.err:
        return r.err[:1500]
    return None
