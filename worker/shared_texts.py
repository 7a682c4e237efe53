"""What other workers read in a picture, and where this one leaves what it reads: Redis, asked by content hash.

Everything runs on the event loop. As with title vectors, no trouble with Redis is an error: a look-up then finds
nothing, within the store's budget, and the picture is read here.
"""

from __future__ import annotations

import asyncio
import contextlib

from model.types import ReadText
from worker.metrics import Metrics
from worker.text_codec import TextCodec
from worker.vector_store import VectorStore

_MAX_WAITING = 256  # values; reading is slow, so hardly any wait
_MAX_BATCH = 32


class SharedTexts:
    """One store for all workers. The store itself is opened and closed by whoever owns it."""

    def __init__(self, store: VectorStore, codec: TextCodec, metrics: Metrics, close_seconds: float = 2.0) -> None:
        self._store = store
        self._codec = codec
        self._metrics = metrics
        self._close_seconds = close_seconds
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(_MAX_WAITING)
        self._writer: asyncio.Task[None] | None = None

    @property
    def enabled(self) -> bool:
        """False: asking is a waste."""
        return self._store.enabled

    async def start(self) -> None:
        """Begin writing in the background."""
        self._writer = asyncio.create_task(self._write_for_ever(), name="hangtag-texts-writer")

    async def close(self) -> None:
        """Write what waits, for ``close_seconds`` at most."""
        if self._writer is None:
            return
        with contextlib.suppress(TimeoutError):  # what could not be written is read again some day
            async with asyncio.timeout(self._close_seconds):
                await self._waiting.join()
        self._writer.cancel()
        await asyncio.wait([self._writer])

    async def look_up(self, sha256: str) -> ReadText | None:
        """What another worker read in the picture with this content, if that is there and verifies."""
        if not self._store.enabled:
            return None
        key = self._codec.key_for(sha256)
        looked = await self._store.get_many([key])
        (value,) = looked.values
        text = None if value is None else self._codec.decode(key, value)
        outcome = looked.outcome
        if outcome == "answered":
            self._metrics.read_lookups.labels("miss" if value is None else "bad_value" if text is None else "hit").inc()
        else:
            self._metrics.read_lookups.labels(outcome).inc()
        return text

    def keep(self, sha256: str, text: ReadText) -> None:
        """Leave it to the others, later; dropped while too much waits."""
        key = self._codec.key_for(sha256)
        if self._store.enabled and (value := self._codec.encode(key, text)) is not None:
            with contextlib.suppress(asyncio.QueueFull):
                self._waiting.put_nowait((key, value))

    async def _write_for_ever(self) -> None:
        while True:
            values = [await self._waiting.get()]
            while len(values) < _MAX_BATCH and not self._waiting.empty():
                values.append(self._waiting.get_nowait())
            try:
                await self._store.put_many(dict(values))
            finally:
                for _ in values:
                    self._waiting.task_done()
