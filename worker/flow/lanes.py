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

from worker.flow.waiting import WaitingRoom

Passage = Callable[[], AbstractAsyncContextManager[None]]


class Turnstile:
    """Before a stage that can work on ``width`` pictures at a time. Owner: the event loop."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._num_inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def live(self) -> AbstractAsyncContextManager[None]:
        """Enter at once."""
        return _Live(self)

    @asynccontextmanager
    async def spare(self) -> AsyncIterator[None]:
        """Enter when there is room that nobody else uses; first come, first served."""
        await self._room()
        try:
            yield
        finally:
            self.leave()

    async def _room(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._wake()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # let in and cancelled in the same turn of the loop
            raise

    def enter_at_once(self) -> None:
        """A live picture comes in, whether there is room or not."""
        self._num_inside += 1

    def leave(self) -> None:
        """One is done."""
        self._num_inside -= 1
        self._wake()

    def _wake(self) -> None:
        while self._waiting and self._num_inside < self._width:
            turn = self._waiting.popleft()
            if not turn.done():
                self._num_inside += 1
                turn.set_result(None)


class _Live:
    """A live picture's way through."""

    __slots__ = ("_turnstile",)

    def __init__(self, turnstile: Turnstile) -> None:
        self._turnstile = turnstile

    async def __aenter__(self) -> None:
        self._turnstile.enter_at_once()

    async def __aexit__(self, *_: object) -> None:
        self._turnstile.leave()


@dataclass(frozen=True, slots=True)
class Lane:
    """One rank's way to what is shared: its queue before the device, its turns at decoder and OCR engine."""

    room: WaitingRoom
    decode: Passage
    read: Passage


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
