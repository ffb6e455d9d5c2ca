"""models.py: the model that comes with bb is found by its name, in the tree and where bb is installed."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from bbtest import FIX, TOP, done, ok, prog, run, tmpdir

T = tmpdir()
PREFIX = os.path.join(T, "prefix")
SHAPES = os.path.join(FIX, "shapes.bb")


def vectors(folder, model, cwd="/"):
    """What bb-tok and bb-embed of the folder make of the fixture, and what they say."""
    t = run([os.path.join(folder, "bb-tok"), "-m", model, SHAPES], cwd=cwd)
    e = run([os.path.join(folder, "bb-embed"), "-m", model], t.out, cwd=cwd)
    return e.out if e.rc == 0 else None, t.err + e.err


def main():
    here = os.path.join(TOP, "models/functions")
    want, why = vectors(os.path.dirname(prog("bb-tok")), here)
    ok("models/by path", want, why)
    if os.path.dirname(os.path.dirname(os.path.dirname(prog("bb-tok")))) == TOP:  # O=build
        got, why = vectors(os.path.dirname(prog("bb-tok")), "functions")
        ok("models/by name, in the tree", got == want, why)
    os.makedirs(os.path.join(PREFIX, "bin"))
    for name in ("bb-tok", "bb-embed"):
        shutil.copy(prog(name), os.path.join(PREFIX, "bin"))
    got, why = vectors(os.path.join(PREFIX, "bin"), "functions")
    ok("models/not there", got is None and "functions" in why and "No such file" in why, why)
    shutil.copytree(here, os.path.join(PREFIX, "share/bb/models/functions"))
    got, why = vectors(os.path.join(PREFIX, "bin"), "functions")
    ok("models/by name, installed", got == want, why)
    got, why = vectors(os.path.join(PREFIX, "bin"), "./functions")
    ok("models/a path is a path", got is None and "No such file" in why, why)
    os.makedirs(os.path.join(T, "functions"))
    got, why = vectors(os.path.join(PREFIX, "bin"), "functions", T)
    ok("models/a folder here comes first", got is None and "functions/vocab.txt" in why, why)


main()
sys.exit(done())
