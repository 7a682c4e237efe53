"""What live traffic and a backfill share, and who goes first: turns at the decoder and the OCR engine. Noun file.

Neither can be interrupted in a picture. So work of a backfill enters only into room that live work leaves, and live
work, which never waits here, then waits inside the stage for what has begun, a picture at most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from worker.waiting import WaitingRoom

Turn = Callable[[], AbstractAsyncContextManager[None]]


class Turnstile:
    """Before a stage that can work on ``width`` pictures at a time. Owner: the event loop."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._num_inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Enter at once."""
        self._num_inside += 1
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def spare(self) -> AsyncIterator[None]:
        """Enter when there is room that nobody else uses; first come, first served."""
        await self._room()
        try:
            yield
        finally:
            self._leave()

    async def _room(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # let in and cancelled in the same turn of the loop
            raise

    def _leave(self) -> None:
        self._num_inside -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._num_inside < self._width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._num_inside += 1
                turn.set_result(None)


@dataclass(frozen=True, slots=True)
class Lane:
    """One rank's way to what is shared: its queue before the device, its turns at decoder and OCR engine."""

    room: WaitingRoom
    decode: Turn
    read: Turn


@dataclass(frozen=True, slots=True)
class Crossing:
    """The turnstiles that two lanes pass, one before each shared stage."""

    decode: Turnstile
    read: Turnstile = field(default_factory=lambda: Turnstile(1))

    def live(self, room: WaitingRoom) -> Lane:
        """The way of live traffic."""
        return Lane(room, self.decode.live, self.read.live)

    def spare(self, room: WaitingRoom) -> Lane:
        """The way of a backfill."""
        return Lane(room, self.decode.spare, self.read.spare)
