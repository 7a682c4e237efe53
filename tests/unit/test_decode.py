"""The pool of decoder processes: what a bad picture, a dead process or a lying one costs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import platform
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.geometry import Framing
from model.pictures.decode import BadPictureError
from schemas.deadletter import Reason
from tests.polling import until
from worker.decode import DecodePolicy, Decoder
from worker.decoding.jail import JailLimits, decode
from worker.errors import FatalError, RejectedError
from worker.item import DecodedImage, FetchedImage
from worker.metrics import Metrics

LIMITS = JailLimits(1 << 30, 10.0, 1_000_000, 500_000, 32, 64)
ROOT = Path(__file__).parents[2]


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


GOOD = FetchedImage("u", encoded(Image.new("RGB", (50, 40), (200, 30, 30))), "1")


def scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG that repeats its last scan so many times."""
    body = encoded(Image.new("RGB", size, (10, 200, 30)), progressive=True, subsampling=0)
    at = body.rindex(b"\xff\xda")
    return body[:at] + body[at:-2] * count + body[-2:]


COSTLY = scans((7000, 7000), 10)


@asynccontextmanager
async def pool(metrics: Metrics | None = None, **policy: object) -> AsyncIterator[Decoder]:
    """A started decoder of small pictures."""
    values = {"framing": Framing(32), "reading_side": 64, "seconds": 20.0, **policy}
    decoder = Decoder(DecodePolicy(**values), metrics or Metrics())  # type: ignore[arg-type]
    await decoder.start()
    try:
        yield decoder
    finally:
        await decoder.close()


async def alive(decoder: Decoder, count: int, new_since: set[int] | None = None) -> None:
    """Wait until so many processes are there, and one of them is new."""

    async def holds() -> bool:
        return len(decoder.pids) == count and set(decoder.pids) != new_since

    await until(holds)


async def refused(decoder: Decoder, body: bytes) -> RejectedError:
    """Why these bytes are no picture."""
    with pytest.raises(RejectedError) as caught:
        await decoder.decode(FetchedImage("u", body, "0"))
    return caught.value


def test_both_copies_have_the_sizes_wanted() -> None:
    """A wide picture comes back letterboxed for the model and scaled for reading; its own size is kept."""
    found = decode(encoded(Image.new("RGB", (200, 100), (255, 0, 0))), LIMITS)
    assert (found.width, found.height) == (200, 100)
    pixels = np.asarray(found.model)
    assert pixels.shape == (32, 32, 3)
    assert found.reading is not None and found.reading.size == (64, 32)
    assert (pixels[0] == 255).all()  # the bar above the picture is white
    assert pixels[16, 16, 1] < 20  # the middle is red


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not_an_image"),
        (b"", "not_an_image"),
        (b"II*\x00" + bytes(20), "unsupported_format"),
        (b"\xff\xd8\xff" + bytes(50), "corrupt_image"),
        (encoded(Image.effect_noise((100, 100), 50))[:900], "corrupt_image"),
        (encoded(Image.new("RGB", (1100, 1000))), "too_many_pixels"),
        (encoded(Image.new("RGB", (1000, 600)), "PNG"), "too_many_pixels"),
        (b"\xff\xd8" + b"\xff\xda\x00\x02" * 10 + bytes(10), "corrupt_image"),
        (scans((900, 600), 3000), "decode_failed"),
    ],
)
def test_bad_pictures_are_named(body: bytes, reason: str) -> None:
    """Each kind of bad picture has its reason."""
    with pytest.raises(BadPictureError) as caught:
        decode(body, LIMITS)
    assert caught.value.reason == reason


def test_same_bytes_give_same_pixels() -> None:
    """Decoding is deterministic."""
    body = encoded(Image.effect_noise((300, 200), 80).convert("RGB"))
    assert decode(body, LIMITS).model.tobytes() == decode(body, LIMITS).model.tobytes()


@pytest.mark.parametrize("confine", ["full", "limits"])
async def test_pool_answers_good_and_bad(confine: str) -> None:
    """Real processes decode a good picture after a bad one, into arrays that are the worker's own."""
    async with pool(confine=confine, reading_side=64) as decoder:
        assert (await refused(decoder, b"nothing")).reason is Reason.NOT_AN_IMAGE
        found = await decoder.decode(GOOD)
        own = decode(GOOD.body, decoder_limits())
        assert np.array_equal(found.pixels, np.asarray(own.model))
        assert np.array_equal(found.reading_pixels, np.asarray(own.reading))
        assert found.pixels.flags.owndata or found.pixels.base is not None
        found.pixels[:] = 0  # nobody else's


def decoder_limits() -> JailLimits:
    """As ``pool`` has them."""
    return DecodePolicy(framing=Framing(32), reading_side=64).limits


async def test_without_ocr_there_is_no_reading_copy() -> None:
    """Nobody reads, nobody copies."""
    async with pool(reading_side=0) as decoder:
        assert (await decoder.decode(GOOD)).reading_pixels.size == 0


