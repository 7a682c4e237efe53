"""Sole owner of the OCR engine: the lane beside the device.

Reading is 20 to 50 times dearer per picture than tagging it, on a CPU. So pictures wait in a queue of their own,
several are read in one call, the same picture (by content hash) is read once while it is in flight or remembered, and
the device never waits for this lane.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from model.errors import OutOfMemoryError
from model.types import ReadText, TextReader
from schemas.deadletter import Reason, Stage
from worker.cache.read_memory import ReadMemory
from worker.cache.shared_texts import SharedTexts
from worker.clock import Clock, MonotonicClock
from worker.errors import RejectedError
from worker.flow.reading_streak import ReadingStreak
from worker.item import DecodedImage, UnreadText
from worker.machine.owner_thread import OwnerThread
from worker.metrics import Metrics
from worker.telemetry.redact import describe

log = structlog.get_logger(__name__)

_MAX_BATCH = 8  # pictures in one call of the engine

Answer = ReadText | UnreadText | RejectedError


class Read:
    """The OCR thread, its queue, and what was read lately."""

    def __init__(self, load: Callable[[], TextReader], metrics: Metrics, *, clock: Clock | None = None) -> None:
        self._load = load
        self._metrics = metrics
        self._clock = clock or MonotonicClock()
        self.shared: SharedTexts | None = None  # what other workers read; set before the first picture
        self._thread = OwnerThread("hangtag-ocr")
        self._reader: TextReader | None = None
        self._remembered = ReadMemory()
        self._streak = ReadingStreak()
        self._in_flight: dict[str, asyncio.Future[Answer]] = {}
        self._waiting: deque[DecodedImage] = deque()
        self._pump: asyncio.Task[None] | None = None
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def engine(self) -> str:
        """What the engine's networks run on; empty before ``start``."""
        return self._reader.engine if self._reader is not None else ""

    @property
    def num_waiting(self) -> int:
        """Pictures in the lane, the ones being read included."""
        return len(self._in_flight)

    @property
    def is_broken(self) -> bool:
        """Has the engine failed on every picture of late? Until it reads one, failures are the listings' again."""
        return self._streak.is_broken

    async def start(self) -> str:
        """Load the engine; returns its revision."""
        return await self._thread.start(self._open)

    async def read(self, image: DecodedImage) -> ReadText | UnreadText:
        """The text in a picture, or why the engine failed on it alone.

        Raises RejectedError (``model_failed``) when that is no fault of the picture's: the engine is broken, or memory
        has run out.
        """
        known = self._remembered.get(image.sha256)
        if known is not None:
            self._metrics.read_pictures.labels("remembered").inc()
            return known
        begun = self._in_flight.get(image.sha256)
        if begun is not None:
            self._metrics.read_pictures.labels("shared").inc()
        # Shielded: a listing that is given up must not take the answer from others who wait for the same picture.
        answer = await asyncio.shield(begun or self._begin(image))
        if isinstance(answer, RejectedError):
            raise answer
        return answer

    async def close(self) -> None:
        """End the lane after the call that is running."""
        for task in (self._pump, *self._asking):
            if task is not None:
                task.cancel()
        await self._thread.close()

    def _begin(self, image: DecodedImage) -> asyncio.Future[Answer]:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._in_flight[image.sha256] = answer
        if self.shared is not None and self.shared.enabled:
            asking = asyncio.create_task(self._ask_others(image, self.shared), name="ocr-recall")
            self._asking.add(asking)
            asking.add_done_callback(self._asking.discard)
        else:
            self._enqueue(image)
        return answer

    async def _ask_others(self, image: DecodedImage, shared: SharedTexts) -> None:
        """Another worker may have read this picture; what it read need not wait in the lane."""
        text = await shared.look_up(image.sha256)
        answer = self._in_flight.get(image.sha256)
        if answer is None:  # the lane broke down meanwhile, and told everybody
            return
        if text is None:
            self._enqueue(image)
            return
        del self._in_flight[image.sha256]
        self._metrics.read_pictures.labels("recalled").inc()
        self._remembered.keep(image.sha256, text)
        answer.set_result(text)

    def _enqueue(self, image: DecodedImage) -> None:
        self._waiting.append(image)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._drain(), name="ocr-lane")
            self._pump.add_done_callback(self._pass_on_failure)

    async def _drain(self) -> None:
        while self._waiting:
            images = [self._waiting.popleft() for _ in range(min(_MAX_BATCH, len(self._waiting)))]
            answers = await self._thread.run(lambda images=images: self._read_or_split(images))  # type: ignore[misc]
            for image, answer in zip(images, answers, strict=True):
                self._settle(image.sha256, answer)

    def _pass_on_failure(self, pump: asyncio.Task[None]) -> None:
        """The lane broke down (not one picture: the lane): everybody who waits must hear of it."""
        if pump.cancelled() or (error := pump.exception()) is None:
            return
        self._waiting.clear()
        for answer in self._in_flight.values():
            answer.set_exception(error)
        self._in_flight.clear()

    def _settle(self, sha256: str, answer: Answer) -> None:
        if not isinstance(answer, RejectedError):
            answer = self._judged(sha256, answer)
        self._in_flight.pop(sha256).set_result(answer)
        if not isinstance(answer, ReadText):
            self._metrics.read_pictures.labels("failed").inc()
            return
        self._metrics.read_pictures.labels("text" if answer.lines else "empty").inc()
        self._remembered.keep(sha256, answer)
        if self.shared is not None:
            self.shared.keep(sha256, answer)

    def _judged(self, sha256: str, answer: ReadText | UnreadText) -> Answer:
        """The same, or the listing's error where it is the engine that fails."""
        was_broken = self._streak.is_broken
        if isinstance(answer, ReadText):
            self._streak.was_read()
        else:
            self._streak.failed(sha256, self._clock.now())
        is_broken = self._streak.is_broken
        if is_broken != was_broken:
            self._metrics.ocr_broken.set(is_broken)
            if is_broken:
                log.error("read.engine_broken", effect="listings whose pictures it fails on become dead letters")
            else:
                log.info("read.engine_reads_again")
        if isinstance(answer, UnreadText) and is_broken:
            return RejectedError(answer.reason, Stage.READ, f"{answer.detail}; it has failed on all others of late")
        return answer

    # ---- on the OCR thread --------------------------------------------------------------------------------------

    def _open(self) -> str:
        self._reader = self._load()
        return self._reader.revision

    def _read_or_split(self, images: Sequence[DecodedImage]) -> list[Answer]:
        assert self._reader is not None  # noqa: S101  # start() comes first
        try:
            texts = self._reader.read([image.reading_pixels for image in images])
        except BaseException as error:  # whatever the engine raises, panics too, it is these pictures' business alone
            if len(images) == 1:
                log.warning("read.picture_failed", sha256=images[0].sha256, error=describe(error))
                return [_answer_for(error)]
        else:
            if len(texts) == len(images):
                return list(texts)
            raise RuntimeError(f"the OCR engine returned {len(texts)} results for {len(images)} pictures")
        middle = len(images) // 2
        return self._read_or_split(images[:middle]) + self._read_or_split(images[middle:])


def _answer_for(error: BaseException) -> UnreadText | RejectedError:
    """What a failure on one picture alone means: its fault, but for memory, which may be there another time."""
    rejected = RejectedError(
        Reason.MODEL_FAILED, Stage.READ, f"the OCR engine failed on this picture: {describe(error)}"
    )
    is_memory = isinstance(error, OutOfMemoryError | MemoryError)
    return rejected if is_memory else UnreadText(rejected.reason, rejected.detail)
