"""What an ONNX file says of itself, read without an engine: opening a network only to ask it costs half a second.

An ONNX file is a protobuf message (``ModelProto``); its field 14 is a list of pairs of strings.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

_METADATA, _KEY, _VALUE = 14, 1, 2  # numbers of the fields
_SKIPPED = {1: 8, 5: 4}  # bytes of the wire types that have a fixed length
_VARINT, _BYTES = 0, 2


def read_metadata(path: Path) -> dict[str, str]:
    """The pairs. Raises ValueError for a file that is no such message."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = {}
        for number, start, end in _fields(content, 0, len(content)):
            if number == _METADATA:
                pair = {key: content[begin:stop].decode() for key, begin, stop in _fields(content, start, end)}
                found[pair.get(_KEY, "")] = pair.get(_VALUE, "")
        return found


def _fields(content: mmap.mmap, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, start and end of each field that holds bytes; the bytes themselves are not touched."""
    while at < end:
        tag, at = _varint(content, at, end)
        kind = tag & 7
        if kind == _BYTES:
            length, at = _varint(content, at, end)
            if length > end - at:
                raise ValueError("an ONNX file ends inside a field")
            yield tag >> 3, at, at + length
            at += length
        elif kind == _VARINT:
            _, at = _varint(content, at, end)
        elif kind in _SKIPPED:
            at += _SKIPPED[kind]
        else:
            raise ValueError(f"an ONNX file has a field of the unknown kind {kind}")


def _varint(content: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    number = 0
    for place in range(at, min(at + 10, end)):
        number |= (content[place] & 0x7F) << (7 * (place - at))
        if content[place] < 0x80:
            return number, place + 1
    raise ValueError("an ONNX file ends inside a number")
