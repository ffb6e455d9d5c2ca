"""stream.py: the container as bb-stream(5) tells it: what bb writes a second reader reads, what a
second writer writes bb reads, and both refuse the same damaged streams."""
import io
import json
import os
import random
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import cbor2
import xxhash
import zstandard

import readstream
from bbtest import LONG, O, TOP, crashed, done, mkstream, ok, prog, read, run, tmpdir, write

KINDS = run([os.path.join(O, "lib/mkstream"), "-k"]).out.decode().split()


def rounded(v):
    """Floats as 32-bit ones: JSON has nine digits of them."""
    if isinstance(v, float):
        return struct.unpack("<f", struct.pack("<f", v))[0]
    if isinstance(v, list):
        return [rounded(x) for x in v]
    if isinstance(v, dict):
        return {k: rounded(x) for k, x in v.items()}
    return v


def parse(data):
    """All records as JSON has them, or the reason why not."""
    try:
        return [r for _, records, _, _ in readstream.members(data) for r in records]
    except readstream.StreamError as e:
        return str(e)


def lines(out):
    return [rounded(json.loads(line)) for line in out.decode().split("\n") if line]


def test_reader(kind):
    data = mkstream(kind, 400, 7, 2)
    theirs = parse(data)
    if not ok(f"stream/{kind}: a second reader takes it", isinstance(theirs, list) and len(theirs) == 800, theirs):
        return
    r = run([prog("bb-cat"), "-j"], data)
    ok(f"stream/{kind}: both readers see the same", r.rc == 0 and lines(r.out) == rounded(theirs), r)
    back = run([prog("bb-cat"), "--from-json", kind], r.out)
    raw = [b for _, _, bs, _ in readstream.members(data) for b in bs]
    again = [b for _, _, bs, _ in readstream.members(back.out) for b in bs] if back.rc == 0 else None
    ok(f"stream/{kind}: JSON and back", raw == again, back)


def sequence_of(*frames):
    z = zstandard.ZstdCompressor(write_checksum=True)
    return b"".join(z.compress(f) for f in frames)


def made(kind, maps, **head):
    """A stream written from the manual: header, one frame of records, trailer."""
    raw = b"".join(maps)
    header = b"\xd9\xd9\xf7" + cbor2.dumps({"bb": 1, "kind": kind, "version": 1, "prov": [], **head})
    trailer = cbor2.dumps({"end": 1, "records": len(maps), "skipped": 0, "digest": xxhash.xxh3_128(raw).digest()})
    return sequence_of(header, *([raw] if raw else []), trailer)


