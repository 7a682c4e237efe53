"""What other workers read in a picture, and where this one leaves what it reads: Redis, asked by content hash.

Everything runs on the event loop. As with title vectors, no trouble with Redis is an error: a look-up then finds
nothing, within the store's budget, and the picture is read here.
"""

from __future__ import annotations

from model.types import ReadText
from worker.cache.look_up import look_up
from worker.cache.text_codec import TextCodec
from worker.cache.vector_store import VectorStore
from worker.cache.write_behind import WriteBehind
from worker.metrics import Metrics

_MAX_WAITING = 256  # values; reading is slow, so hardly any wait
_CLOSE_SECONDS = 2.0


class SharedTexts:
    """One store for all workers. The store itself is opened and closed by whoever owns it."""

    def __init__(self, store: VectorStore, codec: TextCodec, metrics: Metrics) -> None:
        self._store = store
        self._codec = codec
        self._metrics = metrics
        self._writes = WriteBehind(store, _MAX_WAITING, _CLOSE_SECONDS, lambda _: None)

    @property
    def enabled(self) -> bool:
        """False: asking is a waste."""
        return self._store.enabled

    async def start(self) -> None:
        """Begin writing in the background."""
        self._writes.start()

    async def close(self) -> None:
        """Write what waits, for as long as closing may take."""
        await self._writes.close()

    async def look_up(self, sha256: str) -> ReadText | None:
        """What another worker read in the picture with this content, if that is there and verifies."""
        if not self._store.enabled:
            return None
        key = self._codec.key_for(sha256)
        found = await look_up(self._store, self._codec, [key], self._count)
        return found.get(key)

    def keep(self, sha256: str, text: ReadText) -> None:
        """Leave it to the others, later; dropped while too much waits."""
        key = self._codec.key_for(sha256)
        if self._store.enabled and (value := self._codec.encode(key, text)) is not None:
            self._writes.offer({key: value})

    def _count(self, outcome: str, number: int) -> None:
        self._metrics.read_lookups.labels(outcome).inc(number)
