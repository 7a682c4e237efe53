"""The OCR lane reads a picture once: while it is in flight, remembered here, or known to another worker."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext

import numpy as np
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from model.errors import OutOfMemoryError
from model.types import Pixels, ReadText, TextLine
from schemas.deadletter import Reason, Stage
from tests.memory_store import BrokenVectorStore, MemoryVectorStore
from worker.cache.read_memory import ReadMemory
from worker.cache.shared_texts import SharedTexts
from worker.cache.text_codec import TextCodec
from worker.errors import RejectedError
from worker.flow.reading_streak import COUNTED_SECONDS, MAX_IN_A_ROW
from worker.item import DecodedImage, UnreadText
from worker.metrics import Metrics
from worker.read import Read

SQUARE = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.25), (0.0, 0.25))
BAD = 255


class Echo:
    """A reader that reads each picture's first pixel, waits for ``gate``, and fails on pictures that are all white.

    ``is_broken``: on all pictures.
    """

    revision = "echo"
    engine = "echo"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[int] = []
        self.error: BaseException = ValueError("cannot read this")
        self.is_broken = False

    def read(self, pictures: Sequence[Pixels]) -> list[ReadText]:
        """One line per picture."""
        self.gate.wait(10)
        self.calls.append(len(pictures))
        if self.is_broken or any(picture[0, 0, 0] == BAD for picture in pictures):
            raise self.error
        return [ReadText((TextLine(f"says {picture[0, 0, 0]}", 0.9, SQUARE),)) for picture in pictures]


def image(number: int) -> DecodedImage:
    """A picture whose content is ``number``."""
    pixels = np.full((8, 8, 3), number, np.uint8)
    return DecodedImage("http://host/a.jpg", hashlib.sha256(pixels.tobytes()).hexdigest(), 8, 8, pixels, pixels)


@pytest.fixture
def reader() -> Echo:
    """The engine."""
    return Echo()


@pytest.fixture
def metrics() -> Metrics:
    """Counters from zero."""
    return Metrics()


@pytest_asyncio.fixture
async def lane(reader: Echo, metrics: Metrics) -> AsyncIterator[Read]:
    """A running lane without a shared store."""
    opened = Read(lambda: reader, metrics)
    await opened.start()
    yield opened
    await opened.close()


def counts(metrics: Metrics, name: str = "read_pictures") -> dict[str, float]:
    """What was counted."""
    found = metrics.snapshot()[name]
    assert isinstance(found, dict)
    return {key: value for key, value in found.items() if value}


def words(text: ReadText | UnreadText) -> list[str]:
    """What stands there."""
    assert isinstance(text, ReadText)
    return [line.text for line in text.lines]


async def test_same_picture_in_flight_is_read_once(lane: Read, reader: Echo, metrics: Metrics) -> None:
    """Listings that bring the same bytes at the same time share one reading, and later ones remember it; all count."""
    reader.gate.clear()
    waiting = [asyncio.create_task(lane.read(image(number))) for number in (1, 2, 1, 1)]
    await asyncio.sleep(0)
    reader.gate.set()
    found = [words(text) for text in await asyncio.gather(*waiting)]
    assert found == [["says 1"], ["says 2"], ["says 1"], ["says 1"]]
    assert words(await lane.read(image(2))) == ["says 2"]
    assert sum(reader.calls) == 2
    assert counts(metrics) == {"text": 2, "shared": 2, "remembered": 1}


async def test_pictures_that_wait_are_read_in_one_call(lane: Read, reader: Echo) -> None:
    """What gathered while the engine was busy goes to it together, so that lines are recognised in one batch."""
    reader.gate.clear()
    waiting = [asyncio.create_task(lane.read(image(number))) for number in range(9)]
    await asyncio.sleep(0)
    reader.gate.set()
    await asyncio.gather(*waiting)
    assert reader.calls == [8, 1]


async def test_bad_picture_fails_alone(lane: Read, reader: Echo, metrics: Metrics) -> None:
    """Its neighbours in the call keep their text; it is told why, counted, and asked about again another time."""
    found = await asyncio.gather(*(lane.read(image(number)) for number in (1, BAD, 3)))
    assert isinstance(found[1], UnreadText)
    assert found[1].reason is Reason.MODEL_FAILED
    assert "cannot read this" in found[1].detail
    assert [words(text) for text in (found[0], found[2])] == [["says 1"], ["says 3"]]
    assert counts(metrics) == {"text": 2, "failed": 1}
    num_calls = len(reader.calls)
    assert isinstance(await lane.read(image(BAD)), UnreadText)
    assert len(reader.calls) == num_calls + 1


class PanicException(BaseException):
    """As pyo3 raises it: no `Exception`."""


async def test_a_panic_is_the_pictures_alone(lane: Read, reader: Echo) -> None:
    """What compiled code raises past every ``except Exception`` costs one picture's text, and the lane goes on."""
    reader.error = PanicException("not a boundary")
    async with asyncio.timeout(10):
        found = await asyncio.gather(*(lane.read(image(number)) for number in (1, BAD, 3)))
        assert isinstance(found[1], UnreadText) and "PanicException" in found[1].detail
        assert [words(text) for text in (found[0], found[2])] == [["says 1"], ["says 3"]]
        assert words(await lane.read(image(4))) == ["says 4"]


