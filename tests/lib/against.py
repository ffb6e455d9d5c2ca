"""against.py: what the comparisons of the encoder with PyTorch share (tests/peers): the program nn_dump, limits."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
O = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("O", "build"))
failed = 0


def check(what, value, limit):
    global failed
    ok = value <= limit
    failed += not ok
    print(f"{'ok  ' if ok else 'FAIL'} {what}: {value:.3g} (limit {limit:g})")


def build(folder):
    """nn_dump.c, linked with the library of O."""
    exe = os.path.join(folder, "nn_dump")
    subprocess.run(
        ["gcc", "-std=c11", "-D_GNU_SOURCE", "-O2", "-pthread", "-I" + TOP,
         "-I" + os.path.join(TOP, "libcommon"), os.path.join(TOP, "tests/peers/nn_dump.c"),
         os.path.join(O, "libbb.a"), "-Wl,--as-needed", "-ljansson", "-ldnnl", "-lgomp",
         "-lxxhash", "-lbsd", "-lm", "-o", exe], check=True)
    return exe


def finish():
    print("failed" if failed else "all within limits")
    sys.exit(failed > 0)
