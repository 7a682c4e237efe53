"""Writing to a store behind the work's back: what was computed is offered, and written when there is time.

Owner: the event loop. What cannot be written, or waits when the process ends, is computed again some day.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from worker.cache.vector_store import VectorStore, Written

_MAX_VALUES = 32


class WriteBehind:
    """A queue of ``max_waiting`` offers in front of a store, which is opened and closed by whoever owns it. What waits
    is written together, 32 values at once or little more.

    ``tell`` hears how each write went. Closing waits for ``close_seconds`` at most.
    """

    def __init__(
        self, store: VectorStore, max_waiting: int, close_seconds: float, tell: Callable[[Written], None]
    ) -> None:
        self._store = store
        self._close_seconds = close_seconds
        self._tell = tell
        self._waiting: asyncio.Queue[Mapping[str, bytes]] = asyncio.Queue(max_waiting)
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin writing."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="hangtag-write-behind")

    async def close(self) -> None:
        """Write what waits, and end."""
        if self._writer is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._close_seconds):
                await self._waiting.join()
        self._writer.cancel()
        await asyncio.wait([self._writer])

    def offer(self, values: Mapping[str, bytes]) -> bool:
        """Leave values by key to be written; False when too much waits, and these are dropped."""
        try:
            self._waiting.put_nowait(values)
        except asyncio.QueueFull:
            return False
        return True

    async def _write_for_ever(self) -> None:
        while True:
            offers = [await self._waiting.get()]
            while sum(map(len, offers)) < _MAX_VALUES and not self._waiting.empty():
                offers.append(self._waiting.get_nowait())
            try:
                self._tell(await self._store.put_many({key: value for one in offers for key, value in one.items()}))
            finally:
                for _ in offers:
                    self._waiting.task_done()