@pytest.mark.parametrize("error", [MemoryError("no more"), OutOfMemoryError("no more")])
async def test_memory_that_ran_out_is_not_the_pictures_fault(lane: Read, reader: Echo, error: Exception) -> None:
    """It may be there another time, so the listing becomes a dead letter, which can be sent again."""
    reader.error = error
    with pytest.raises(RejectedError, match="no more"):
        await lane.read(image(BAD))


async def test_an_engine_that_reads_nothing_is_broken(reader: Echo, metrics: Metrics) -> None:
    """After so many different pictures in a row failures are the listings'; the first one that it reads ends that."""
    lane = Read(lambda: reader, metrics)
    await lane.start()
    reader.is_broken = True
    for number in range(MAX_IN_A_ROW - 1):
        assert isinstance(await lane.read(image(number)), UnreadText)
        assert isinstance(await lane.read(image(0)), UnreadText)  # again and again the same: nothing new
    assert (lane.is_broken, metrics.snapshot()["ocr_broken"]) == (False, 0)
    for number in (100, 101):
        with pytest.raises(RejectedError, match="all others of late") as caught:
            await lane.read(image(number))
        assert (caught.value.reason, caught.value.stage) == (Reason.MODEL_FAILED, Stage.READ)
        assert (lane.is_broken, metrics.snapshot()["ocr_broken"]) == (True, 1)
    reader.is_broken = False
    assert words(await lane.read(image(102))) == ["says 102"]
    assert (lane.is_broken, metrics.snapshot()["ocr_broken"]) == (False, 0)
    assert isinstance(await lane.read(image(BAD)), UnreadText)
    await lane.close()


class HandClock:
    """Moves when told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return self.seconds


@pytest.mark.parametrize(("apart", "is_broken"), [(COUNTED_SECONDS / MAX_IN_A_ROW, True), (4 * 3600.0, False)])
async def test_rare_pictures_that_cannot_be_read_do_not_add_up(
    reader: Echo, metrics: Metrics, apart: float, is_broken: bool
) -> None:
    """Others are known already, so nothing is read between them for days; so many within an hour are the engine's."""
    clock = HandClock()
    lane = Read(lambda: reader, metrics, clock=clock)
    await lane.start()
    assert words(await lane.read(image(200))) == ["says 200"]
    reader.is_broken = True
    for number in range(MAX_IN_A_ROW - 1):
        assert isinstance(await lane.read(image(number)), UnreadText)
        assert words(await lane.read(image(200))) == ["says 200"]  # remembered
        clock.seconds += apart
    try:
        assert isinstance(await lane.read(image(100)), UnreadText)
    except RejectedError:
        assert is_broken
    assert (lane.is_broken, metrics.snapshot()["ocr_broken"]) == (is_broken, int(is_broken))
    clock.seconds += 10 * COUNTED_SECONDS
    with pytest.raises(RejectedError) if is_broken else nullcontext():  # once broken it stays so until it reads
        await lane.read(image(101))
    assert lane.is_broken == is_broken
    await lane.close()


