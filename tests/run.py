#!/usr/bin/python3
"""run.py: runs all tests and counts them.

    tests/run.py [--long] [-j N] O [PATTERN...]

O is the folder that make built into. With patterns only the tests whose name holds one of them
run. A test is a program of O/unit or O/fuzz, or a script that prints "ok NAME", "FAIL NAME: why"
or "skip NAME: why" for each of its tests. The last line is "N passed, N failed".
"""
import concurrent.futures
import glob
import os
import re
import signal
import subprocess
import sys
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 900  # seconds for one program or script
LONG_LIMIT = 12 * 3600  # with --long

lock = threading.Lock()
count = {"ok": 0, "FAIL": 0, "skip": 0}
failures = []


def report(line):
    word = line.split(" ", 1)[0]
    with lock:
        count[word] += 1
        if word == "FAIL":
            failures.append(line)
        print(line, flush=True)


def execute(argv, env):
    """Runs one program in a process group of its own: (status, output)."""
    p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env=env, cwd=TOP, start_new_session=True)
    try:
        out, _ = p.communicate(timeout=LIMIT)
        return p.returncode, out.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(p.pid, signal.SIGKILL)
        out, _ = p.communicate()
        return "no end after %d s" % LIMIT, out.decode("utf-8", "replace")


def run_program(name, argv, env):
    start = time.monotonic()
    status, out = execute(argv, env)
    last = out.strip().rsplit("\n", 1)[-1]
    if status == 0:
        report(f"ok {name} ({last}, {time.monotonic() - start:.1f} s)")
    else:
        report(f"FAIL {name}: status {status}\n    " + out.strip()[-1500:].replace("\n", "\n    "))


def run_script(name, argv, env):
    status, out = execute(argv, env)
    told, failed, rest = 0, 0, []
    current = None
    for line in out.split("\n"):
        if re.match(r"(ok|FAIL|skip) ", line):
            if current:
                report(current)
            current = line
            told += 1
            failed += line.startswith("FAIL ")
        elif line.startswith("    ") and current:
            current += "\n" + line
        elif line:
            rest.append(line)
    if current:
        report(current)
    if (status != 0) != (failed > 0) or not told:
        report(f"FAIL {name}: status {status}, {told} tests told\n    " + "\n    ".join(rest[-30:]))


def main():
    args = sys.argv[1:]
    long = "--long" in args
    args = [a for a in args if a != "--long"]
    jobs = len(os.sched_getaffinity(0))
    if args[:1] == ["-j"]:
        jobs, args = int(args[1]), args[2:]
    if not args:
        sys.exit(__doc__)
    O, patterns = os.path.abspath(args[0]), args[1:]
    # One locale and time zone, no settings of the user: a failure here is one everywhere.
    env = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR", "USER") if k in os.environ}
    env.update(O=O, LC_ALL="C.UTF-8", TZ="UTC", PYTHONDONTWRITEBYTECODE="1")
    if long:
        env["BB_LONG"] = "1"
        global LIMIT
        LIMIT = LONG_LIMIT

    unit = sorted(glob.glob(os.path.join(TOP, "tests/unit/*.c")))
    fuzz = sorted(glob.glob(os.path.join(TOP, "tests/fuzz/*.c")))
    scripts = sorted(glob.glob(os.path.join(TOP, "tests/check/*.py")))
    if long:
        scripts += sorted(glob.glob(os.path.join(TOP, "tests/long/*.py")))
    filters = {os.path.splitext(os.path.basename(p))[0] for p in glob.glob(os.path.join(TOP, "filters/bb-*"))}
    laws = os.path.join(TOP, "tests/laws/laws.py")
    work = [(run_script, "laws/" + f, [sys.executable, laws, f]) for f in sorted(filters)]
    for path in scripts:
        name = os.path.splitext(os.path.basename(path))[0]
        work.append((run_script, name, [sys.executable, path]))
    for path in unit:
        name = os.path.splitext(os.path.basename(path))[0]
        work.append((run_program, "unit/" + name, [os.path.join(O, "unit", name)]))
    for path in unit if long else []:
        name = os.path.splitext(os.path.basename(path))[0]
        if name not in ("mutants", "native"):  # they limit memory, and catch signals, themselves
            work.append((run_program, "unit/" + name + " with sanitizers", [os.path.join(O, "san/unit", name)]))
    for path in fuzz:
        name = os.path.splitext(os.path.basename(path))[0]
        corpus = os.path.join(TOP, "tests/fuzz/corpus", name)
        if name == "replay":
            continue
        work.append((run_program, "fuzz/" + name, [os.path.join(O, "san/fuzz", name), corpus]))
    if patterns:
        work = [w for w in work if any(p in w[1] for p in patterns)]

    start = time.monotonic()
    os.makedirs(os.path.join(O, "test"), exist_ok=True)
    # Tests of streams share what this makes: a small corpus taken through the whole pipe.
    run_script("fixture", [sys.executable, os.path.join(TOP, "tests/fixture.py")], env)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for f in [pool.submit(fn, name, argv, env) for fn, name, argv in work]:
            f.result()
    if failures:
        print("\nfailed:")
        for line in failures:
            print("  " + line.split("\n")[0][:300])
    print(f"\n{time.monotonic() - start:.0f} s", file=sys.stderr)
    print(f"{count['ok']} passed, {count['FAIL']} failed" + (f", {count['skip']} skipped" if count["skip"] else ""))
    return 1 if count["FAIL"] or not count["ok"] else 0


if __name__ == "__main__":
    sys.exit(main())
