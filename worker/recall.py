"""Title vectors that need not be computed again: from this process, from Redis, or from the batch just before.

Everything runs on the event loop. A batch asks once (``look_up``), asks again just before it goes to the device
(``settle``, for what the batch before it computed in the meantime), and hands over what it computed (``keep``).
No trouble with Redis makes any of them fail, and only ``look_up`` waits, for no longer than the store's budget.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from worker.cache.look_up import look_up
from worker.cache.vector_codec import StoredVector, Vector, VectorCodec, as_stored, round_to_stored
from worker.cache.vector_store import VectorStore, Written
from worker.cache.write_behind import WriteBehind
from worker.metrics import Metrics
from worker.normalise import normalise_title

__all__ = ["Recall", "RecallPolicy", "Recalled", "as_stored"]

log = structlog.get_logger(__name__)

_MIN_ITEMS = 1_024  # a few batches, so that a title in flight twice is computed once even with the cache turned down


@dataclass(frozen=True, slots=True)
class RecallPolicy:
    """How much is remembered here, and how many batches may wait to be written to Redis."""

    process_tier_max_items: int = 50_000  # 768 bytes each with 384 dimensions
    max_waiting_writes: int = 16
    close_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Recalled:
    """What is known of a batch's titles so far. ``titles`` are normalised: the model's input, in the batch's order."""

    titles: tuple[str, ...]
    keys: tuple[str | None, ...]  # None: no title
    found: Mapping[str, StoredVector]  # (D,) fp16 by key
    missing: frozenset[str]  # keys of which nothing is known


class Recall:
    """The cache of title vectors: a bounded tier in this process in front of a shared store."""

    def __init__(
        self, store: VectorStore, codec: VectorCodec, metrics: Metrics, policy: RecallPolicy | None = None
    ) -> None:
        self._store = store
        self._codec = codec
        self._policy = policy or RecallPolicy()
        self._max_items = max(_MIN_ITEMS, self._policy.process_tier_max_items)
        self._recent: OrderedDict[str, StoredVector] = OrderedDict()  # least recently used first
        self._behind = WriteBehind(
            store, self._policy.max_waiting_writes, self._policy.close_seconds, self._count_written
        )
        self._lookups = metrics.cache_lookups
        self._writes = metrics.cache_writes

    async def start(self) -> None:
        """Open the store and begin writing in the background. Raises FatalError for an impossible ``redis.url``."""
        await self._store.start()
        self._behind.start()

    async def close(self) -> None:
        """Write what waits, for ``close_seconds`` at most, and let go of the store."""
        await self._behind.close()
        await self._store.close()

    async def look_up(self, titles: Sequence[str]) -> Recalled:
        """What this process and Redis know of the titles; Redis is asked once, for what this process lacks."""
        normal = tuple(normalise_title(title) for title in titles)
        keys = tuple(self._codec.key_for(title) if title else None for title in normal)
        found = self._from_process(dict.fromkeys(key for key in keys if key is not None))
        missing = [key for key, vector in found.items() if vector is None]
        known = {key: vector for key, vector in found.items() if vector is not None}
        if missing and self._store.enabled:
            shared = await look_up(self._store, self._codec, missing, self._count_shared)
            self._remember(shared)
            known.update(shared)
        return Recalled(normal, keys, known, frozenset(found.keys() - known.keys()))

    def settle(self, recalled: Recalled) -> list[Vector | None]:
        """One vector ``(D,)`` float32 or None per title, in order; fresh arrays. None: no title, or compute it.

        Call it just before the batch goes to the device: what other batches kept since ``look_up`` is taken up.
        """
        late = {key: self._recent[key] for key in recalled.missing if key in self._recent}
        self._lookups.labels("flight", "hit").inc(len(late))
        vectors = {**recalled.found, **late}
        return [vectors[key].astype(np.float32) if key in vectors else None for key in recalled.keys]

    def keep(self, titles: Sequence[str], vectors: Sequence[Vector | None]) -> None:
        """Remember computed vectors, here at once and in Redis later; None and what is known already are skipped.

        Raises ValueError, and keeps nothing, unless there is one vector or None per title.
        """
        new: dict[str, StoredVector] = {}
        for title, vector in zip(titles, vectors, strict=True):
            normal = normalise_title(title)
            if vector is None or not normal:
                continue
            key = self._codec.key_for(normal)
            if key not in self._recent and key not in new and self._is_sound(vector):
                new[key] = round_to_stored(vector)
        self._remember(new)
        if new and self._store.enabled:
            values = {key: self._codec.encode(key, vector) for key, vector in new.items()}
            if not self._behind.offer(values):
                self._writes.labels("dropped").inc(len(values))

    def _from_process(self, keys: Iterable[str]) -> dict[str, StoredVector | None]:
        found = {key: self._recent.get(key) for key in keys}
        for key, vector in found.items():
            if vector is not None:
                self._recent.move_to_end(key)
        num_hits = sum(vector is not None for vector in found.values())
        self._lookups.labels("process", "hit").inc(num_hits)
        self._lookups.labels("process", "miss").inc(len(found) - num_hits)
        return found

    def _is_sound(self, vector: Vector) -> bool:
        if self._codec.is_storable(vector):
            return True
        log.warning(
            "cache.vector_not_kept", shape=list(vector.shape), wanted=[self._codec.dim], why="shape or not finite"
        )
        return False

    def _remember(self, vectors: Mapping[str, StoredVector]) -> None:
        self._recent.update(vectors)
        while len(self._recent) > self._max_items:
            self._recent.popitem(last=False)

    def _count_shared(self, outcome: str, number: int) -> None:
        self._lookups.labels("redis", outcome).inc(number)

    def _count_written(self, written: Written) -> None:
        self._writes.labels("stored").inc(written.num_stored)
        self._writes.labels("failed").inc(written.num_failed)
