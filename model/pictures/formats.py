"""What kind of picture bytes are, by their own first bytes: no name, no header of the host, nothing that a sender says
counts. Pure, and without a library: the fetcher asks before a body is downloaded, the decoder before it opens anything.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

HEAD_BYTES = 1024  # as many tell a picture from anything else; an MPO takes all of its headers
DECODED = ("JPEG", "PNG", "WEBP", "GIF")
OPTIONAL = "AVIF"

_STARTS = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "BigTIFF"),
    (b"MM\x00+", "BigTIFF"),
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"BM", "BMP"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_MAX_SEGMENTS = 1000
_FILL = re.compile(b"\xff{2,}")  # a marker may be led by any number of them


def sniff(body: bytes) -> str | None:
    """The format's name as an operator knows it, or None where the bytes are no picture that anybody knows.

    An MPO is a JPEG with an index of further pictures (APP2 ``MPF``). One that says it is a gain map (Ultra HDR) is an
    ordinary JPEG to everybody who does not use the map.
    """
    for start, name in _STARTS:
        if body.startswith(start):
            return "MPO" if name == "JPEG" and _has_more_pictures(body) else name
    if body.startswith(b"RIFF") and body[8:12] == b"WEBP":
        return "WEBP"
    if body[4:8] == b"ftyp":
        return _by_brand(body)
    return "SVG" if _is_svg(body[:HEAD_BYTES]) else None


def remedy(name: str) -> str:
    """What whoever reads the refusal can do."""
    if name == OPTIONAL:
        return "set decode.avif = true, or serve JPEG, PNG, WebP or GIF"
    if name == "MPO":
        return "save it as a JPEG with one picture"
    return "serve it as JPEG, PNG, WebP or GIF"


def webp_size(body: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP's canvas, which its library allocates when it is opened; None: no such header."""
    kind = body[12:16]
    if kind == b"VP8X" and len(body) >= 30:
        return int.from_bytes(body[24:27], "little") + 1, int.from_bytes(body[27:30], "little") + 1
    if kind == b"VP8L" and len(body) >= 25:
        bits = int.from_bytes(body[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and len(body) >= 30:
        width, height = struct.unpack_from("<HH", body, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _by_brand(body: bytes) -> str | None:
    length = int.from_bytes(body[:4], "big")
    brands = [body[8:12], *(body[at : at + 4] for at in range(16, min(length, 256), 4))]
    if b"avif" in brands or b"avis" in brands:
        return "AVIF"
    return "HEIC" if any(brand in _HEIC_BRANDS for brand in brands) else None


def _is_svg(head: bytes) -> bool:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return text.startswith((b"<svg", b"<?xml", b"<!--", b"<!DOCTYPE svg")) and b"<svg" in text


def _has_more_pictures(body: bytes) -> bool:
    segments = list(_segments(body))
    has_index = any(marker == 0xE2 and content.startswith(b"MPF\x00") for marker, content in segments)
    return has_index and not any(marker == 0xE1 and b'hdrgm:Version="' in content for marker, content in segments)


def _segments(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of a JPEG's segments before its pixels."""
    at = 2
    for _ in range(_MAX_SEGMENTS):
        if fill := _FILL.match(body, at):
            at = fill.end() - 1
        if at + 4 > len(body) or body[at] != 0xFF or body[at + 1] in (0xD9, 0xDA):
            return
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        yield body[at + 1], body[at + 4 : at + 2 + length]
        at += 2 + max(2, length)