def test_writer():
    origin = {"bin": bytes(16), "file": "f", "later": [None, {"x": True}]}
    vec = cbor2.CBORTag(85, struct.pack("<3f", 1.5, -2.25, 0.1))
    good = {"unit": "function", "new": {"a": [1.5, -7, "x", b"y", None]}, "origin": origin, "insns": 3, "vec": vec}
    r = run([prog("bb-cat"), "-j"], made("embedding", [cbor2.dumps(good)] * 2))
    got = lines(r.out) if r.rc == 0 else [{}]
    ok("stream/a second writer is read", r.rc == 0 and len(got) == 2 and got[0]["insns"] == 3 and
       got[0]["vec"] == rounded([1.5, -2.25, 0.1]) and got[0]["origin"]["file"] == "f", r)
    tokens = {"unit": "block", "origin": {"bin": bytes(16), "file": ""}, "vocab": 1 << 63,
              "ids": cbor2.CBORTag(70, struct.pack("<2I", 1, 2)),  # wider than it need be
              "starts": cbor2.CBORTag(69, struct.pack("<2H", 0, 1))}
    r = run([prog("bb-cat"), "-j"], made("tokens", [cbor2.dumps(tokens)]))
    got = lines(r.out) if r.rc == 0 else [{}]
    ok("stream/wider arrays are read", got[0].get("ids") == [1, 2] and got[0]["vocab"] == hex(1 << 63), r)
    hit = {"origin": origin, "score": 0.1}  # cbor2 writes doubles
    match = {"unit": "u", "origin": origin, "pool": 1, "relevant": 0, "hits": [hit]}
    r = run([prog("bb-cat"), "-j"], made("match", [cbor2.dumps(match)]))
    got = lines(r.out) if r.rc == 0 else [{"hits": [{}]}]
    ok("stream/doubles are rounded to floats", got[0]["hits"][0].get("score") == rounded(0.1), r)
    r = run([prog("bb-cat"), "-c"], made("embedding", []))
    ok("stream/an empty stream of a second writer", r.rc == 0 and r.out == b"0\n", r)

    e = cbor2.dumps(good)
    refused = {
        "an unknown kind": made("widget", []),
        "another container version": made("embedding", [e], bb=2),
        "a newer kind": made("embedding", [e], version=2),
        "a missing key": made("embedding", [cbor2.dumps({"unit": "u", "origin": origin, "insns": 1})]),
        "keys in another order": made("embedding", [cbor2.dumps({"vec": vec, "unit": "u", "origin": origin, "insns": 1})]),
        "a key twice": made("embedding", [b"\xa5" + e[1:] + cbor2.dumps("vec") + cbor2.dumps(vec)]),
        "a float that is not finite": made("match", [cbor2.dumps({**match, "hits": [{**hit, "score": float("inf")}]})]),
        "a count of 2^63": made("embedding", [cbor2.dumps({**good, "insns": 1 << 63})]),
        "indefinite lengths": made("embedding", [b"\xbf" + e[1:] + b"\xff"]),
        "a digest too short": made("embedding", [cbor2.dumps({**good, "origin": {"bin": bytes(15), "file": "f"}})]),
        "text that is not UTF-8": made("embedding", [e.replace(b"\x68function", b"\x68funct\xff\xff\xff")]),
        "a record cut at the end of its frame": made("embedding", [e[:-1]]),
        "a record over two frames": sequence_of(b"\xd9\xd9\xf7" + cbor2.dumps({"bb": 1, "kind": "embedding", "version": 1, "prov": []}),
                                                e[:20], e[20:], cbor2.dumps({"end": 1, "records": 1, "skipped": 0,
                                                                            "digest": xxhash.xxh3_128(e).digest()})),
        "no header": made("embedding", [e])[len(sequence_of(b"")):],
        "a header without its tag": sequence_of(cbor2.dumps({"bb": 1, "kind": "embedding", "version": 1, "prov": []})),
        "no checksum": zstandard.ZstdCompressor(write_checksum=False).compress(b"\xd9\xd9\xf7\xa0"),
        "plain CBOR": b"\xd9\xd9\xf7" + cbor2.dumps({"bb": 1}),
        "zeros": bytes(1000),
    }
    for name, data in refused.items():
        r = run([prog("bb-cat")], data)
        ok(f"stream/refused: {name}", r.rc == 1 and r.err.startswith("bb-cat: stdin: ") and isinstance(parse(data), str),
           f"{r}; the second reader says: {parse(data) if isinstance(parse(data), str) else 'fine'}")


def test_damage():
    """On flipped and lost bytes both readers agree, and where they take a stream, on what it holds."""
    rng = random.Random(1)
    data = bytearray(mkstream("sequence", 12, 3, 2))
    path = os.path.join(tmpdir(), "x.bb")
    wrong = []
    for _ in range(2000 if LONG else 250):
        part = bytearray(data)
        how = rng.randrange(3)
        at = rng.randrange(len(part))
        if how == 0:
            part[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            del part[at:at + rng.randrange(1, 30)]
        else:
            part[at:at] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 9)))
        theirs = parse(bytes(part))
        r = run([prog("bb-cat"), "-j", write(path, bytes(part))])
        if r.rc == 0 and lines(r.out) != rounded(theirs) or r.rc != 0 and isinstance(theirs, list) or crashed(r):
            wrong.append(f"{how} at {at}: {r}; {theirs if isinstance(theirs, str) else 'taken'}")
    ok("stream/both readers agree on damaged streams", not wrong, wrong[:3])


