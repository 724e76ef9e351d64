"""Reads TensorBoard event files with nothing but Python's standard library.

    python3 read_events.py FILE...

prints a JSON object a line for each value: file, step, tag, kind, and what belongs to the kind. It was written from the
description of the formats alone (TFRecord framing with masked CRC-32C; protocol buffer wire format; the field numbers of
event.proto and summary.proto), so that it shares no misreading with the writer. A wrong checksum ends it with status 1; a
torn last record is told on standard error.
"""

import json
import struct
import sys


def make_table():
    table = []
    for i in range(256):
        c = i
        for _ in range(8):
            c = (c >> 1) ^ 0x82F63B78 if c & 1 else c >> 1
        table.append(c)
    return table


TABLE = make_table()


def crc32c(data):
    c = 0xFFFFFFFF
    for b in data:
        c = TABLE[(c ^ b) & 0xFF] ^ (c >> 8)
    return c ^ 0xFFFFFFFF


def masked(data):
    c = crc32c(data)
    return (((c >> 15) | (c << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def records(path):
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        if len(data) - at < 12:
            print(f"{path}: torn record at {at}", file=sys.stderr)
            return
        length, length_crc = struct.unpack_from("<QI", data, at)
        if masked(data[at : at + 8]) != length_crc:
            sys.exit(f"{path}: wrong checksum of a length at {at}")
        end = at + 12 + length
        if end + 4 > len(data):
            print(f"{path}: torn record at {at}", file=sys.stderr)
            return
        body = data[at + 12 : end]
        if masked(body) != struct.unpack_from("<I", data, end)[0]:
            sys.exit(f"{path}: wrong checksum of a record at {at}")
        yield body
        at = end + 4


def varint(data, at):
    value = shift = 0
    while True:
        b = data[at]
        at += 1
        value |= (b & 0x7F) << shift
        if b < 0x80:
            return value, at
        shift += 7


def fields(data):
    """Yields (number, value): an int for varints, bytes for everything else."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = data[at : at + 8], at + 8
        elif wire == 5:
            value, at = data[at : at + 4], at + 4
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at : at + length], at + length
            if len(value) != length:
                sys.exit("a field is longer than its message")
        else:
            sys.exit(f"wire type {wire}")
        yield number, value


def double(b):
    return struct.unpack("<d", b)[0]


def doubles(values):
    """Of a repeated field: packed ones and single ones."""
    return [v for b in values for v in struct.unpack(f"<{len(b) // 8}d", b)]


def message(data):
    out = {}
    for number, value in fields(data):
        out.setdefault(number, []).append(value)
    return out


def show_value(data):
    m = message(data)
    out = {"tag": m[1][0].decode()}
    if 2 in m:
        return out | {"kind": "scalar", "value": struct.unpack("<f", m[2][0])[0]}
    if 4 in m:
        i = message(m[4][0])
        png = i[4][0]
        if png[:8] != b"\x89PNG\r\n\x1a\n":
            sys.exit("an image is no PNG")
        size = struct.unpack_from(">II", png, 16)
        return out | {"kind": "image", "height": i[1][0], "width": i[2][0], "colorspace": i[3][0], "png_width": size[0], "png_height": size[1]}
    if 5 in m:
        h = message(m[5][0])
        one = lambda n: double(h[n][0]) if n in h else 0.0
        return out | {"kind": "histogram", "min": one(1), "max": one(2), "num": one(3), "sum": one(4), "sum_squares": one(5),
                      "limits": doubles(h.get(6, [])), "buckets": doubles(h.get(7, []))}
    return out | {"kind": "unknown", "fields": sorted(m)}


def main(paths):
    for path in paths:
        for i, record in enumerate(records(path)):
            e = message(record)
            step = e.get(2, [0])[0]
            common = {"file": path, "step": step, "wall_time": double(e[1][0])}
            if i == 0 and 3 not in e:
                sys.exit(f"{path}: the first event has no file version")
            if 3 in e:
                print(json.dumps(common | {"kind": "version", "value": e[3][0].decode()}))
            if 7 in e:
                print(json.dumps(common | {"kind": "session", "status": message(e[7][0]).get(1, [0])[0]}))
            for summary in e.get(5, []):
                for number, value in fields(summary):
                    if number == 1:
                        print(json.dumps(common | show_value(value)))


if __name__ == "__main__":
    main(sys.argv[1:])
