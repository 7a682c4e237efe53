"""A cache that lies: values damaged, cut, swapped, of another model, forged with or without the format known."""

from __future__ import annotations

import asyncio
import json
import pickle
import random
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from redis.asyncio import Redis

from tests.reliability.suite import Row, Trial
from worker.cache.vector_codec import Vector, VectorCodec, as_stored
from worker.cache.vector_store import RedisVectorStore, StorePolicy
from worker.metrics import Metrics
from worker.recall import Recall, RecallPolicy

TITLE = "Damaged and forged cache values"

DIM = 384
KEY, OLD_KEY = b"the key of today", b"the key of yesterday"
_BATCH = 64
_POLICY = StorePolicy(budget_seconds=2.0, ttl_seconds=600)  # not a test of speed: every value has to be seen

_RECALL = RecallPolicy(process_tier_max_items=0, max_waiting_writes=1_000, close_seconds=60)

Lie = Callable[["Victim"], bytes | None]  # None: not a value, but a list under that key


class Victim:
    """One cached value and what a liar can know."""

    def __init__(self, key: str, other_key: str, vector: Vector, codec: VectorCodec, rng: random.Random) -> None:
        self.key = key
        self.other_key = other_key
        self.vector = vector
        self.codec = codec
        self.rng = rng
        self.value = codec.encode(key, vector)


def _flipped(victim: Victim) -> bytes:
    damaged = bytearray(victim.value)
    for _ in range(victim.rng.choice((1, 1, 1, 2, 8))):
        damaged[victim.rng.randrange(len(damaged))] ^= 1 << victim.rng.randrange(8)
    return bytes(damaged) if bytes(damaged) != victim.value else b"\0" + victim.value[1:]


def _cut(victim: Victim) -> bytes:
    return victim.value[: victim.rng.randrange(len(victim.value))]


def _longer(victim: Victim) -> bytes:
    return victim.value + victim.rng.randbytes(victim.rng.randrange(1, 64))


def _noise(victim: Victim) -> bytes:
    return victim.rng.randbytes(len(victim.value))


def _noise_with_a_true_head(victim: Victim) -> bytes:
    return victim.value[:16] + victim.rng.randbytes(len(victim.value) - 16)


def _zeros(victim: Victim) -> bytes:
    return bytes(len(victim.value))


def _block_lost(victim: Victim) -> bytes:
    start = victim.rng.randrange(len(victim.value) - 64)
    return victim.value[:start] + bytes([0xFF]) * 64 + victim.value[start + 64 :]


def _of_another_title(victim: Victim) -> bytes:
    return victim.codec.encode(victim.other_key, victim.vector)


def _of_another_tower(victim: Victim) -> bytes:
    return VectorCodec("r2", DIM, KEY).encode(victim.key, victim.vector)


