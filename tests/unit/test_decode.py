"""The pool of decoder processes: what a bad picture, a dead process or a lying one costs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from structlog.testing import capture_logs

from model.geometry import Framing
from model.pictures.decode import BadPictureError
from schemas.deadletter import Reason
from tests.polling import until
from tests.unit.decoder_pools import GOOD, alive, encoded, jail_in, pool, refused
from worker.decode import DecodePolicy
from worker.decoding.jail import JailLimits, decode
from worker.errors import FatalError, RejectedError
from worker.item import FetchedImage
from worker.metrics import Metrics

LIMITS = JailLimits(1 << 30, 10.0, 1_000_000, 500_000, 32, 64)
ROOT = Path(__file__).parents[2]


def scans(size: tuple[int, int], count: int) -> bytes:
    """A progressive JPEG that repeats its last scan so many times."""
    body = encoded(Image.new("RGB", size, (10, 200, 30)), progressive=True, subsampling=0)
    at = body.rindex(b"\xff\xda")
    return body[:at] + body[at:-2] * count + body[-2:]


COSTLY = scans((7000, 7000), 10)


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


async def test_pictures_cancelled_before_their_turn_are_decoded_for_nobody() -> None:
    """A rewind cancels all that wait: one more behind them comes at once."""
    async with pool(num_processes=1) as decoder:
        waiting = [asyncio.create_task(decoder.decode(GOOD)) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        for task in waiting[1:]:
            task.cancel()
        await asyncio.wait(waiting)
        await decoder.decode(GOOD)
        assert sum(cell.num_pictures for cell in decoder._cells) == 2


async def test_body_beyond_the_shared_memory_is_refused() -> None:
    """What does not fit is not copied."""
    async with pool(max_body_bytes=50_000) as decoder:
        assert (await refused(decoder, bytes(50_001))).reason is Reason.BODY_TOO_LARGE


async def test_whatever_fails_between_worker_and_process_costs_that_picture_alone() -> None:
    """Also what nobody thought of, as a body that is no bytes: the process is replaced, and its place is not lost."""
    metrics = Metrics()
    async with pool(metrics) as decoder:
        for _ in range(3):
            before = set(decoder.pids)
            no_bytes = FetchedImage("u", "text", "0")  # type: ignore[arg-type]  # the point
            with pytest.raises(RejectedError, match="cannot be used") as caught:
                await decoder.decode(no_bytes)
            assert caught.value.reason is Reason.DECODE_FAILED
            await alive(decoder, 2, new_since=before)
        assert (await decoder.decode(GOOD)).width == 50
    assert metrics.snapshot()["decoder_restarts"] == 3


async def test_a_process_that_cannot_be_started_just_now_is_started_later() -> None:
    """Without a file descriptor left no process can be replaced; once there are some, the pool is whole again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with pool() as decoder:
        with capture_logs() as logs:

            async def was_said() -> bool:
                return "decoder_process_not_started" in {one["event"] for one in logs}

            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                os.kill(decoder.pids[0], signal.SIGKILL)
                await until(was_said)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await alive(decoder, 2)
        assert (await decoder.decode(GOOD)).width == 50


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
    jail_in(tmp_path, "raise ImportError('libjpeg is missing')")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(FatalError, match="libjpeg is missing"):
            async with pool():
                raise AssertionError("it started")
    finally:
        sys.path.remove(str(tmp_path))
