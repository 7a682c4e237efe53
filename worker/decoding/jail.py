"""What runs inside a decoder process: picture bytes in, pixels out, nothing else possible.

Started as ``python -m worker.decoding.jail ORDERS`` by `worker.decoding.cell`. Once everything is imported and tried,
the process gives up its rights (`worker.decoding.confine`) and says so; it ends when its parent does, and by SIGPROF
when one picture takes too much of the processor.

Bodies come and pixels go through memory shared with the parent, from its start; its size is sealed. On the pipes: a
request is a length (4 bytes, big-endian); an answer is ``ANSWER``, five numbers after one letter. ``P``: original width
and height, model side, reading height and width; both copies lie in the shared memory, (H, W, 3) uint8, one after the
other, a gap of 64 bytes before each. ``E``: which of ``REASONS`` it is, and the length of the words that follow, in
UTF-8. At the start ``R``: ready, or ``F``: it cannot be, and words as for ``E`` say why. Nothing in an answer has to be
parsed, because a process that was taken over chooses what its parent would parse.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import signal
import struct
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import BinaryIO

from PIL import AvifImagePlugin, Image, ImageCms, ImageFile

from model.geometry import Framing
from model.pictures.decode import Allowed, BadPictureError, Picture
from model.pictures.decode import decode as decode_picture
from model.pictures.formats import DECODED, OPTIONAL
from worker.decoding.confine import NICENESS, ConfineError, filter_system_calls, limit_resources

LENGTH = struct.Struct(">I")
ANSWER = struct.Struct(">cIIIII")
MAX_TOLD_BYTES = 300
REASONS = ("not_an_image", "unsupported_format", "too_many_pixels", "corrupt_image", "decode_failed")

MODEL_AT = _GAP = 64


@dataclass(frozen=True, slots=True)
class JailLimits:
    """What one picture may cost, and the sizes wanted. ``seconds`` of processor time; ``reading_side`` 0: no copy for
    OCR.
    """

    memory_bytes: int
    seconds: float
    max_pixels_jpeg: int
    max_pixels: int
    model_side: int
    reading_side: int
    avif: bool = False
    fit: str = "letterbox"  # see `model.geometry.Framing`
    crop_share: float = 1.0
    interpolation: str = "bicubic"

    @property
    def framing(self) -> Framing:
        """How the model's copy is made."""
        return Framing(self.model_side, self.fit, self.crop_share, self.interpolation)

    @property
    def allowed(self) -> Allowed:
        """Which pictures are taken."""
        return Allowed(self.max_pixels_jpeg, self.max_pixels, self.avif)


@dataclass(frozen=True, slots=True)
class Orders:
    """All that a process is told. ``confine``: ``full`` or ``limits``."""

    limits: JailLimits
    confine: str
    shared_file: int
    shared_bytes: int

    def to_argument(self) -> str:
        """As the process takes it on its command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> Orders:
        """Back from the command line."""
        told = json.loads(text)
        return cls(JailLimits(**told.pop("limits")), **told)


def reading_at(model_side: int) -> int:
    """Where in the shared memory the reading copy begins."""
    return MODEL_AT + 3 * model_side**2 + _GAP


def decode(body: bytes, limits: JailLimits) -> Picture:
    """Decode one picture. Raises BadPictureError."""
    return decode_picture(body, limits.allowed, limits.framing, limits.reading_side)


# ---- the process ----------------------------------------------------------------------------------------------------


def main() -> None:
    """Serve pictures until the pipe ends."""
    orders = Orders.from_argument(sys.argv[1])
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    shared = mmap.mmap(orders.shared_file, orders.shared_bytes)
    os.close(orders.shared_file)
    try:
        _prepare(orders.limits.avif)
        _give_up_rights(orders)
    except ConfineError as error:
        _tell(answers, b"F", "decode_failed", str(error))
        return
    _send(answers, b"R")
    while len(head := requests.read(LENGTH.size)) == LENGTH.size:
        length = LENGTH.unpack(head)[0]
        signal.setitimer(signal.ITIMER_PROF, orders.limits.seconds)
        _answer(answers, shared, length, orders.limits)
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(answers: BinaryIO, shared: mmap.mmap, length: int, limits: JailLimits) -> None:
    try:
        found = decode(shared[:length], limits)
        _hand_over(answers, shared, found)
    except BadPictureError as error:
        _tell(answers, b"E", error.reason, error.detail)
    except MemoryError:
        detail = f"decoding needs more than {limits.memory_bytes:,} bytes (decode.memory_bytes)"
        _tell(answers, b"E", "decode_failed", detail)
    except Exception as error:  # whatever a codec raises on hostile bytes, it is this picture's business alone
        _tell(answers, b"E", "decode_failed", f"{type(error).__name__}: {str(error)[:150]}")


def _hand_over(answers: BinaryIO, shared: mmap.mmap, found: Picture) -> None:
    _write(shared, found.model, MODEL_AT)
    columns, rows = found.reading.size if found.reading else (0, 0)
    if found.reading:
        _write(shared, found.reading, reading_at(found.model.width))
    _send(answers, b"P", found.width, found.height, found.model.width, rows, columns)


def _write(shared: mmap.mmap, image: Image.Image, at: int) -> None:
    """Pixels from ``at`` on. Pillow's PPM writer puts them there row by row, its header goes into the gap before."""
    if isinstance(image, ImageFile.ImageFile):  # saving it would ask the kernel for the folder it came from
        image = image.copy()
    shared.seek(at - len(b"P6\n%d %d\n255\n" % image.size))
    image.save(_Sink(shared), "PPM")  # type: ignore[arg-type]  # it only writes


class _Sink:
    """The shared memory as a file that can only be written: flushing it would be a system call, and a forbidden one."""

    def __init__(self, shared: mmap.mmap) -> None:
        self.write = shared.write


def _tell(answers: BinaryIO, kind: bytes, reason: str, detail: str) -> None:
    told = detail.encode(errors="backslashreplace")[:MAX_TOLD_BYTES]
    _send(answers, kind, REASONS.index(reason), len(told), more=told)


def _send(answers: BinaryIO, kind: bytes, *numbers: int, more: bytes = b"") -> None:
    answers.write(ANSWER.pack(kind, *numbers, *[0] * (5 - len(numbers))) + more)
    answers.flush()


def _prepare(avif: bool) -> None:
    """Codecs' settings, and a small picture of each kind: what is imported late is so before it is too late."""
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # ours are stricter and come first
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    limits = JailLimits(0, 0.0, 1000, 1000, 8, 16, avif)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for kind in (*DECODED, OPTIONAL) if avif else DECODED:
        body = io.BytesIO()
        Image.new("RGB", (24, 24), (200, 100, 50)).save(body, kind, exif=exif, icc_profile=profile)
        decode(body.getvalue(), limits)


def _give_up_rights(orders: Orders) -> None:
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)  # the worker's log is made of its own lines
    os.close(nowhere)
    limit_resources(orders.limits.memory_bytes + orders.shared_bytes, 4)  # three pipes and the shared memory
    os.nice(NICENESS)
    if orders.confine == "full":
        filter_system_calls()


if __name__ == "__main__":
    main()
