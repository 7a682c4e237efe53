"""How late the event loop itself is: what a busy machine adds to every time that is measured on it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Self

_BEAT_SECONDS = 0.002


class Metronome:
    """``async with``; ``take_worst()`` gives the longest delay of a beat since it was last asked."""

    def __init__(self) -> None:
        self._beating: asyncio.Task[None] | None = None
        self._last = 0.0
        self._worst = 0.0

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

    def take_worst(self) -> float:
        """Seconds; a beat that is late right now counts."""
        worst = max(self._worst, time.monotonic() - self._last - _BEAT_SECONDS)
        self._worst = 0.0
        return worst

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self._worst = max(self._worst, now - self._last - _BEAT_SECONDS)
            self._last = now
