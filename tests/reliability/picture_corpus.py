"""Bytes that claim to be pictures: broken and odd files of others, mutations of sound ones, and bombs made here.

Files of others lie in ``.cache/pictures`` and are never committed: Pillow's source distribution, which the package
registry has, and whatever folders ``HANGTAG_PICTURES`` names (separated by ``:``).
"""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import PIL
from PIL import Image, ImageCms, ImageFilter

CACHE = Path(__file__).parents[2] / ".cache" / "pictures"
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file's bytes."""
    body = io.BytesIO()
    image.save(body, kind, **options)
    return body.getvalue()


# ---- files of others ------------------------------------------------------------------------------------------------


def foreign_files(*, may_download: bool, max_bytes: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file there is, of at most ``max_bytes`` each."""
    archive = CACHE / f"pillow-{PIL.__version__}.tar.gz"
    if may_download and not archive.is_file():
        _download()
    if archive.is_file():
        with tarfile.open(archive) as files:
            for member in files:
                inside = files.extractfile(member) if "/Tests/images/" in member.name and member.isfile() else None
                if inside is not None and member.size <= max_bytes:
                    yield member.name.split("/Tests/")[1], inside.read()
    for folder in filter(None, os.environ.get("HANGTAG_PICTURES", "").split(os.pathsep)):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and path.stat().st_size <= max_bytes:
                yield path.name, path.read_bytes()


def _download() -> None:
    """Minutes: pip prepares what it downloads. Raises CalledProcessError, TimeoutExpired."""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"]
    subprocess.run([*command, "--dest", str(CACHE), f"pillow=={PIL.__version__}"], check=True, timeout=900)


# ---- sound pictures, and what becomes of them -----------------------------------------------------------------------


def sound_pictures(choose: random.Random) -> dict[str, list[bytes]]:
    """Several of each accepted format, with all that a decoder has code for."""
    random_bytes = choose.randbytes(48 * 32 * 3)
    image = Image.frombytes("RGB", (48, 32), random_bytes).resize((480, 320), Image.Resampling.BICUBIC)
    image = Image.blend(image, image.filter(ImageFilter.FIND_EDGES), 0.2)
    cut = image.convert("RGBA")
    cut.putalpha(Image.radial_gradient("L").resize(image.size))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a chair"
    told = {"exif": exif, "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()}
    deep = image.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    frames = {"save_all": True, "append_images": [image.rotate(90).quantize(64)], "transparency": 3}
    return {
        "JPEG": [
            saved(image, "JPEG", quality=85, **told),
            saved(image, "JPEG", progressive=True, subsampling=0, restart_marker_rows=2),
            saved(image.convert("CMYK"), "JPEG", quality=80),
            saved(image.convert("L"), "JPEG", optimize=True),
        ],
        "PNG": [
            saved(image, "PNG", **told),
            saved(image.quantize(32), "PNG", transparency=bytes(range(0, 256, 8))),
            saved(deep, "PNG"),
            saved(cut, "PNG", compress_level=1),
            saved(image.convert("1"), "PNG"),
        ],
        "WEBP": [
            saved(image, "WEBP", quality=80, **told),
            saved(cut, "WEBP", lossless=True),
            saved(cut, "WEBP", quality=50, save_all=True, append_images=[cut.rotate(180)]),
        ],
        "GIF": [saved(image.quantize(128), "GIF"), saved(image.quantize(16), "GIF", **frames)],
        "AVIF": [saved(image, "AVIF", speed=9, **told), saved(cut, "AVIF", speed=9)],
    }


def mutations(pictures: dict[str, list[bytes]], count: int, choose: random.Random) -> Iterator[tuple[str, bytes]]:
    """``count`` damaged pictures, every format and kind of damage in turn."""
    kinds = tuple(_DAMAGES)
    for number in range(count):
        name = FORMATS[number % len(FORMATS)]
        kind = kinds[number // len(FORMATS) % len(kinds)]
        body = bytearray(choose.choice(pictures[name]))
        _DAMAGES[kind](body, choose, choose.choice(pictures[name]))
        if name == "PNG" and choose.random() < 0.7:
            _reseal(body)
        yield f"{name}, {kind}, {number}", bytes(body)


def _flip(body: bytearray, choose: random.Random, _: bytes) -> None:
    reach = len(body) if choose.random() < 0.5 else min(len(body), 600)
    for _number in range(choose.choice((1, 1, 2, 8, 64))):
        body[choose.randrange(reach)] ^= 1 << choose.randrange(8)


def _cut(body: bytearray, choose: random.Random, _: bytes) -> None:
    del body[choose.randrange(len(body)) :]


def _splice(body: bytearray, choose: random.Random, other: bytes) -> None:
    begin = choose.randrange(len(body))
    taken = choose.randrange(len(other))
    size = choose.choice((4, 64, 1024, len(body)))
    body[begin : begin + choose.choice((0, size))] = other[taken : taken + size]


def _set_number(body: bytearray, choose: random.Random, _: bytes) -> None:
    """Sizes, counts and offsets stand in two or four bytes, of either order, most of them near the beginning."""
    for _number in range(choose.choice((1, 1, 2, 4))):
        at = choose.randrange(min(len(body) - 4, choose.choice((64, 600, len(body)))))
        form = choose.choice((">H", "<H", ">I", "<I"))
        value = choose.choice(_EXTREMES) if choose.random() < 0.7 else choose.getrandbits(32)
        struct.pack_into(form, body, at, value & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))


_DAMAGES: dict[str, Callable[[bytearray, random.Random, bytes], None]] = {
    "bits flipped": _flip,
    "truncated": _cut,
    "spliced": _splice,
    "numbers set": _set_number,
}


def _reseal(body: bytearray) -> None:
    """Right checksums for a PNG's chunks, as an attacker would write them: else damage seldom gets past them."""
    at = 8
    while at + 12 <= len(body):
        length = struct.unpack_from(">I", body, at)[0]
        end = at + 8 + length
        if end + 4 > len(body):
            return
        struct.pack_into(">I", body, end, zlib.crc32(body[at + 4 : end]))
        at = end + 4


# ---- bombs, and what looks like one ---------------------------------------------------------------------------------


def bombs() -> Iterator[tuple[str, bytes]]:
    """Little to send, much to decode. Each must be refused, or be done in time."""
    huge = struct.pack(">II", 60_000, 60_000)
    png = saved(Image.new("L", (60, 60)), "PNG")
    yield "PNG, 3.6 gigapixels claimed", _with_ihdr(png, huge)
    yield "PNG, 24 megapixels claimed, 60 rows there", _with_ihdr(png, struct.pack(">II", 4800, 4800))
    text = b"iTXtComment\0\1\0\0\0" + zlib.compress(bytes(64 << 20), 9)
    yield "PNG, 64 MiB of text in 64 KiB", png[:33] + _chunk(text) + png[33:]
    profile = b"iCCPx\0\0" + zlib.compress(bytes(64 << 20), 9)
    yield "PNG, 64 MiB of profile", png[:33] + _chunk(profile) + png[33:]
    yield "PNG, 200,000 empty chunks", png[:33] + _chunk(b"teXt") * 200_000 + png[33:]
    yield "GIF, screen of 4 gigapixels", b"GIF89a\xff\xff\xff\xff" + saved(Image.new("L", (9, 9)), "GIF")[10:]
    yield "GIF, 400,000 comments", b"GIF89a\1\0\1\0\0\0\0" + b"!\xfe\1c\0" * 400_000 + b";"
    webp = bytearray(saved(Image.new("RGBA", (9, 9), (9, 9, 9, 9)), "WEBP", exif=b"Exif\0\0"))
    webp[24:30] = b"\xff\x3f\0" * 2
    yield "WEBP, canvas of 268 megapixels", bytes(webp)
    small = saved(Image.new("RGB", (64, 64)), "JPEG", progressive=True)
    at = small.rindex(b"\xff\xda")
    yield "JPEG, 100,000 scans", small[:at] + small[at:-2] * 100_000 + small[-2:]
    yield "JPEG, 20 megapixels in 50,000 scans", _scans((5000, 4000), 50_000)
    yield "JPEG, 49 megapixels in 19 scans", _scans((7000, 7000), 9)
    yield "JPEG, 50,000 segments", small[:2] + b"\xff\xe1\x00\x06Exif" * 50_000 + small[2:]
    yield "JPEG, headers for ever", b"\xff\xd8" + b"\xff\xe1\x00\x02" * 2_000_000
    yield "JPEG, filled up", b"\xff\xd8" + b"\xff" * 8_000_000
    loop = b"Exif\0\0II*\0\x08\0\0\0" + b"\1\0" + struct.pack("<HHII", 0x8769, 4, 1, 8) + b"\x08\0\0\0"
    yield "JPEG, EXIF that points at itself", small[:2] + _segment(0xE1, loop) + small[2:]
    yield "SVG, a million nested elements", b"<svg>" + b"<g>" * 1_000_000


def largest() -> Iterator[tuple[str, bytes]]:
    """As large as the default limits allow, in what is dearest to decode: each must be decoded."""
    smooth = Image.frombytes("RGB", (40, 30), random.Random(1).randbytes(3600))
    wide = smooth.resize((8160, 6120), Image.Resampling.BICUBIC)
    yield "JPEG, 50 MP, progressive, 4:4:4", saved(wide, "JPEG", progressive=True, subsampling=0, quality=85)
    long = smooth.resize((49_900, 1000), Image.Resampling.BICUBIC)
    yield "JPEG, 50 MP, 50 times as wide as high", saved(long, "JPEG", progressive=True, subsampling=0)
    yield "JPEG, 50 MP, CMYK, progressive", saved(wide.convert("CMYK"), "JPEG", progressive=True, quality=60)
    coarse = smooth.resize((5656, 4240), Image.Resampling.NEAREST)
    cut = coarse.convert("RGBA")
    cut.putalpha(Image.linear_gradient("L").resize(cut.size))
    yield "PNG, 24 MP, alpha", saved(cut, "PNG", compress_level=1)
    deep = coarse.convert("L").convert("I").point(lambda value: value * 257).convert("I;16")
    yield "PNG, 24 MP, 16 bits", saved(deep, "PNG", compress_level=1)
    yield "WEBP, 24 MP, lossless, alpha", saved(cut, "WEBP", lossless=True, quality=0, method=0)
    yield "WEBP, 24 MP", saved(wide.resize(cut.size).convert("RGBA"), "WEBP", quality=60, method=0, exact=True)
    yield "GIF, 24 MP", saved(coarse.quantize(64, method=Image.Quantize.FASTOCTREE), "GIF")
    yield "AVIF, 24 MP", saved(coarse, "AVIF", speed=10, quality=60)


def _scans(size: tuple[int, int], count: int) -> bytes:
    body = saved(Image.new("RGB", size, (10, 200, 30)), "JPEG", progressive=True, subsampling=0)
    at = body.rindex(b"\xff\xda")
    last = body[at:-2]
    return body[:at] + last[:12] * count + last + body[-2:]


def _with_ihdr(png: bytes, size: bytes) -> bytes:
    found = bytearray(png)
    found[16:24] = size
    _reseal(found)
    return bytes(found)


def _chunk(content: bytes) -> bytes:
    return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
