"""How late the event loop itself is: what a busy machine adds to every time that is measured on it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

_BEAT_SECONDS, _USUAL_SECONDS = 0.002, 0.005


class Metronome:
    """``async with``; ``take_late()`` gives by how much beats were late in all since it was last asked."""

    def __init__(self) -> None:
        self._beating: asyncio.Task[None] | None = None
        self._last = 0.0
        self._late = 0.0

    async def __aenter__(self) -> Self:
        self._last = time.monotonic()
        self._beating = asyncio.create_task(self._beat())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait([self._beating])

    def take_late(self) -> float:
        """Seconds, without what is too little to be anything but the loop's own work; a beat late right now counts."""
        late = self._late + _lateness(time.monotonic() - self._last)
        self._late = 0.0
        return late

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self._late += _lateness(now - self._last)
            self._last = now


def _lateness(seconds: float) -> float:
    late = seconds - _BEAT_SECONDS
    return late if late > _USUAL_SECONDS else 0.0