async def test_a_process_is_confined() -> None:
    """Seen from outside: filter on, no new rights, three pipes and the shared memory, none of our environment."""
    os.environ["HANGTAG_REDIS__URL"] = "redis://:planted@nowhere"
    try:
        async with pool() as decoder:
            place = Path("/proc", str(decoder.pids[0]))
            status = (place / "status").read_text()
            assert "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status and "Threads:\t1" in status
            assert len(list((place / "fd").iterdir())) == 4
            assert (place / "fd" / "2").readlink() == Path(os.devnull)
            assert b"planted" not in (place / "environ").read_bytes()
            assert (place / "cwd").readlink() == Path("/")
            # It steps back for the event loop: on a busy machine that one is late for everybody.
            assert os.getpriority(os.PRIO_PROCESS, decoder.pids[0]) > os.getpriority(os.PRIO_PROCESS, 0)
    finally:
        del os.environ["HANGTAG_REDIS__URL"]


async def test_hanging_process_costs_one_picture() -> None:
    """A process that answers no more is given a multiple of the limit by the clock, then it is replaced."""
    metrics = Metrics()
    async with pool(metrics, seconds=0.3, patience=3.0) as decoder:
        for pid in decoder.pids:
            os.kill(pid, signal.SIGSTOP)
        before = set(decoder.pids)
        told = await refused(decoder, GOOD.body)
        assert told.reason is Reason.DECODE_FAILED and "by the clock" in told.detail
        assert metrics.snapshot()["decoder_restarts"] == 1
        await alive(decoder, 2, new_since=before)


async def test_costly_picture_is_stopped_by_processor_time() -> None:
    """Bytes that need minutes get what the limit says, and the next picture is decoded."""
    async with pool(seconds=0.1, patience=200.0) as decoder:
        told = await refused(decoder, COSTLY)
        assert told.reason is Reason.DECODE_FAILED and "0.1 s of processor time (decode.seconds)" in told.detail
        assert (await decoder.decode(GOOD)).width == 50


async def test_the_spare_serves_while_another_starts() -> None:
    """After a death the next picture is decoded before the replacement is there."""
    async with pool(seconds=0.1, patience=200.0) as decoder:
        dying, spare = decoder.pids
        await refused(decoder, COSTLY)
        left = set(decoder.pids)
        assert len(left) == 1 and left < {dying, spare}
        await decoder.decode(GOOD)
        assert set(decoder.pids) == left
        await alive(decoder, 2)


async def test_process_killed_from_outside_costs_no_picture() -> None:
    """Whoever was in it is tried once more, and an idle process that is gone is passed over: nobody's fault."""
    metrics = Metrics()
    async with pool(metrics, num_processes=2) as decoder:
        for _ in range(6):
            under_way = [asyncio.create_task(decoder.decode(GOOD)) for _ in range(4)]
            await asyncio.sleep(0)
            with contextlib.suppress(ProcessLookupError):
                os.kill(random.choice(decoder.pids), signal.SIGKILL)
            assert {one.width for one in await asyncio.gather(*under_way)} == {50}
        assert metrics.snapshot()["decode_outcomes"] == {"decoded": 24}


async def test_processes_that_die_idle_are_replaced_before_anybody_needs_them() -> None:
    """A spare that is dead is none: all are there again though no picture came."""
    metrics = Metrics()
    async with pool(metrics, num_processes=2) as decoder:
        before = decoder.pids
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        async def are_there() -> bool:
            return len(decoder.pids) == len(before) and not set(decoder.pids) & set(before)

        await until(are_there)
        assert (await decoder.decode(GOOD)).width == 50
        assert metrics.snapshot()["decoder_restarts"] == len(before)


async def test_worn_processes_are_replaced() -> None:
    """Every process serves as many pictures as it may; none of the pictures notices."""
    metrics = Metrics()
    async with pool(metrics, pictures_per_process=2, num_processes=2) as decoder:
        first = set(decoder.pids)
        found = await asyncio.gather(*(decoder.decode(GOOD) for _ in range(12)))
        assert {one.width for one in found} == {50}
        assert not first & set(decoder.pids)
        assert metrics.snapshot()["decoder_restarts"] == 0


async def test_cancelled_picture_leaves_its_process_whole() -> None:
    """Draining cancels listings by the hundred; that is no reason to start processes."""
    metrics = Metrics()
    async with pool(metrics) as decoder:
        before = set(decoder.pids)
        task = asyncio.create_task(decoder.decode(GOOD))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await decoder.decode(GOOD)).width == 50
        assert set(decoder.pids) == before and metrics.snapshot()["decoder_restarts"] == 0


async def test_body_beyond_the_shared_memory_is_refused() -> None:
    """What does not fit is not copied."""
    async with pool(max_body_bytes=50_000) as decoder:
        assert (await refused(decoder, bytes(50_001))).reason is Reason.BODY_TOO_LARGE


