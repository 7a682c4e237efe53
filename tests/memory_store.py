"""A vector store in this process, that keeps the promises of ``VectorStore``: held to them by the contract tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from worker.cache.vector_store import Looked, LookupOutcome, Written


class MemoryVectorStore:
    """A dict. ``outcome`` makes each look-up and write fail that way; ``num_lookups`` and ``num_writes`` count."""

    enabled = True

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.outcome: LookupOutcome = "answered"
        self.num_lookups = 0
        self.num_writes = 0

    async def start(self) -> None:
        """Nothing to connect."""

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """One value or None per key, in order."""
        self.num_lookups += 1
        if self.outcome != "answered":
            return Looked((None,) * len(keys), self.outcome)
        return Looked(tuple(self.values.get(key) for key in keys), "answered")

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """Store all."""
        self.num_writes += 1
        if self.outcome != "answered":
            return Written(0, len(values))
        self.values.update(values)
        return Written(len(values), 0)

    async def close(self) -> None:
        """Forget nothing: a shared cache outlives its clients."""


class BrokenVectorStore(MemoryVectorStore):
    """One whose look-ups raise, which no store may."""

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """Never answer."""
        raise TypeError(f"an answer that nobody thought of, for {len(keys)} keys")
