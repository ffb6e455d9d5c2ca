"""shell.py: the tests that are shell scripts: tests/NAME.sh BIN-FOLDER, status 0 when all is well."""
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from bbtest import BIN, TOP, done, ok, run

for path in sorted(glob.glob(os.path.join(TOP, "tests", "*.sh"))):
    r = run(["sh", path, BIN], timeout=600)
    said = r.out.decode("utf-8", "replace")
    ok("shell/" + os.path.basename(path)[:-3], r.rc == 0, said[-500:] + r.err[-1500:])
sys.exit(done())