LIAR = """
import mmap, os, sys, time, json
from struct import Struct
told = json.loads(sys.argv[1])
shared = mmap.mmap(told["shared_file"], told["shared_bytes"])
answer, out, read = Struct(">cIIIII"), sys.stdout.buffer, sys.stdin.buffer.read
def send(*numbers, more=b""):
    out.write(answer.pack(*numbers) + more); out.flush()
send(b"R", 0, 0, 0, 0, 0)
while read(4):
    LIE
"""


def _jail_in(folder: Path, code: str) -> None:
    """Another program by the name of a decoder process's."""
    package = folder / "worker" / "decoding"
    package.mkdir(parents=True)
    for path in (package.parent, package):
        (path / "__init__.py").touch()
    (package / "jail.py").write_text(code)


@asynccontextmanager
async def lied_to(lie: str, folder: Path) -> AsyncIterator[Decoder]:
    """A decoder whose processes were taken over, and run ``lie`` for each picture."""
    _jail_in(folder, LIAR.replace("LIE", lie.replace("\n", "\n    ")))
    sys.path.insert(0, str(folder))
    try:
        async with pool(seconds=1.0) as decoder:
            yield decoder
    finally:
        sys.path.remove(str(folder))


@pytest.mark.parametrize(
    "lie",
    [
        'send(b"P", 9, 9, 32, 65, 64)',
        'send(b"P", 9, 9, 4_000_000_000, 4, 4)',
        'send(b"P", 9, 9, 32, 0, 64)',
        'send(b"P", 0, 9, 32, 4, 4)',
        'send(b"Q", 9, 9, 32, 4, 4)',
        'send(b"E", 4_000_000_000, 0, 0, 0, 0)',
        'send(b"E", 4, 0, 0, 0, 0, more=b"nope")',
        'send(b"E", 2, 0, 0, 0, 0, more=b"[]")',
        'send(b"E", 27, 0, 0, 0, 0, more=b\'{"reason":"worker_crashed"}\')',
        'os._exit(3)',
    ],
)  # fmt: skip
async def test_lies_are_not_believed(lie: str, tmp_path: Path) -> None:
    """Sizes, reasons and lengths that cannot be cost the process its life, and the picture is refused."""
    async with lied_to(lie, tmp_path) as decoder:
        before = set(decoder.pids)
        assert (await refused(decoder, GOOD.body)).reason is Reason.DECODE_FAILED
        await alive(decoder, 2, new_since=before)


async def test_shared_memory_can_be_neither_pulled_away_nor_changed_later(tmp_path: Path) -> None:
    """A process that was taken over cannot shrink the file under the worker, nor touch pixels it has handed over."""
    lie = """try: os.ftruncate(told["shared_file"], 0); broken = 7
except OSError: broken = 1
shared[:20000] = bytes([broken]) * 20000
send(b"P", 9, 9, 32, 4, 4)
shared[:20000] = bytes([99]) * 20000"""
    async with lied_to(lie, tmp_path) as decoder:
        found: list[DecodedImage] = [await decoder.decode(GOOD) for _ in range(5)]
    for one in found:  # a byte written late may be in the copy, but what is copied stays
        assert set(np.unique(one.pixels)) <= {1, 99}
        was = one.pixels.copy()
        assert np.array_equal(one.pixels, was) and one.pixels.flags.writeable


NO_SECCOMP = """
import asyncio, ctypes, struct, sys
from worker.decode import DecodePolicy, Decoder
from worker.errors import FatalError
from worker.metrics import Metrics
steps = [(0x20, 0, 0, 0), (0x15, 0, 1, {number}), (6, 0, 0, 0x00050016), (6, 0, 0, 0x7FFF0000)]
program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, struct.pack("@HP", len(steps), ctypes.addressof(program)), 0, 0) == 0
async def start(confine):
    decoder = Decoder(DecodePolicy(confine=confine), Metrics())
    try:
        await decoder.start()
        print("started")
    except FatalError as error:
        print(error)
    await decoder.close()
asyncio.run(start("full"))
asyncio.run(start("limits"))
"""


def test_no_filter_no_start() -> None:
    """On a kernel that takes no filter the worker does not start, says which setting does without, and that works."""
    number = {"x86_64": 317, "aarch64": 277}[platform.machine()]
    found = subprocess.run(
        [sys.executable, "-c", NO_SECCOMP.format(number=number)], capture_output=True, cwd=ROOT, text=True, check=True
    )
    first, second = found.stdout.splitlines()
    assert "takes no seccomp filter" in first and "decode.confine = limits" in first
    assert second == "started"


async def test_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    """A broken installation is the operator's business, in words."""
    _jail_in(tmp_path, "raise ImportError('libjpeg is missing')")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(FatalError, match="libjpeg is missing"):
            async with pool():
                raise AssertionError("it started")
    finally:
        sys.path.remove(str(tmp_path))
