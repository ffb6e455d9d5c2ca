"""native.py: the meaning of instructions against this processor, 10^8 cases in eight parts of different
seeds (unit/native does 10^6 of one)."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import O, done, ok, run

CASES = int(os.environ.get("CASES", "100000000"))
PARTS = 8

for seed in range(1, PARTS + 1):
    r = run([os.path.join(O, "unit/native"), CASES // PARTS, 1000 + seed], timeout=6 * 3600)
    said = r.out.decode().strip().split("\n")
    ok(f"native/seed {1000 + seed}: {said[-2] if len(said) > 1 else said[-1]}", r.rc == 0, r.err)
sys.exit(done())
