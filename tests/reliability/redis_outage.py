"""Redis dies, comes back empty, and is swallowed by the network, while batches of titles go on being looked up."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

import numpy as np

from tests.fault_proxy import FaultProxy
from tests.metronome import Metronome
from tests.reliability.suite import Row, Trial
from tests.servers.redis import OwnRedis
from worker.cache.vector_codec import Vector, VectorCodec, as_stored
from worker.cache.vector_store import Looked, LookupOutcome, RedisVectorStore, Written
from worker.metrics import Metrics
from worker.recall import Recall, RecallPolicy

TITLE = "Redis outages"

DIM = 384
_BATCH, _PAUSE_SECONDS = 16, 0.004  # some 200 batches a second: several times what a device takes
_NUM_TITLES = 2_500  # more than the process remembers, so that Redis is asked
_CLEAN_SECONDS, _OUTAGE_SECONDS = 1.0, 2.5
_MAX_RECOVERY_SECONDS, _MAX_ADDED_SECONDS = 10.0, 0.060

Phase = Literal["clean", "out", "recovering"]


class WatchedStore:
    """A store that remembers how its last look-up ended."""

    enabled = True

    def __init__(self, store: RedisVectorStore) -> None:
        self._store = store
        self.last: LookupOutcome = "off"

    async def start(self) -> None:
        """See `VectorStore`."""
        await self._store.start()

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """See `VectorStore`."""
        looked = await self._store.get_many(keys)
        self.last = looked.outcome
        return looked

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """See `VectorStore`."""
        return await self._store.put_many(values)

    async def close(self) -> None:
        """See `VectorStore`."""
        await self._store.close()


@dataclass(slots=True)
class Stream:
    """Batches, one after the other, as the pipeline asks: look up, settle, compute what is missing, keep."""

    recall: Recall
    store: WatchedStore
    titles: list[str]
    metronome: Metronome
    phase: Phase = "clean"
    seconds: dict[Phase, list[float]] = field(default_factory=lambda: {"clean": [], "out": [], "recovering": []})
    met: list[float] = field(default_factory=list)  # look-ups that ran into the outage: not answered, not shut out
    late: list[float] = field(default_factory=list)  # how late the event loop was meanwhile, for each of ``met``
    num_failed: int = 0
    num_titles: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Until cancelled."""
        place = 0
        while True:
            chosen = [(place + step) % len(self.titles) for step in range(_BATCH)]
            place += _BATCH
            try:
                await self._batch(chosen)
            except Exception:  # whatever it is, a listing would have died of it
                self.num_failed += 1
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _batch(self, chosen: Sequence[int]) -> None:
        titles = [self.titles[number] for number in chosen]
        phase = self.phase
        self.metronome.take_late()
        began = time.perf_counter()
        recalled = await self.recall.look_up(titles)
        took = time.perf_counter() - began
        self.seconds[phase].append(took)
        self._note(took, self.metronome.take_late())
        true = [vector_of(number) for number in chosen]
        found = self.recall.settle(recalled)
        if any(
            one is not None and not np.array_equal(one, as_stored(own)) for one, own in zip(found, true, strict=True)
        ):
            raise AssertionError("a vector of another title")
        self.recall.keep(titles, [own if one is None else None for one, own in zip(found, true, strict=True)])
        self.num_titles += len(titles)

    def _note(self, took: float, late: float) -> None:
        if self.store.last == "answered":
            self.answered.set()
        elif self.store.last in ("timeout", "error"):
            self.met.append(took)
            self.late.append(late)


def vector_of(number: int) -> Vector:
    """What the model would compute for a title, ``(DIM,)`` float32."""
    return np.sin(np.arange(DIM, dtype=np.float32) * (number + 1) / 7)


