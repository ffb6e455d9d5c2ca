#!/usr/bin/python3
"""readstream.py: a second reader of bb streams, written from man/bb-stream.5 alone.

    tests/readstream.py [-j] FILE...

Verifies each file as a reader must and, beyond that, that it was written as writers do (shortest
forms, narrowest arrays, keys in order). Prints one line for each member, or with -j the records
as JSON. Uses zstandard, cbor2 and xxhash, and formats/bb.cddl for what the kinds hold; nothing of bb.
"""
import io
import itertools
import json
import math
import os
import re
import struct
import sys

import cbor2
import xxhash
import zstandard

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FRAME_MAX = 64 << 20
TRAILER_MAX = 1024
DEPTH = 8


class StreamError(Exception):
    pass


def need(cond, why):
    if not cond:
        raise StreamError(why)


# ---- what the kinds hold: the subset of CDDL that bb.cddl is written in ---------------------------

WIDTHS = {"ta-uint8": (64, "B"), "ta-uint16le": (69, "<H"), "ta-uint32le": (70, "<I"),
          "ta-uint64le": (71, "<Q"), "ta-float32le": (85, "<f")}
VERSIONS = {"function": 3, "sequence": 2}  # of all other kinds 1


def read_cddl(path):
    """Rule name -> list of (key, required, type) in order."""
    rules, rule = {}, None
    for line in open(path, encoding="utf-8"):
        line = line.split(";")[0].rstrip()
        if m := re.fullmatch(r"([a-z-]+) = \{", line):
            rule = rules[m[1]] = []
        elif line == "}":
            rule = None
        elif rule is not None and line != "  * tstr => any":
            m = re.fullmatch(r"  (\? )?([a-z0-9_-]+): (.+),", line)
            need(m, f"bb.cddl: cannot read {line!r}")
            rule.append((m[2], not m[1], m[3]))
    return rules


RULES = read_cddl(os.path.join(TOP, "formats", "bb.cddl"))


# ---- CBOR: the form of the bytes, which cbor2 does not tell --------------------------------------

def check_form(b, at, depth=1):
    """Passes over the item at `at`: definite, shortest, not too deep. Returns where it ends."""
    need(depth <= DEPTH, "nested too deep")
    need(at < len(b), "cut inside an item")
    major, low = b[at] >> 5, b[at] & 31
    need(low < 28, "indefinite or reserved length")
    size = 1 << (low - 24) if low >= 24 else 0
    arg = int.from_bytes(b[at + 1:at + 1 + size], "big") if size else low
    if major < 7 and size:
        need(arg >= (24 if size == 1 else 1 << 4 * size), "not the shortest form")
    at += 1 + size
    if major in (2, 3):
        need(at + arg <= len(b), "cut inside a string")
        if major == 3:
            need(b"\0" not in b[at:at + arg], "NUL in a text")
        return at + arg
    if major in (4, 5, 6):
        for _ in range({4: arg, 5: 2 * arg, 6: 1}[major]):
            at = check_form(b, at, depth + (major != 6))
        return at
    need(major != 7 or low == 26 or low in (20, 21, 22), "a simple value or a float of another width")
    return at


def items(b):
    """The items of a CBOR sequence, with their bytes."""
    f = io.BytesIO(b)
    while f.tell() < len(b):
        start = f.tell()
        end = check_form(b, start)
        try:
            item = cbor2.CBORDecoder(f, tag_hook=lambda d, t: t).decode()
        except (ValueError, EOFError) as e:
            raise StreamError(f"CBOR: {e}")
        need(f.tell() == end, "cbor2 reads another length")
        yield item, b[start:end]


# ---- records -------------------------------------------------------------------------------------

def is_uint(v, limit):
    return isinstance(v, int) and not isinstance(v, bool) and 0 <= v < limit


