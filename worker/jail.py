"""What runs inside a decoder process: picture bytes in, pixels out, nothing else possible.

Started as ``python -m worker.jail LIMITS``. Once everything is imported the process takes away its own rights: no new
files or sockets (the limit on descriptors is what is open already), no written bytes, no core dumps, bounded memory,
and bounded CPU seconds per picture. It ends when its parent does.

On the pipe: a request is a length (4 bytes, big-endian) and the picture. The answer is one byte, ``P`` or ``E``, then
for ``P`` five numbers (original width and height, model side, reading height and width) and both pixel arrays, for
``E`` a length and a JSON object with ``reason`` and ``detail``.
"""

from __future__ import annotations

import ctypes
import io
import json
import resource
import signal
import struct
import sys
from dataclasses import asdict, dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageFile, ImageOps, UnidentifiedImageError

from model.geometry import fit_square, fit_within
from model.types import Pixels

LENGTH = struct.Struct(">I")
PICTURE = struct.Struct(">IIIII")
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MAX_PROFILE_BYTES = 1 << 20

_OURS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
_OTHERS = (
    b"II*\x00",
    b"MM\x00*",
    b"8BPS",
    b"%PDF",
    b"<svg",
    b"<?xml",
    b"\x00\x00\x01\x00",
    b"\xff\x0a",
    b"\x00\x00\x00\x0cJXL",
)
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


@dataclass(frozen=True, slots=True)
class JailLimits:
    """What one picture may cost, and the sizes wanted. ``reading_side`` 0: no copy for OCR."""

    memory_bytes: int
    seconds: float
    max_pixels_jpeg: int
    max_pixels: int
    model_side: int
    reading_side: int

    def to_argument(self) -> str:
        """As the process takes it on its command line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture: the original's upright size, and both copies."""

    width: int
    height: int
    pixels: Pixels
    reading_pixels: Pixels


class BadPictureError(Exception):
    """Why a picture cannot be used; ``reason`` is from the contract's list."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def decode(body: bytes, limits: JailLimits) -> Picture:
    """Decode one picture. Raises BadPictureError."""
    image = _open(body)
    _check_size(image, limits)
    width, height = _upright_size(image)
    wanted = max(limits.reading_side, 2 * limits.model_side)
    try:
        image.draft("RGB", (wanted, wanted))  # JPEG only: decode at a fraction of the size where that is enough
        image.load()
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise BadPictureError("corrupt_image", f"{image.format} of {width} x {height}: {str(error)[:150]}") from error
    upright = _to_srgb(ImageOps.exif_transpose(image))
    reading = fit_within(upright, limits.reading_side) if limits.reading_side else np.zeros((0, 0, 3), np.uint8)
    return Picture(width, height, fit_square(upright, limits.model_side), reading)


def _open(body: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(body), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unknown(body) from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise BadPictureError("corrupt_image", f"the header cannot be read: {str(error)[:150]}") from error


def _unknown(body: bytes) -> BadPictureError:
    is_webp = body.startswith(b"RIFF") and body[8:12] == b"WEBP"
    if body.startswith(_OURS) or is_webp:
        return BadPictureError(
            "corrupt_image", f"it begins like a picture, but its {len(body):,} bytes hold no usable header"
        )
    if body.startswith(_OTHERS) or body[4:8] == b"ftyp":
        return BadPictureError("unsupported_format", f"only {', '.join(FORMATS)} are decoded")
    return BadPictureError("not_an_image", "the bytes are no known picture format")


def _check_size(image: Image.Image, limits: JailLimits) -> None:
    limit = limits.max_pixels_jpeg if image.format == "JPEG" else limits.max_pixels
    pixels = image.width * image.height
    if pixels > limit:
        detail = f"{image.format} of {image.width} x {image.height} = {pixels:,} pixels, the limit is {limit:,}"
        raise BadPictureError("too_many_pixels", f"{detail} (decode.max_pixels)")
    if pixels == 0:
        raise BadPictureError("corrupt_image", "the picture has no pixels")


def _upright_size(image: Image.Image) -> tuple[int, int]:
    try:
        is_turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    except Exception:  # EXIF is a courtesy of the sender; the picture counts
        is_turned = False
    return (image.height, image.width) if is_turned else image.size


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB, colours of an embedded profile converted, transparency on white."""
    if image.mode.startswith("I;16") or image.mode in ("I", "F"):
        values = np.asarray(image, np.float32)
        span = max(1.0, float(values.max() - values.min()))
        image = Image.fromarray(((values - values.min()) * (255 / span)).astype(np.uint8))
    if image.mode in ("P", "LA", "PA", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return _from_profile(image)


def _from_profile(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile and len(profile) <= MAX_PROFILE_BYTES and image.mode in ("RGB", "CMYK", "L"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            return image.convert("RGB")  # a broken profile changes colours a little; the picture is still the picture
        if converted is not None:
            return converted
    return image.convert("RGB")


# ---- the process ----------------------------------------------------------------------------------------------------


def main() -> None:
    """Serve pictures until the pipe ends."""
    limits = JailLimits(**json.loads(sys.argv[1]))
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # ours are stricter and come first
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    _give_up_rights(limits)
    while (head := _read_exactly(requests, LENGTH.size)) is not None:
        body = _read_exactly(requests, LENGTH.unpack(head)[0])
        if body is None:
            return
        _limit_cpu(limits.seconds)
        _answer(answers, body, limits)


def _answer(answers: BinaryIO, body: bytes, limits: JailLimits) -> None:
    try:
        found = decode(body, limits)
    except BadPictureError as error:
        _send_error(answers, error.reason, error.detail)
    except MemoryError:
        _send_error(
            answers, "decode_failed", f"decoding needs more than {limits.memory_bytes:,} bytes (decode.memory_bytes)"
        )
    except Exception as error:  # whatever a codec raises on hostile bytes, it is this picture's business alone
        _send_error(answers, "decode_failed", f"{type(error).__name__}: {str(error)[:150]}")
    else:
        rows, columns = found.reading_pixels.shape[:2]
        answers.write(b"P" + PICTURE.pack(found.width, found.height, len(found.pixels), rows, columns))
        answers.write(found.pixels.tobytes())
        answers.write(found.reading_pixels.tobytes())
        answers.flush()


def _send_error(answers: BinaryIO, reason: str, detail: str) -> None:
    told = json.dumps({"reason": reason, "detail": detail}).encode()
    answers.write(b"E" + LENGTH.pack(len(told)) + told)
    answers.flush()


def _read_exactly(source: BinaryIO, count: int) -> bytes | None:
    found = source.read(count)
    return found if len(found) == count else None


def _give_up_rights(limits: JailLimits) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (3, 3)
    )  # standard input, output and error are open; nothing more ever is


def _limit_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))


if __name__ == "__main__":
    main()