async def run(trial: Trial) -> list[Row]:
    """Kills and black holes in turn, in one stream."""
    num_each = trial.size(short=1, full=10)
    redis = OwnRedis()
    await asyncio.to_thread(redis.start)
    host = urlsplit(redis.url)
    metrics = Metrics()
    recoveries = []
    async with FaultProxy(host.hostname or "", host.port or 0) as proxy, Metronome() as metronome:
        store = WatchedStore(RedisVectorStore(f"redis://127.0.0.1:{proxy.port}/0"))
        recall = Recall(store, VectorCodec("r1", DIM), metrics, RecallPolicy(process_tier_max_items=0))
        stream = Stream(recall, store, [f"title {number}" for number in range(_NUM_TITLES)], metronome)
        await recall.start()
        work = asyncio.create_task(stream.run())
        try:
            await _clean(stream, trial.size(short=3, full=10))
            for number in range(2 * num_each):
                kind = ("kill", "black hole")[number % 2]
                recoveries.append(await _outage(kind, redis, proxy, stream))
                trial.say(f"  {kind} {number // 2 + 1}: recovered after {recoveries[-1]:.2f} s")
        finally:
            work.cancel()
            await asyncio.wait([work])
            await recall.close()
            redis.stop()
    return _rows(num_each, stream, recoveries, metrics)


async def _clean(stream: Stream, seconds: float) -> None:
    stream.phase = "clean"
    async with asyncio.timeout(_MAX_RECOVERY_SECONDS):
        await stream.answered.wait()
    await asyncio.sleep(seconds)


async def _outage(kind: str, redis: OwnRedis, proxy: FaultProxy, stream: Stream) -> float:
    """Seconds from the moment Redis is back until a look-up is answered again."""
    stream.phase = "out"
    if kind == "kill":
        redis.stop()
    else:
        proxy.swallow()
    await asyncio.sleep(_OUTAGE_SECONDS)
    if kind == "kill":
        await asyncio.to_thread(redis.start)
    else:
        proxy.flow()
    began = time.monotonic()
    stream.phase = "recovering"
    stream.answered.clear()
    await stream.answered.wait()
    seconds = time.monotonic() - began
    await _clean(stream, _CLEAN_SECONDS)
    return seconds


def _rows(num_each: int, stream: Stream, recoveries: Sequence[float], metrics: Metrics) -> list[Row]:
    base, out = _p99(stream.seconds["clean"]), _p99([*stream.seconds["out"], *stream.seconds["recovering"]])
    late = _p99(stream.late)
    own = _p99([max(0.0, took - late) for took, late in zip(stream.met, stream.late, strict=True)])
    lookups = metrics.snapshot()["cache_lookups"]
    assert isinstance(lookups, dict)
    return [
        Row("Outages: process killed and restarted, connections swallowed", "10 + 10 in the full form",
            f"{num_each} + {num_each}", None),
        Row("Titles looked up, batches of 16", "≥ 20,000 in the full form", f"{stream.num_titles:,}", None),
        Row("Batches that failed or got a wrong vector", "0", f"{stream.num_failed}", not stream.num_failed),
        Row("p99 of a batch's look-up while Redis is well", "", f"{1e3 * base:.1f} ms", None),
        Row("Added to the p99 in and after outages", "≤ 60 ms", f"{1e3 * (out - base):.1f} ms",
            out - base <= _MAX_ADDED_SECONDS),
        Row(f"p99 of the {len(stream.met)} look-ups that ran into an outage", "≤ 60 ms",
            f"{1e3 * own:.1f} ms", bool(stream.met) and own <= _MAX_ADDED_SECONDS),
        Row("The same with what the event loop was late (other processes on these cores)", "",
            f"{1e3 * _p99(stream.met):.1f} ms; late by up to {1e3 * late:.1f} ms", None),
        Row("Slowest recovery", "≤ 10 s", f"{max(recoveries):.1f} s", max(recoveries) <= _MAX_RECOVERY_SECONDS),
        Row("Values that did not verify", "0", f"{lookups.get('redis/bad_value', 0):.0f}",
            not lookups.get("redis/bad_value")),
        Row("Titles found in Redis (the cache was in use)", "> 0", f"{lookups.get('redis/hit', 0):,.0f}",
            lookups.get("redis/hit", 0) > 0),
    ]  # fmt: skip


def _p99(seconds: Sequence[float]) -> float:
    return sorted(seconds)[math.ceil(0.99 * len(seconds)) - 1] if seconds else 0.0