def _of_another_length(victim: Victim) -> bytes:
    return VectorCodec("r1", DIM // 2, KEY).encode(victim.key, victim.vector[: DIM // 2])


def _forged_without_a_key(victim: Victim) -> bytes:
    return VectorCodec("r1", DIM).encode(victim.key, -victim.vector)


def _forged_with_a_wrong_key(victim: Victim) -> bytes:
    return VectorCodec("r1", DIM, victim.rng.randbytes(16)).encode(victim.key, -victim.vector)


def _of_yesterdays_key(victim: Victim) -> bytes:
    return VectorCodec("r1", DIM, OLD_KEY).encode(victim.key, victim.vector)


def _true_seal_other_vector(victim: Victim) -> bytes:
    return victim.value[:16] + (-victim.vector).astype("<f2").tobytes() + victim.value[-16:]


def _float32(victim: Victim) -> bytes:
    return victim.vector.astype("<f4").tobytes()


def _pickled(victim: Victim) -> bytes:
    return pickle.dumps(victim.vector)


def _json(victim: Victim) -> bytes:
    return json.dumps([float(one) for one in victim.vector[:64]]).encode()


def _empty(_: Victim) -> bytes:
    return b""


def _a_list(_: Victim) -> None:
    return None


LIES: tuple[Lie, ...] = (
    _flipped, _flipped, _flipped, _flipped, _cut, _cut, _longer, _noise, _noise_with_a_true_head, _zeros, _block_lost,
    _of_another_title, _of_another_tower, _of_another_length, _forged_without_a_key, _forged_with_a_wrong_key,
    _of_yesterdays_key, _true_seal_other_vector, _float32, _pickled, _json, _empty, _a_list,
)  # fmt: skip


async def run(trial: Trial) -> list[Row]:
    """Lies under every title's key, on real Redis, read through the whole cache."""
    num = trial.size(short=1_500, full=12_000)
    rng = trial.random("lies")
    titles = [f"title {number} {trial.seed}" for number in range(num)]
    codec = VectorCodec("r1", DIM, KEY)
    url = trial.redis().address
    async with Redis.from_url(url) as admin:
        told = await _plant(admin, codec, titles, rng)
        trial.say("  " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(told.items())))
        lied_to = await _used(url, codec, titles)
        healed = await _used(url, codec, titles)
        rotated = await _used(url, VectorCodec("r1", DIM, b"the key of tomorrow"), titles, mend=False)
        plain = VectorCodec("r1", DIM)
        await _store(admin, {plain.key_for(title): _forged(plain, title) for title in titles[:500]})
        keyed = await _used(url, codec, titles[:500], mend=False)
        keyless = await _used(url, plain, titles[:500], mend=False)
        await admin.delete(*[codec.key_for(title) for title in titles])
    return [
        Row("Damaged or forged values planted", "≥ 10,000 in the full form", f"{num:,} of {len(told)} kinds", None),
        Row("Values used of those", "0", f"{lied_to:,}", lied_to == 0),
        Row("Computed anew, stored, and used by the next worker", "all", f"{healed:,} of {num:,}", healed == num),
        Row("Used after the key was changed (rotation: all misses, no error)", "0", f"{rotated:,}", rotated == 0),
        Row("Forgeries in the published format used, with cache.digest_key", "0", f"{keyed:,} of 500", keyed == 0),
        Row("The same without a key: damage is told, forgery is not", "documented limit", f"{keyless:,} of 500", None),
    ]


async def _plant(admin: Redis, codec: VectorCodec, titles: Sequence[str], rng: random.Random) -> Counter[str]:
    told: Counter[str] = Counter()
    values: dict[str, bytes | None] = {}
    for number, title in enumerate(titles):
        lie = LIES[number % len(LIES)]
        other = codec.key_for(titles[number - 1])
        victim = Victim(codec.key_for(title), other, vector_of(title), codec, rng)
        values[victim.key] = lie(victim)
        told[lie.__name__.strip("_").replace("_", " ")] += 1
    await _store(admin, values)
    return told


async def _store(admin: Redis, values: dict[str, bytes | None] | dict[str, bytes]) -> None:
    pipe = admin.pipeline(transaction=False)
    for key, value in values.items():
        pipe.delete(key)
        if value is None:
            pipe.rpush(key, "x")
        else:
            pipe.set(key, value, ex=600)
    await pipe.execute()


async def _used(url: str, codec: VectorCodec, titles: Sequence[str], *, mend: bool = True) -> int:
    """How many cached values a fresh worker uses; ``mend``: it computes and keeps what it lacks, as workers do."""
    store = RedisVectorStore(url, _POLICY)
    recall = Recall(store, codec, Metrics(), _RECALL)
    await recall.start()
    async with asyncio.timeout(30):
        await store.wait_connected()
    num_used = 0
    for start in range(0, len(titles), _BATCH):
        batch = titles[start : start + _BATCH]
        found = recall.settle(await recall.look_up(batch))
        num_used += sum(one is not None for one in found)
        if mend:
            recall.keep(
                batch, [vector_of(title) if one is None else None for title, one in zip(batch, found, strict=True)]
            )
            _check(batch, found)
    await recall.close()
    return num_used


def _check(titles: Sequence[str], found: Sequence[Vector | None]) -> None:
    """What is used after mending is the true vector."""
    for title, one in zip(titles, found, strict=True):
        assert one is None or np.array_equal(one, as_stored(vector_of(title))), title


def _forged(codec: VectorCodec, title: str) -> bytes:
    return codec.encode(codec.key_for(title), -vector_of(title))


def vector_of(title: str) -> Vector:
    """What the model would compute, ``(DIM,)`` float32."""
    return np.random.default_rng(list(title.encode())).standard_normal(DIM).astype(np.float32)