def typed(v, allowed):
    """A typed array as (code, list): bytes of the tag, narrowest width, finite floats."""
    need(isinstance(v, cbor2.CBORTag), "no typed array")
    codes = {WIDTHS[a][0]: WIDTHS[a][1] for a in allowed}
    need(v.tag in codes and isinstance(v.value, bytes), f"tag {v.tag} instead of one of {allowed}")
    code = codes[v.tag]
    size = struct.calcsize(code)
    need(len(v.value) % size == 0, "half an item in a typed array")
    out = [x[0] for x in struct.iter_unpack(code, v.value)]
    if code == "<f":
        need(all(map(math.isfinite, out)), "a float that is not finite")
    elif size > 1:
        need(max(out, default=0) >> 4 * size, "a typed array wider than it need be")
    return out


def halves(v):
    """The half-bytes of a byte string, low half first."""
    need(isinstance(v, bytes), "no byte string")
    return [h for byte in v for h in (byte & 15, byte >> 4)]


def lengths(v):
    """A column of numbers from 1 to 15."""
    out = halves(v)
    if out and out[-1] == 0:
        out.pop()
    need(all(out), "a half of 0 that is not the last")
    return out


def numbers(v):
    """A column of numbers in groups of three bits, each in the fewest groups."""
    out, now, groups = [], 0, 0
    for h in halves(v):
        now |= (h & 7) << 3 * groups
        groups += 1
        if h < 8:
            need(h or groups == 1, "a number in more groups than it needs")
            need(now < 1 << 32, "a number over 32 bits")
            out.append(now)
            now = groups = 0
    need(groups == 0 or (groups == 1 and v[-1] >> 4 == 8), "cut inside a number")
    return out


def value(v, t):
    """Checks a value against its type; returns it as JSON has it (bb-cat(1))."""
    if t == "count":
        need(is_uint(v, 1 << 63), "no count")
        return v
    if t == "uint":
        need(is_uint(v, 1 << 64), "no unsigned integer")
        return hex(v)
    if t == "float":
        need(isinstance(v, float) and math.isfinite(v), "no finite float")
        return v
    if t == "tstr":
        need(isinstance(v, str), "no text")
        return v
    if m := re.fullmatch(r"bstr(?: \.size (\d+))?", t):
        need(isinstance(v, bytes) and (not m[1] or len(v) == int(m[1])), "no such byte string")
        return v.hex()
    if t == "[* tstr]":
        need(isinstance(v, list) and all(isinstance(x, str) for x in v), "no array of texts")
        return v
    if t == "{* tstr => tstr}":
        need(isinstance(v, dict) and all(isinstance(x, str) for p in v.items() for x in p), "no labels")
        keys = [k.encode() for k in v]
        need(keys == sorted(set(keys)), "labels out of order")
        return v
    if m := re.fullmatch(r"\[\* ([a-z-]+)\]", t):
        need(isinstance(v, list), "no array of records")
        return [record(x, m[1]) for x in v]
    if t in RULES:
        return record(v, t)
    if t == "halves":
        return lengths(v)
    if t == "numbers":
        return numbers(v)
    if t == "signed":
        return [x >> 1 ^ -(x & 1) for x in numbers(v)]
    if t == "steps":
        out = list(itertools.accumulate(numbers(v)))
        need(not out or out[-1] < 1 << 32, "steps over 32 bits")
        return out
    allowed = t.split(" / ")
    need(all(a in WIDTHS for a in allowed), f"bb.cddl: unknown type {t!r}")
    out = typed(v, allowed)
    return [hex(x) for x in out] if "ta-uint64le" in allowed else out


def empty(t):
    """What a missing optional key stands for, as JSON has it."""
    if t == "count":
        return 0
    if t == "uint":
        return "0x0"
    if t == "tstr" or t.startswith("bstr"):
        return ""
    if t.startswith("{"):
        return {}
    if t in RULES:
        return {k: empty(s) for k, _, s in RULES[t]}
    return []