async def test_another_worker_need_not_read_it_again(reader: Echo, metrics: Metrics) -> None:
    """What one worker read, another finds by content hash, and remembers."""
    store = MemoryVectorStore()
    await _read_by_another(store, [1])
    lane = await _open(reader, store, metrics)
    assert [words(await lane.read(image(1))) for _ in range(2)] == [["says 1"], ["says 1"]]
    await lane.close()
    assert reader.calls == []
    assert counts(metrics) == {"recalled": 1, "remembered": 1}
    assert counts(metrics, "read_lookups") == {"hit": 1}


async def test_damaged_value_is_read_again(reader: Echo, metrics: Metrics) -> None:
    """A value that does not verify is a miss, counted as such."""
    store = MemoryVectorStore()
    await _read_by_another(store, [1])
    store.values = {key: value[:-1] + b"?" for key, value in store.values.items()}
    lane = await _open(reader, store, metrics)
    assert words(await lane.read(image(1))) == ["says 1"]
    await lane.close()
    assert reader.calls == [1]
    assert counts(metrics, "read_lookups") == {"bad_value": 1}


async def test_dead_store_costs_a_look_up_not_a_text(reader: Echo, metrics: Metrics) -> None:
    """With the shared store away, pictures are read as if there were none."""
    store = MemoryVectorStore()
    store.outcome = "timeout"
    lane = await _open(reader, store, metrics)
    assert words(await lane.read(image(1))) == ["says 1"]
    await lane.close()
    assert counts(metrics, "read_lookups") == {"timeout": 1}


async def test_a_store_that_breaks_its_promise_costs_a_look_up_not_a_text(reader: Echo, metrics: Metrics) -> None:
    """Whatever a look-up raises, whoever waits for the picture's text gets it, and the log says what happened."""
    lane = await _open(reader, BrokenVectorStore(), metrics)
    with capture_logs() as logs:
        async with asyncio.timeout(10):
            assert words(await lane.read(image(1))) == ["says 1"]
    await lane.close()
    assert (reader.calls, lane.num_waiting) == ([1], 0)
    assert counts(metrics, "read_lookups") == {"error": 1}
    assert [one["event"] for one in logs] == ["cache.look_up_failed"]


async def test_same_picture_is_asked_for_once(reader: Echo, metrics: Metrics) -> None:
    """While the shared store is asked, others who bring the same picture wait for the same answer."""
    store = MemoryVectorStore()
    lane = await _open(reader, store, metrics)
    await asyncio.gather(*(lane.read(image(1)) for _ in range(5)))
    await lane.close()
    assert (store.num_lookups, reader.calls) == (1, [1])


async def _open(reader: Echo, store: MemoryVectorStore, metrics: Metrics) -> Read:
    lane = Read(lambda: reader, metrics)
    revision = await lane.start()
    lane.shared = SharedTexts(store, TextCodec(revision), metrics)
    await lane.shared.start()
    return lane


async def _read_by_another(store: MemoryVectorStore, numbers: Sequence[int]) -> None:
    other = await _open(Echo(), store, Metrics())
    assert other.shared is not None
    for number in numbers:
        await other.read(image(number))
    await other.shared.close()
    await other.close()


def test_memory_is_bounded_by_pictures_and_lines() -> None:
    """Many pictures, or few with many lines: what was least lately asked for is forgotten."""
    memory = ReadMemory(max_pictures=3, max_lines=10)
    for name in ("a", "b", "c"):
        memory.keep(name, ReadText())
    memory.get("a")
    memory.keep("d", ReadText())
    assert [name for name in "abcd" if memory.get(name)] == ["a", "c", "d"]
    memory.keep("e", ReadText((TextLine("line", 1.0, SQUARE),) * 9))
    memory.keep("f", ReadText((TextLine("line", 1.0, SQUARE),) * 9))
    assert memory.get("e") is None
    assert memory.get("f") is not None
