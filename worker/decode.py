"""Picture bytes to pixels, in expendable processes: a picture that kills or hangs its process costs that process
only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass

import numpy as np
import structlog

from schemas.deadletter import Reason, Stage
from worker.errors import FatalError, RejectedError
from worker.item import DecodedImage, FetchedImage
from worker.jail import LENGTH, PICTURE, JailLimits
from worker.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DecodePolicy:
    """How many processes, and what one picture may cost. ``reading_side`` 0: no copy for OCR."""

    num_processes: int = 1
    memory_bytes: int = 1 << 30
    seconds: float = 10.0
    max_pixels_jpeg: int = 50_000_000
    max_pixels: int = 24_000_000
    model_side: int = 224
    reading_side: int = 1536
    pictures_per_process: int = 5000  # codecs leak; a fresh process does not

    @property
    def limits(self) -> JailLimits:
        """What the processes are told."""
        return JailLimits(
            self.memory_bytes, self.seconds, self.max_pixels_jpeg, self.max_pixels, self.model_side, self.reading_side
        )


@dataclass(slots=True, eq=False)
class _Cell:
    """One process."""

    process: asyncio.subprocess.Process
    num_pictures: int = 0


class Decoder:
    """The pool of processes. Runs on the event loop, which only moves bytes."""

    def __init__(self, policy: DecodePolicy, metrics: Metrics) -> None:
        self._policy = policy
        self._metrics = metrics
        self._idle: asyncio.Queue[_Cell] = asyncio.Queue()
        self._cells: set[_Cell] = set()
        self._is_closed = False

    async def start(self) -> None:
        """Start all processes. Raises FatalError when one cannot be started."""
        for cell in await asyncio.gather(*(self._spawn() for _ in range(self._policy.num_processes))):
            self._idle.put_nowait(cell)

    async def decode(self, fetched: FetchedImage) -> DecodedImage:
        """The picture's pixels. Raises RejectedError, stage ``decode``."""
        cell = await self._idle.get()
        is_sound = False
        try:
            async with asyncio.timeout(self._policy.seconds):
                answer = await self._ask(cell, fetched)
            is_sound = True
        except TimeoutError:
            answer = _failed(f"not decoded within {self._policy.seconds:g} s (decode.seconds)")
        except (asyncio.IncompleteReadError, ConnectionError):
            answer = _failed("the decoder process died of this picture")
        finally:
            await self._give_back(cell, is_sound=is_sound)
        outcome = answer.reason.value if isinstance(answer, RejectedError) else "decoded"
        self._metrics.decode_outcomes.labels(outcome).inc()
        if isinstance(answer, RejectedError):
            raise answer
        return answer

    async def close(self) -> None:
        """End all processes, at once: they hold nothing."""
        self._is_closed = True
        for cell in list(self._cells):
            await self._end(cell)

    async def _ask(self, cell: _Cell, fetched: FetchedImage) -> DecodedImage | RejectedError:
        pipe_in, pipe_out = cell.process.stdin, cell.process.stdout
        assert pipe_in is not None and pipe_out is not None  # noqa: S101  # both are pipes
        cell.num_pictures += 1
        pipe_in.write(LENGTH.pack(len(fetched.body)))
        pipe_in.write(fetched.body)
        await pipe_in.drain()
        if await pipe_out.readexactly(1) == b"E":
            told = json.loads(await pipe_out.readexactly(LENGTH.unpack(await pipe_out.readexactly(LENGTH.size))[0]))
            return RejectedError(Reason(told["reason"]), Stage.DECODE, str(told["detail"]))
        width, height, side, rows, columns = PICTURE.unpack(await pipe_out.readexactly(PICTURE.size))
        self._check(side, rows, columns)
        pixels = np.frombuffer(await pipe_out.readexactly(side * side * 3), np.uint8).reshape(side, side, 3)
        reading = np.frombuffer(await pipe_out.readexactly(rows * columns * 3), np.uint8).reshape(rows, columns, 3)
        return DecodedImage(fetched.url, fetched.sha256, width, height, pixels, reading)

    def _check(self, side: int, rows: int, columns: int) -> None:
        """A process that was taken over could claim any size; it gets no more memory here than was asked for."""
        if side != self._policy.model_side or max(rows, columns) > self._policy.reading_side:
            raise ConnectionError("the decoder process answered with sizes that nobody asked for")

    async def _give_back(self, cell: _Cell, *, is_sound: bool) -> None:
        if is_sound and cell.num_pictures < self._policy.pictures_per_process:
            self._idle.put_nowait(cell)
            return
        replacing = asyncio.create_task(self._replace(cell, is_worn=is_sound))
        await asyncio.shield(replacing)

    async def _replace(self, cell: _Cell, *, is_worn: bool) -> None:
        if not is_worn:
            self._metrics.decoder_restarts.inc()
        await self._end(cell)
        if not self._is_closed:
            self._idle.put_nowait(await self._spawn())

    async def _spawn(self) -> _Cell:
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "worker.jail", self._policy.limits.to_argument(),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20, env=_environment(),
            )  # fmt: skip
        except OSError as error:
            raise FatalError(f"a decoder process cannot be started: {error}") from error
        cell = _Cell(process)
        self._cells.add(cell)
        return cell

    async def _end(self, cell: _Cell) -> None:
        self._cells.discard(cell)
        with contextlib.suppress(ProcessLookupError):
            cell.process.kill()
        await cell.process.wait()


def _failed(detail: str) -> RejectedError:
    return RejectedError(Reason.DECODE_FAILED, Stage.DECODE, detail)


def _environment() -> dict[str, str]:
    """No secrets, no proxies: only what Python needs to find the same packages; one thread, so that memory counts
    right.
    """
    keep = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV", "LANG") if name in os.environ}
    return {**keep, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "OPENBLAS_NUM_THREADS": "1"}
