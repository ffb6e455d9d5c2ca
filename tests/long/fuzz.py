"""fuzz.py: each fuzz target with libFuzzer, ten minutes each; what it finds is left in O/test/fuzz."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import O, TOP, done, ok, run

SECONDS = int(os.environ.get("FUZZ_SECONDS", "600"))
found = os.path.join(O, "test/fuzz")
os.makedirs(found, exist_ok=True)
for program in sorted(glob.glob(os.path.join(O, "fuzzer/fuzz/*"))):
    name = os.path.basename(program)
    seeds = os.path.join(TOP, "tests/fuzz/corpus", name)
    corpus = os.path.join(found, name)
    os.makedirs(corpus, exist_ok=True)
    r = run([program, f"-max_total_time={SECONDS}", "-timeout=30", "-max_len=8192", f"-artifact_prefix={found}/{name}-",
             corpus, seeds], timeout=SECONDS + 300)
    ok("fuzzer/" + name, r.rc == 0, r.err[-1500:])
sys.exit(done())
