"""What the shared store holds and what verifies of it: never an error, never a value that is not believed.

A store and a codec promise not to raise. But what they read was written by others, with libraries of others, and
whoever waits for a look-up waits for ever if it dies. So whatever they raise all the same is a miss here, said loudly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from worker.cache.vector_store import VectorStore

log = structlog.get_logger(__name__)
T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Codec(Protocol[T_co]):
    """Verifies values of one kind."""

    def decode(self, key: str, value: bytes) -> T_co | None:
        """The value stored under ``key``, or None for anything that does not verify."""
        ...


async def look_up(
    store: VectorStore, codec: Codec[T], keys: Sequence[str], count: Callable[[str, int], object]
) -> dict[str, T]:
    """What is there and verifies, by key. ``count`` is told an outcome and of how many keys; each is counted once."""
    try:
        looked = await store.get_many(keys)
        if looked.outcome != "answered":
            count(looked.outcome, len(keys))
            return {}
        there = {key: value for key, value in zip(keys, looked.values, strict=True) if value is not None}
        decoded = {key: codec.decode(key, value) for key, value in there.items()}
    except Exception:  # a cache costs time, never an event
        log.exception("cache.look_up_failed", keys=len(keys), effect="counted as an error, and computed instead")
        count("error", len(keys))
        return {}
    found = {key: one for key, one in decoded.items() if one is not None}
    for outcome, number in (
        ("hit", len(found)), ("bad_value", len(there) - len(found)), ("miss", len(keys) - len(there)),
    ):  # fmt: skip
        count(outcome, number)
    return found