def test_stock_tools():
    data = mkstream("function", 3000)
    plain = run(["zstd", "-dc"], data)
    f, n = io.BytesIO(plain.out), 0
    while f.tell() < len(plain.out):
        cbor2.load(f)
        n += 1
    ok("stream/zstd -dc gives plain CBOR", plain.rc == 0 and n == 3002, plain)
    # The example of the manual, as it stands there.
    page = read(os.path.join(TOP, "man/bb-stream.5")).decode()
    example = page.split("import cbor2", 1)[1].split(".Ed", 1)[0]
    path = write(os.path.join(tmpdir(), "x.bb"), data)
    r = run([sys.executable, "-c", "import cbor2" + example.replace('"x.bb"', repr(path))])
    ok("stream/the Python of the manual works", r.rc == 0 and r.out.count(b"\n") == 3002, r)
    page = read(os.path.join(TOP, "man/bb-embedding.5")).decode()
    example = "import array" + page.split("import array", 1)[1].split(".Ed", 1)[0]
    path2 = write(os.path.join(tmpdir(), "x.emb"), mkstream("embedding", 20, 5))
    r = run([sys.executable, "-c", example.replace('"x.emb"', repr(path2)) + "\nprint(len(names), [list(r) for r in rows])"])
    vecs = [json.loads(line)["vec"] for line in run([prog("bb-cat"), "-j", path2]).out.splitlines()]
    got = r.out.decode().split(" ", 1)
    ok("stream/vectors in Python as the manual says", r.rc == 0 and got[0] == "20" and
       all(abs(x - y) <= 1e-6 * abs(y) for a, b in zip(json.loads(got[1]), vecs, strict=True)
           for x, y in zip(a, b, strict=True)), r)
    two = run([prog("bb-cat"), "-c"], data + mkstream("function", 5, 2))
    ok("stream/cat makes a stream of streams", two.rc == 0 and two.out == b"3005\n", two)
    mixed = run([prog("bb-cat")], data + mkstream("tokens", 5))
    ok("stream/cat of two kinds is refused", mixed.rc == 1 and "function" in mixed.err and "tokens" in mixed.err, mixed)
    pipe = subprocess.run(f"cat {path} | {prog('bb-cat')} | {prog('bb-cat')} -c", shell=True, capture_output=True)
    ok("stream/bb-cat in a pipe", pipe.stdout == b"3000\n", pipe)


def test_from_json():
    """Bad lines are skipped, counted and told, or fatal with --strict."""
    line = run([prog("bb-cat"), "-j"], mkstream("prediction", 3)).out
    bad = line + b'{"unit":1}\nnot json\n\n' + line
    r = run([prog("bb-cat"), "--from-json", "prediction"], bad)
    members = list(readstream.members(r.out)) if r.rc == 0 else [({}, [], [], {"skipped": 0})]
    ok("stream/--from-json skips bad lines", len(members[0][1]) == 6 and members[0][3]["skipped"] == 3 and
       "line 4" in r.err and "line 5" in r.err and "line 6" in r.err, r)
    r = run([prog("bb-cat"), "--strict", "--from-json", "prediction"], bad)
    ok("stream/--from-json --strict fails", r.rc == 1 and "line 4" in r.err and isinstance(parse(r.out), str), r)
    r = run([prog("bb-cat"), "--from-json", "widget"], b"")
    ok("stream/--from-json of no kind", r.rc == 2 and "widget" in r.err, r)


def test_header():
    data = mkstream("tokens", 3)
    r = run([prog("bb-cat"), "-H", "-j"], data + mkstream("tokens", 4))
    got = lines(r.out) if r.rc == 0 else []
    want = [{"header": h, "trailer": t} for h, _, _, t in readstream.members(data + mkstream("tokens", 4))]
    ok("stream/-H -j shows headers and trailers", got == want, r)


if __name__ == "__main__":
    for k in KINDS:
        test_reader(k)
    test_writer()
    test_damage()
    test_stock_tools()
    test_from_json()
    test_header()
    sys.exit(done())
