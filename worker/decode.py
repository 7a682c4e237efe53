"""Picture bytes to pixels, in expendable processes: a picture that kills or hangs its process costs that process
only. One process more than may be busy is always kept, so that the next picture never waits for a start.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Literal, TypeVar

import structlog

from model.geometry import Framing
from model.pictures.decode import MAX_PIXELS, MAX_PIXELS_JPEG, READING_SIDE
from schemas.deadletter import Reason, Stage
from worker.decoding.cell import Cell, GoneError, LiedError, death
from worker.decoding.confine import PATIENCE
from worker.decoding.jail import JailLimits
from worker.errors import FatalError, RejectedError
from worker.item import DecodedImage, FetchedImage
from worker.metrics import Metrics

log = structlog.get_logger(__name__)
T = TypeVar("T")

_ENDED = "it ended while it was idle"
_NUM_SPARES = 1
_START_WAITS = (0.0, 0.5, 2.0, 8.0)  # seconds before each try to start a process


@dataclass(frozen=True, slots=True)
class DecodePolicy:
    """How many processes, and what one picture may cost. ``seconds``: of processor time; ``patience`` times that by the
    clock, as a busy machine is not the picture's fault: one that steps back (`worker.decoding.jail`) may be left a
    tenth of a processor there. ``reading_side`` 0: no copy for OCR.
    """

    num_processes: int = 1
    memory_bytes: int = 1 << 30
    seconds: float = 4.0
    patience: float = PATIENCE
    max_body_bytes: int = 10 << 20
    max_pixels_jpeg: int = MAX_PIXELS_JPEG
    max_pixels: int = MAX_PIXELS
    framing: Framing = field(default_factory=lambda: Framing(224))
    reading_side: int = READING_SIDE
    pictures_per_process: int = 5000  # codecs leak; a fresh process does not
    avif: bool = False
    confine: Literal["full", "limits"] = "full"

    @property
    def limits(self) -> JailLimits:
        """What the processes are told."""
        return JailLimits(
            self.memory_bytes, self.seconds, self.max_pixels_jpeg, self.max_pixels, self.framing.side,
            self.reading_side, self.avif, self.framing.fit, self.framing.crop_share, self.framing.interpolation,
        )  # fmt: skip


class Decoder:
    """The pool of processes. Runs on the event loop, which only copies bytes."""

    def __init__(self, policy: DecodePolicy, metrics: Metrics) -> None:
        self._policy = policy
        self._metrics = metrics
        self._turns = asyncio.Semaphore(policy.num_processes)
        self._idle: asyncio.Queue[Cell | None] = asyncio.LifoQueue()  # None: there will be no more
        self._cells: set[Cell] = set()
        self._busy: set[Cell] = set()
        self._tasks: set[asyncio.Task[object]] = set()
        self._fatal = FatalError("no decoder process can be started")
        self._is_closed = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that are alive, busy or idle."""
        return tuple(cell.pid for cell in self._cells if cell.pid is not None and cell.is_alive)

    async def start(self) -> None:
        """Start all processes side by side. Raises FatalError when one cannot be started or confined."""
        starts = (self._start_cell() for _ in range(self._policy.num_processes + _NUM_SPARES))
        for found in await asyncio.gather(*starts, return_exceptions=True):
            if isinstance(found, BaseException):
                await self.close()
                raise found
            self._idle.put_nowait(found)

    async def decode(self, fetched: FetchedImage) -> DecodedImage:
        """The picture's pixels, in arrays of their own. Raises RejectedError, stage ``decode``; FatalError when no
        process can be had.

        Who is cancelled before its turn costs nothing; after that the process finishes, as sound as before.
        """
        if len(fetched.body) > (limit := self._policy.max_body_bytes):
            raise RejectedError(
                Reason.BODY_TOO_LARGE, Stage.DECODE, f"{len(fetched.body):,} bytes, not above {limit:,}"
            )
        await self._turns.acquire()
        answer = await asyncio.shield(self._in_background(self._decode(fetched)))
        outcome = answer.reason.value if isinstance(answer, RejectedError) else "decoded"
        self._metrics.decode_outcomes.labels(outcome).inc()
        if isinstance(answer, RejectedError):
            raise answer
        return answer

    async def close(self) -> None:
        """End all processes, at once: they hold nothing."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for cell in list(self._cells):
            await self._end(cell)

    async def _decode(self, fetched: FetchedImage) -> DecodedImage | RejectedError:
        try:
            answer, code = await self._try(fetched)
            if code == -signal.SIGKILL:  # by nobody of ours: not the picture's fault
                answer, _ = await self._try(fetched)
            return answer
        finally:
            self._turns.release()

    async def _try(self, fetched: FetchedImage) -> tuple[DecodedImage | RejectedError, int | None]:
        """The answer, and how the process ended if it did."""
        cell = await self._take()
        self._busy.add(cell)
        try:
            return await self._ask(cell, fetched)
        finally:
            self._busy.discard(cell)

    async def _ask(self, cell: Cell, fetched: FetchedImage) -> tuple[DecodedImage | RejectedError, int | None]:
        patience = self._policy.patience * self._policy.seconds
        try:
            async with asyncio.timeout(patience):
                answer = await cell.ask(fetched)
        except TimeoutError:
            await self._replace(cell, "stuck")
            return _failed(f"no answer within {patience:g} s by the clock (decode.seconds)"), None
        except LiedError as error:
            await self._replace(cell, str(error))
            return _failed(f"{error}: this picture may be an attack"), None
        except GoneError as error:
            code = await cell.post_mortem()
            await self._replace(cell, f"{error} (exit {code})")
            return _failed(death(code, self._policy.seconds)), code
        except Exception as error:  # nobody thought of it: so nobody knows what the process will say next
            log.exception("decoder_process_not_understood")
            await self._replace(cell, f"asking it failed: {type(error).__name__}")
            return _failed("what the decoder process answered cannot be used: this picture may be an attack"), None
        if cell.num_pictures < self._policy.pictures_per_process:
            self._idle.put_nowait(cell)
        else:
            await self._replace(cell, "")
        return answer, None

    async def _take(self) -> Cell:
        while cell := await self._idle.get():
            if cell.is_alive:
                return cell
            if cell in self._cells:
                await self._replace(cell, _ENDED)
        self._idle.put_nowait(None)
        raise self._fatal

    async def _replace(self, cell: Cell, trouble: str) -> None:
        """End a process that is worn, or in trouble; the spare serves while the next one starts."""
        if trouble:
            self._metrics.decoder_restarts.inc()
            log.warning("decoder_process_replaced", trouble=trouble)
        self._in_background(self._refill())
        await self._end(cell)

    async def _refill(self) -> None:
        for wait in _START_WAITS:
            await asyncio.sleep(wait)
            try:
                self._idle.put_nowait(await self._start_cell())
            except FatalError as error:
                self._fatal = error
                log.warning("decoder_process_not_started", error=str(error))
            else:
                return
        self._idle.put_nowait(None)

    async def _start_cell(self) -> Cell:
        cell = Cell(self._policy.limits, self._policy.confine, self._policy.max_body_bytes)
        await cell.start()
        self._cells.add(cell)
        self._in_background(self._watch(cell))
        return cell

    async def _watch(self, cell: Cell) -> None:
        """A spare that is dead is none: who ends while idle is replaced before somebody needs it."""
        await cell.ended()
        if cell in self._cells and cell not in self._busy:
            await self._replace(cell, _ENDED)

    async def _end(self, cell: Cell) -> None:
        self._cells.discard(cell)
        await cell.end()

    def _in_background(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _failed(detail: str) -> RejectedError:
    return RejectedError(Reason.DECODE_FAILED, Stage.DECODE, detail)