def record(v, rule):
    need(isinstance(v, dict), f"{rule}: no map")
    known = [k for k, _, _ in RULES[rule]]
    need(all(isinstance(k, str) for k in v), f"{rule}: a key that is no text")
    order = [known.index(k) for k in v if k in known]
    need(order == sorted(set(order)), f"{rule}: keys out of order")
    out = {}
    for key, required, t in RULES[rule]:
        if key in v:
            try:
                out[key] = value(v[key], t)
            except StreamError as e:
                raise StreamError(f"{rule}.{key}: {e}")
            need(required or out[key] != empty(t), f"{rule}.{key}: empty, but written")
        else:
            need(not required, f"{rule}: no {key}")
            out[key] = empty(t)
    return out


# ---- frames and members --------------------------------------------------------------------------

def frames(data):
    """The contents of the frames."""
    while data:
        need(data[:4] == b"\x28\xb5\x2f\xfd", "no zstd frame" if len(data) >= 4 else "cut inside a frame")
        try:
            p = zstandard.get_frame_parameters(data)
        except zstandard.ZstdError as e:
            raise StreamError(f"cut inside a frame header: {e}")
        need(p.content_size != zstandard.CONTENTSIZE_UNKNOWN, "frame without its size")
        need(p.has_checksum, "frame without a checksum")
        need(p.dict_id == 0, "frame with a dictionary")
        need(p.content_size <= FRAME_MAX, "frame over the limit")
        d = zstandard.ZstdDecompressor().decompressobj()
        try:
            raw = d.decompress(data)
        except zstandard.ZstdError as e:
            raise StreamError(f"damaged frame: {e}")
        need(len(raw) == p.content_size and d.eof, "cut inside a frame")
        yield raw
        data = d.unused_data


def is_trailer(raw):
    return len(raw) >= 5 and raw[0] >> 5 == 5 and raw[1:5] == b"\x63end"


def members(data):
    """Yields (header, records, raw records, trailer), all checked; records as JSON has them."""
    state, kind = "outside", None
    need(data, "no bytes at all")
    for raw in frames(data):
        if state == "outside":
            need(raw[:3] == b"\xd9\xd9\xf7", "no header")
            (head, _), *more = items(raw[3:])
            need(not more, "a header is not alone in its frame")
            header = record(head, "header")
            need(header["bb"] == 1, "another version of the container")
            need(header["kind"] in RULES, f"unknown kind {header['kind']}")
            need(header["version"] == VERSIONS.get(header["kind"], 1), "another version of the kind")
            need(kind in (None, header["kind"]), "members of different kinds")
            kind = header["kind"]
            records, bytes_, digest = [], [], xxhash.xxh3_128()
            state = "inside"
        elif is_trailer(raw):
            need(len(raw) <= TRAILER_MAX, "a trailer over the limit")
            (tail, _), *more = items(raw)
            need(not more, "a trailer is not alone in its frame")
            trailer = record(tail, "trailer")
            need(trailer["end"] == 1, "end is not 1")
            need(trailer["records"] == len(records), "another number of records")
            need(trailer["digest"] == digest.hexdigest(), "another digest")
            need(len(trailer["inputs"]) % 32 == 0, "half a digest in inputs")
            yield header, records, bytes_, trailer
            state = "outside"
        else:
            need(raw, "a frame of nothing")
            digest.update(raw)
            for item, b in items(raw):
                records.append(record(item, kind))
                bytes_.append(b)
    need(state == "outside", "cut short: no trailer")


def main():
    args = sys.argv[1:]
    as_json = args[:1] == ["-j"]
    status = 0
    for path in args[as_json:]:
        try:
            for header, records, _, trailer in members(open(path, "rb").read()):
                if as_json:
                    for r in records:
                        print(json.dumps(r, ensure_ascii=False))
                else:
                    print(path, header["kind"], len(records), "records,", trailer["skipped"], "skipped,",
                          " | ".join(" ".join([p["tool"], *p["options"]]) for p in header["prov"]))
        except (StreamError, OSError) as e:
            print(f"{path}: {e}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
