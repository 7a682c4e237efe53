"""Pictures' files as training and measuring read them: the pixels that a worker would give the model, and digests of
what is in the files. What a worker would refuse teaches nothing: it is named with what to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from model.errors import ModelError
from model.geometry import Framing
from model.pictures.decode import READING_SIDE, Allowed, BadPictureError, Size, check, least_size, looking
from model.pictures.looks import Looks
from model.types import Pixels

_ALLOWED = Allowed(avif=True)
_REMEDIES = {
    "too_many_pixels": "save it smaller: a worker with its own limits would refuse it too",
    "decode_failed": "save it again as a baseline JPEG",
    "not_an_image": "put a picture there, or leave its listing out",
    "corrupt_image": "save it again, or leave its listing out",
}
_MAX_NAMED = 20
_ENDS = ((b"\xff\xd8\xff", b"\xff\xd9"), (b"\x89PNG", b"IEND\xaeB`\x82"), (b"GIF8", b";"))

Log = Callable[[str], None]


def load_pixels(path: Path, framing: Framing) -> Pixels:
    """(S, S, 3) sRGB of a picture's file, as a worker that also makes the usual copy for OCR sees it. Raises
    ModelError.
    """
    with _looks_of(path, least_size(framing, READING_SIDE)) as looks:
        return np.asarray(looks.on_square(framing), np.uint8)


def load_upright(path: Path, framing: Framing) -> Image.Image:
    """The whole picture that ``load_pixels`` frames: RGB. Raises ModelError."""
    with _looks_of(path, least_size(framing, READING_SIDE)) as looks:
        return looks.upright()


def load_small(path: Path, framing: Framing) -> Pixels:
    """(S, S, 3) sRGB as ``load_pixels``, but a JPEG is decoded no finer than twice the side. Raises ModelError."""
    with _looks_of(path, lambda _: (2 * framing.side, 2 * framing.side)) as looks:
        return np.asarray(looks.on_square(framing), np.uint8)


def load_thumbnail(path: Path, side: int) -> Pixels:
    """(S, S, 3) sRGB: the whole picture in other proportions, each pixel the mean of its part. Raises ModelError."""
    with _looks_of(path, lambda _: (4 * side, 4 * side)) as looks:
        return np.asarray(looks.stretched(side), np.uint8)


def digests_of(pictures: Sequence[Path], log: Log = lambda _: None) -> list[str]:
    """SHA-256 of every file, in order: what is computed of pictures is kept under these, never under names.

    All headers are looked at on the way, and files that lack their end are decoded, so that a picture that a worker
    would refuse is told before anything dear begins. Raises ModelError that names such files, the first twenty.
    """
    found: list[str] = []
    refused: dict[str, None] = {}  # each once, in order: listings may share a picture
    for place, path in enumerate(pictures):
        if place and place % 10_000 == 0:
            log(f"picture files checked: {place:,} of {len(pictures):,}")
        try:
            about = path.stat()
            found.append(_digest(path, about.st_size, about.st_mtime_ns))
        except OSError as error:
            refused[f"{path} cannot be read: {error.strerror}"] = None
        except ModelError as error:
            refused[str(error)] = None
    if refused:
        raise ModelError(_together(list(refused)))
    return found


def _together(refused: Sequence[str]) -> str:
    if len(refused) == 1:
        return refused[0]
    more = [f"and {len(refused) - _MAX_NAMED:,} more"] if len(refused) > _MAX_NAMED else []
    return "\n  ".join([f"{len(refused):,} pictures cannot be used:", *refused[:_MAX_NAMED], *more])


@cache
def _digest(path: Path, size: int, changed: int) -> str:
    """A file is read once in a run, unless its ``size`` or the time when it was ``changed`` are others."""
    body = path.read_bytes()
    with _refusal_named(path):
        check(body, _ALLOWED)
        if not _has_its_end(body):
            with looking(body, _ALLOWED, lambda _: (1, 1)):
                pass
    return hashlib.sha256(body).hexdigest()


def _has_its_end(body: bytes) -> bool:
    """No sign that a download or a copy was cut short; a false alarm costs a decoding."""
    if body.startswith(b"RIFF"):
        return len(body) >= 8 + int.from_bytes(body[4:8], "little")
    return all(end in body[-32:] for start, end in _ENDS if body.startswith(start))


@contextmanager
def _looks_of(path: Path, least: Callable[[Size], Size]) -> Iterator[Looks]:
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
    with _refusal_named(path), looking(body, _ALLOWED, least) as (looks, _):
        yield looks


@contextmanager
def _refusal_named(path: Path) -> Iterator[None]:
    """What a worker would refuse, as an error that says which file, what is wrong with it, and what to do."""
    try:
        yield
    except BadPictureError as error:
        remedy = _REMEDIES.get(error.reason)
        raise ModelError(f"{path}: {error.detail}" + (f"; {remedy}" if remedy else "")) from error
