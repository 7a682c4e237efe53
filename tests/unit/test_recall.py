"""Recall: each title is asked for once, computed once, believed only when it verifies, and never a reason to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from tests.memory_store import BrokenVectorStore, MemoryVectorStore
from worker.cache.vector_codec import Vector, VectorCodec
from worker.cache.vector_store import Looked, LookupOutcome, NoVectorStore, Written
from worker.metrics import Metrics
from worker.recall import Recall, RecallPolicy, as_stored

DIM = 16
CODEC = VectorCodec("rev", DIM)


def _vector(seed: int) -> Vector:
    return np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)


class HeldStore(MemoryVectorStore):
    """Lets nothing through until ``gate`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """Wait, then answer."""
        await self.gate.wait()
        return await super().get_many(keys)

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """Wait, then store."""
        await self.gate.wait()
        return await super().put_many(values)


@pytest.fixture
def metrics() -> Metrics:
    """Counters from zero."""
    return Metrics()


@pytest.fixture
def store() -> MemoryVectorStore:
    """A shared store that outlives each Recall."""
    return MemoryVectorStore()


@pytest_asyncio.fixture
async def recall(store: MemoryVectorStore, metrics: Metrics) -> AsyncIterator[Recall]:
    """A running Recall."""
    opened = Recall(store, CODEC, metrics)
    await opened.start()
    yield opened
    await opened.close()


async def _fill(store: MemoryVectorStore, titles: Sequence[str], vectors: Sequence[Vector]) -> None:
    """Another worker computed these."""
    other = Recall(store, CODEC, Metrics())
    await other.start()
    other.keep(titles, vectors)
    await other.close()


def _counts(metrics: Metrics) -> dict[str, float]:
    found = metrics.snapshot()["cache_lookups"]
    assert isinstance(found, dict)
    return {key: value for key, value in found.items() if value}


def _same(found: Vector | None, wanted: Vector) -> bool:
    return found is not None and found.dtype == np.float32 and np.array_equal(found, wanted)


async def test_unknown_titles_are_left_to_the_model(recall: Recall, metrics: Metrics) -> None:
    """One None per title, in order, and each miss is counted at both tiers."""
    assert recall.settle(await recall.look_up(["a", "b"])) == [None, None]
    assert _counts(metrics) == {"process/miss": 2, "redis/miss": 2}


async def test_kept_vectors_are_there_at_once(recall: Recall, store: MemoryVectorStore, metrics: Metrics) -> None:
    """The next look-up finds them in this process, without asking the store."""
    recall.keep(["a"], [_vector(1)])
    (found,) = recall.settle(await recall.look_up(["a"]))
    assert _same(found, as_stored(_vector(1)))
    assert store.num_lookups == 0
    assert _counts(metrics) == {"process/hit": 1}


async def test_another_worker_finds_the_same_bits(store: MemoryVectorStore, recall: Recall, metrics: Metrics) -> None:
    """From the model, this process or the shared store, a vector has the same value to the last bit."""
    await _fill(store, ["a"], [_vector(1)])
    (from_store,) = recall.settle(await recall.look_up(["a"]))
    (from_process,) = recall.settle(await recall.look_up(["a"]))
    assert _same(from_store, as_stored(_vector(1))) and _same(from_process, as_stored(_vector(1)))
    assert _counts(metrics) == {"process/miss": 1, "redis/hit": 1, "process/hit": 1}


async def test_one_question_per_batch(store: MemoryVectorStore, recall: Recall) -> None:
    """However many titles miss, the store is asked once, and not at all for what is known here."""
    recall.keep(["known"], [_vector(0)])
    await recall.look_up(["known", *(f"title {i}" for i in range(50))])
    assert store.num_lookups == 1


async def test_one_write_per_batch(store: MemoryVectorStore, recall: Recall) -> None:
    """A batch of new vectors is one call, and what was known already is not written again."""
    recall.keep(["a", "b"], [_vector(1), _vector(2)])
    recall.keep(["a", "b"], [_vector(1), _vector(2)])
    await recall.close()
    assert store.num_writes == 1
    assert len(store.values) == 2


async def test_the_same_title_written_differently_is_one_title(recall: Recall) -> None:
    """Spacing, width and invisible characters share an entry, and the titles for the model come out normalised."""
    recall.keep(["Red  leather\u200b sofa"], [_vector(1)])
    recalled = await recall.look_up([" Red leather sofa ", "Ｒｅｄ leather sofa"])
    assert recalled.titles == ("Red leather sofa", "Red leather sofa")
    assert all(_same(found, as_stored(_vector(1))) for found in recall.settle(recalled))


async def test_duplicates_in_a_batch_are_asked_for_once(recall: Recall, metrics: Metrics) -> None:
    """Two listings with one title count and cost one look-up, and both are answered."""
    assert recall.settle(await recall.look_up(["a", "a", " a "])) == [None] * 3
    assert _counts(metrics) == {"process/miss": 1, "redis/miss": 1}


async def test_answers_share_no_memory(recall: Recall) -> None:
    """Whoever scribbles on a vector spoils neither a duplicate's nor the cache's."""
    recall.keep(["a"], [_vector(1)])
    first, second = recall.settle(await recall.look_up(["a", "a"]))
    assert first is not None
    first[:] = 0
    (again,) = recall.settle(await recall.look_up(["a"]))
    assert _same(second, as_stored(_vector(1))) and _same(again, as_stored(_vector(1)))


async def test_a_title_in_flight_twice_is_computed_once(recall: Recall, metrics: Metrics) -> None:
    """The second batch asked before the first was computed; settling picks up what the first kept meanwhile."""
    first, second = await recall.look_up(["a", "b"]), await recall.look_up(["b", "c"])
    assert recall.settle(first) == [None, None]
    recall.keep(first.titles, [_vector(1), _vector(2)])
    from_flight, still_missing = recall.settle(second)
    assert _same(from_flight, as_stored(_vector(2))) and still_missing is None
    assert _counts(metrics)["flight/hit"] == 1


async def test_listings_without_a_title_ask_for_nothing(
    recall: Recall, store: MemoryVectorStore, metrics: Metrics
) -> None:
    """An empty title, or one of invisible characters only, has no vector and no key."""
    recall.keep(["", "\u200b"], [_vector(1), _vector(2)])
    assert recall.settle(await recall.look_up(["", " \u200b\t"])) == [None, None]
    await recall.close()
    assert (store.num_lookups, store.values, _counts(metrics)) == (0, {}, {})


@pytest.mark.parametrize("outcome", ["timeout", "error", "breaker_open"])
async def test_a_store_in_trouble_is_a_store_without_answers(
    recall: Recall, store: MemoryVectorStore, metrics: Metrics, outcome: LookupOutcome
) -> None:
    """Everything works from this process alone, and the metric names what happened."""
    store.outcome = outcome
    assert recall.settle(await recall.look_up(["a"])) == [None]
    recall.keep(["a"], [_vector(1)])
    assert _same(recall.settle(await recall.look_up(["a"]))[0], as_stored(_vector(1)))
    await recall.close()
    assert _counts(metrics)[f"redis/{outcome}"] == 1
    assert metrics.snapshot()["cache_writes"] == {"stored": 0.0, "failed": 1.0, "dropped": 0.0}


async def test_a_store_that_breaks_its_promise_is_a_store_without_answers(metrics: Metrics) -> None:
    """Whatever a look-up raises, titles are computed, and the log says what happened, without the titles."""
    recall = Recall(BrokenVectorStore(), CODEC, metrics)
    with capture_logs() as logs:
        assert recall.settle(await recall.look_up(["secret words", "b"])) == [None, None]
    recall.keep(["b"], [_vector(2)])
    assert _same(recall.settle(await recall.look_up(["b"]))[0], as_stored(_vector(2)))
    assert _counts(metrics) == {"process/miss": 2, "redis/error": 2, "process/hit": 1}
    assert [one["event"] for one in logs] == ["cache.look_up_failed"] and "secret words" not in str(logs)


async def test_without_redis_only_the_process_remembers(metrics: Metrics) -> None:
    """An empty redis.url: hits come from here, and no look-up counts against a store that is not there."""
    recall = Recall(NoVectorStore(), CODEC, metrics)
    await recall.start()
    await recall.look_up(["a"])
    recall.keep(["a"], [_vector(1)])
    assert recall.settle(await recall.look_up(["a"]))[0] is not None
    await recall.close()
    assert _counts(metrics) == {"process/miss": 1, "process/hit": 1}
    assert metrics.snapshot()["cache_writes"] == {"stored": 0.0, "failed": 0.0, "dropped": 0.0}


async def test_lies_are_misses(recall: Recall, store: MemoryVectorStore, metrics: Metrics) -> None:
    """Damaged, foreign, swapped and forged values are counted, computed anew, and replaced by good ones."""
    titles = ["damaged", "swapped", "other tower", "empty", "sound"]
    keys = [CODEC.key_for(title) for title in titles]
    await _fill(store, titles, [_vector(i) for i in range(5)])
    store.values[keys[0]] = store.values[keys[0]][:-1] + b"\x00"
    store.values[keys[1]] = store.values[keys[4]]
    store.values[keys[2]] = VectorCodec("another", DIM).encode(keys[2], _vector(2))
    store.values[keys[3]] = b""
    found = recall.settle(await recall.look_up(titles))
    assert found[:4] == [None] * 4 and _same(found[4], as_stored(_vector(4)))
    assert _counts(metrics) == {"process/miss": 5, "redis/bad_value": 4, "redis/hit": 1}
    recall.keep(titles[:4], [_vector(i) for i in range(4)])
    await recall.close()
    assert all(CODEC.decode(key, store.values[key]) is not None for key in keys)


async def test_the_process_tier_is_bounded_and_drops_the_least_used(metrics: Metrics) -> None:
    """Past the limit the title that was longest not asked for goes first."""
    recall = Recall(NoVectorStore(), CODEC, metrics, RecallPolicy(process_tier_max_items=1_500))
    titles = [f"title {i}" for i in range(1_500)]
    recall.keep(titles, [_vector(1)] * 1_500)
    await recall.look_up(titles[:1])
    recall.keep(["one more"], [_vector(2)])
    oldest_asked, oldest_not_asked, newest = recall.settle(await recall.look_up([titles[0], titles[1], "one more"]))
    assert oldest_asked is not None and newest is not None
    assert oldest_not_asked is None


async def test_a_batch_in_flight_is_shared_even_with_the_tier_turned_down(metrics: Metrics) -> None:
    """Asking for no process tier still leaves room for the batches in flight."""
    recall = Recall(NoVectorStore(), CODEC, metrics, RecallPolicy(process_tier_max_items=0))
    waiting = await recall.look_up(["a"])
    recall.keep(["a"], [_vector(1)])
    assert recall.settle(waiting)[0] is not None


async def test_writes_that_pile_up_are_dropped_and_counted(metrics: Metrics) -> None:
    """A store that does not take writes costs bounded memory: beyond the limit new batches are not queued."""
    store = HeldStore()
    recall = Recall(store, CODEC, metrics, RecallPolicy(max_waiting_writes=2, close_seconds=5))
    await recall.start()
    for i in range(10):
        recall.keep([f"title {i}"], [_vector(i)])
    store.gate.set()
    await recall.close()
    assert metrics.snapshot()["cache_writes"] == {"stored": 2.0, "failed": 0.0, "dropped": 8.0}


async def test_closing_does_not_wait_for_ever(metrics: Metrics) -> None:
    """A store that hangs holds the shutdown up for close_seconds at most."""
    recall = Recall(HeldStore(), CODEC, metrics, RecallPolicy(close_seconds=0.01))
    await recall.start()
    recall.keep(["a"], [_vector(1)])
    async with asyncio.timeout(2):
        await recall.close()


async def test_keep_waits_for_nothing(metrics: Metrics) -> None:
    """While the store hangs, what was kept is already there for the next batch."""
    recall = Recall(HeldStore(), CODEC, metrics, RecallPolicy(close_seconds=0.01))
    await recall.start()
    recall.keep(["a"], [_vector(1)])
    assert recall.settle(await recall.look_up(["a"]))[0] is not None
    await recall.close()


@pytest.mark.parametrize("bad", [np.full(DIM, np.nan), np.full(DIM, 1e6), np.zeros(DIM + 1), np.zeros((1, DIM))])
async def test_unsound_vectors_are_not_kept(recall: Recall, store: MemoryVectorStore, bad: Vector) -> None:
    """Wrong shape, NaN or beyond fp16: not kept anywhere, said in the log without the title; its neighbour is kept."""
    with capture_logs() as logs:
        recall.keep(["secret words", "b", "none"], [bad.astype(np.float32), _vector(2), None])
    found = recall.settle(await recall.look_up(["secret words", "b", "none"]))
    await recall.close()
    assert found[0] is None and found[1] is not None and found[2] is None
    assert len(store.values) == 1
    assert [line["event"] for line in logs] == ["cache.vector_not_kept"]
    assert "secret" not in repr(logs)


async def test_misaligned_vectors_poison_nothing(recall: Recall) -> None:
    """Unequal lengths are a bug in the caller: refused, and none of the pairs is kept."""
    with pytest.raises(ValueError, match="shorter"):
        recall.keep(["a", "b"], [_vector(1)])
    assert recall.settle(await recall.look_up(["a", "b"])) == [None, None]
