"""A picture's bytes to pixels: which are taken, and how they are seen. A decoder process and training both ask here, so
that a model is taught and measured on the very pixels that it will be given.

Nothing imported but Pillow: a decoder process starts in a third of the time.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import AvifImagePlugin, GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from model.geometry import SPARE, Framing
from model.pictures.formats import DECODED, OPTIONAL, remedy, sniff, webp_size
from model.pictures.looks import Looks, look_at

READING_SIDE = 1536  # of the copy for OCR; this and the limits: unless a worker is told otherwise
MAX_PIXELS_JPEG, MAX_PIXELS = 50_000_000, 24_000_000
_MAX_SCANNED_PIXELS = 1_000_000_000  # pixels times scans of a JPEG: 50 MP in twenty scans
_BAD_BYTES = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, LookupError, TypeError, ArithmeticError, RuntimeError,
    Image.DecompressionBombError,
)  # fmt: skip
_CODECS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
}
Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True)
class Allowed:
    """Which pictures are taken; pixels are counted from the header, before anything is decoded."""

    max_pixels_jpeg: int = MAX_PIXELS_JPEG
    max_pixels: int = MAX_PIXELS
    avif: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: the original's upright size, and both copies in sRGB; ``reading`` None: not asked for."""

    width: int
    height: int
    model: Image.Image
    reading: Image.Image | None


class BadPictureError(Exception):
    """Why a picture cannot be used; ``reason`` is from the contract's list."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode(body: bytes, allowed: Allowed, framing: Framing, reading_side: int) -> Picture:
    """Both copies of one picture; ``reading_side`` 0: no copy for OCR. Raises BadPictureError."""
    with looking(body, allowed, least_size(framing, reading_side)) as (looks, (width, height)):
        reading = looks.within(reading_side) if reading_side else None
        upright = (height, width) if looks.is_turned else (width, height)
        return Picture(*upright, looks.on_square(framing), reading)


def check(body: bytes, allowed: Allowed) -> None:
    """By its header alone: would it be taken? Raises BadPictureError."""
    with _bad_bytes_named(kind := _kind(body, allowed), body):
        _opened(kind, body, allowed)


@contextmanager
def looking(body: bytes, allowed: Allowed, least: Callable[[Size], Size]) -> Iterator[tuple[Looks, Size]]:
    """A picture's looks, and its size as it is stored. ``least``: what of its size must be decoded of a JPEG. Raises
    BadPictureError, also for what bad bytes bring about later on.
    """
    with _bad_bytes_named(kind := _kind(body, allowed), body):
        image = _opened(kind, body, allowed)
        size = image.size
        image.draft("RGB", least(size))  # JPEG only: decode at a fraction where that is enough
        image.load()
        yield look_at(image), size


def least_size(framing: Framing, reading_side: int) -> Callable[[Size], Size]:
    """Of a picture's size, the least that both copies can be made of without being enlarged."""

    def least(size: Size) -> Size:
        of_model = SPARE * framing.side / (min(size) if framing.fit == "crop" else max(size))
        scale = min(1.0, max(reading_side / max(size), of_model))
        return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))

    return least


def _opened(kind: str, body: bytes, allowed: Allowed) -> ImageFile.ImageFile:
    """Its header is read and found to be within the limits."""
    if kind == "WEBP" and (size := webp_size(body)):
        _check_size(kind, size, allowed)
    image = _CODECS[kind](io.BytesIO(body))
    _check_size(kind, image.size, allowed)
    _check_scans(kind, image, body)
    return image


def _kind(body: bytes, allowed: Allowed) -> str:
    kind = sniff(body)
    if kind is None:
        raise BadPictureError("not_an_image", f"the {len(body):,} bytes are no known picture format")
    if kind in DECODED or (kind == OPTIONAL and allowed.avif):
        return kind
    raise BadPictureError("unsupported_format", f"{kind} is not decoded; {remedy(kind)}")


def _check_size(kind: str, size: Size, allowed: Allowed) -> None:
    limit = allowed.max_pixels_jpeg if kind == "JPEG" else allowed.max_pixels
    pixels = size[0] * size[1]
    if pixels > limit:
        detail = f"{kind} of {size[0]} x {size[1]} = {pixels:,} pixels, the limit is {limit:,}"
        raise BadPictureError("too_many_pixels", f"{detail} (decode.max_pixels)")


def _check_scans(kind: str, image: Image.Image, body: bytes) -> None:
    """A progressive JPEG goes over all its pixels once a scan, and a scan can be twenty bytes."""
    scans = body.count(b"\xff\xda") if kind == "JPEG" else 1
    if scans * image.width * image.height > _MAX_SCANNED_PIXELS and scans > 1:
        limit = f"pixels times scans may be {_MAX_SCANNED_PIXELS:,}"
        raise BadPictureError("decode_failed", f"JPEG of {image.width} x {image.height} in {scans:,} scans; {limit}")


@contextmanager
def _bad_bytes_named(kind: str, body: bytes) -> Iterator[None]:
    """Whatever a codec raises on bad bytes becomes a BadPictureError."""
    try:
        yield
    except _BAD_BYTES as error:
        told = f"{type(error).__name__}: {str(error)[:150]}"
        raise BadPictureError("corrupt_image", f"{kind} of {len(body):,} bytes: {told}") from error
