"""Three image hosts of ten hang or drip: who has pictures elsewhere must not notice."""

from __future__ import annotations

import asyncio
import json
import math
import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from tests.audit import read_records
from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send
from tests.reliability.hosts import OddHost
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import Letter, listings

TITLE = "Slow image hosts"
NUM_HOSTS, NUM_BAD = 10, 3
SHARE = 0.9
SETTINGS = {"FETCH__TIMEOUT_SECONDS": "4", "FETCH__GIVE_UP_SECONDS": "20"}


# A listing of a dead host may hold its partition's offset for so long: its time, and its last attempt's.
STANDSTILL_SECONDS = 24.0


@dataclass(frozen=True, slots=True)
class _Ran:
    """Good hosts' listings a second, and for how long a partition's committed offset stood still at most."""

    rate: float
    is_done: bool
    still_seconds: float


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    count, rounds = trial.size(short=1_500, full=12_000), trial.size(short=1, full=3)
    clean: list[_Ran] = []
    dirty: list[_Ran] = []
    for number in range(rounds):
        clean.append(await _run(trial, count, number, ("well",) * NUM_HOSTS))
        dirty.append(await _run(trial, count, number, ("hang", "drip", "hang") + ("well",) * (NUM_HOSTS - NUM_BAD)))
        trial.say(f"clean {clean[-1].rate:.0f}/s, with slow hosts {dirty[-1].rate:.0f}/s")
    ratio = statistics.median(after.rate / before.rate for before, after in zip(clean, dirty, strict=True))
    return [
        Row(
            f"{NUM_BAD} of {NUM_HOSTS} hosts hang or drip: the others' listings a second, against all hosts well "
            f"({rounds} pairs of {count:,} events, fetch.timeout 4 s, give_up 20 s)",
            f">= {SHARE}",
            f"{ratio:.2f} ({', '.join(f'{one.rate:.0f}' for one in dirty)} against "
            f"{', '.join(f'{one.rate:.0f}' for one in clean)})",
            ratio >= SHARE and all(one.is_done for one in (*clean, *dirty)),
        ),
        Row(
            "longest time that a partition with work kept its committed offset, with slow hosts",
            f"<= {STANDSTILL_SECONDS:.0f} s (give_up and one attempt)",
            f"{max(one.still_seconds for one in dirty):.1f} s (all hosts well: "
            f"{max(one.still_seconds for one in clean):.1f} s)",
            max(one.still_seconds for one in dirty) <= STANDSTILL_SECONDS,
        ),
    ]


async def _run(trial: Trial, count: int, number: int, manners: Sequence[str]) -> _Ran:
    choose = trial.random(f"slow-{number}")
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    async with AsyncExitStack() as exits:
        hosts = [await exits.enter_async_context(OddHost(manner)) for manner in manners]
        own = await exits.enter_async_context(image_host())
        endpoints = json.dumps([host.endpoint for host in hosts])
        fleet = await exits.enter_async_context(Fleet(stream, own, {**SETTINGS, "FETCH__ALLOW_ENDPOINTS": endpoints}))
        letters: list[Letter] = list(listings(count, [host.base_url for host in hosts], choose, keys=None))
        bad = tuple(host.base_url.encode() for host in hosts[:NUM_BAD])
        send(stream, letters)
        worker = await fleet.start("one")
        await worker.until("worker.first_results")
        watching = asyncio.create_task(_watch(fleet))
        is_done = await fleet.until_done(300 + count / 20)
        still_seconds = await watching if is_done else math.inf
        watching.cancel()
        await fleet.stop()
    good_keys = {one.key.encode() for one in letters if not any(base in (one.value or b"") for base in bad)}
    return _Ran(await asyncio.to_thread(_rate, stream, good_keys), is_done, still_seconds)


async def _watch(fleet: Fleet) -> float:
    """The longest standstill of a committed offset, in seconds, over all partitions until each has no more work."""
    stream, loop = fleet.stream, asyncio.get_running_loop()
    ends = Counter(one.partition for one in stream.sent)
    moved = {partition: (0, loop.time()) for partition in ends}
    longest = 0.0
    while any(moved[partition][0] < end for partition, end in ends.items()):
        committed, now = await asyncio.to_thread(stream.committed), loop.time()
        for partition, end in ends.items():
            before, since = moved[partition]
            if before < end:
                longest = max(longest, now - since)
            if committed[partition] > before:
                moved[partition] = (committed[partition], now)
        await asyncio.sleep(0.2)
    return longest


def _rate(stream: Stream, keys: set[bytes]) -> float:
    """Attribute events of these listings a second, by the broker's timestamps; the slowest hundredth does not count."""
    times = sorted(
        message.timestamp()[1]
        for message in read_records(stream.servers, stream.topics)
        if message.topic() == stream.topics.attributes and message.key() in keys
    )
    last = int(len(times) * 0.99) - 1
    return 1000 * last / max(1, times[last] - times[0])
