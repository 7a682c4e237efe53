"""Workers join and leave while listings flow, under both group protocols and with static membership."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from tests.audit import Report
from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings

TITLE = "Joins and leaves"
INSTANCES = ("one", "two", "three", "four")
DRAIN_SECONDS = 5
SILENT_SECONDS = 10.0
MODES: Mapping[str, Mapping[str, str]] = {
    "classic, cooperative-sticky": {},
    "KIP-848": {"KAFKA__GROUP_PROTOCOL": "consumer", "KAFKA__CONSUMER": "{}"},
    "classic, static members": {"KAFKA__STATIC_MEMBERSHIP": "true"},
}


@dataclass(slots=True)
class _Watch:
    """For how long each partition with work left did not move; ``longest`` in seconds."""

    stream: Stream
    ends: dict[int, int]
    longest: float = 0.0
    culprit: int = -1
    _moved: dict[int, tuple[int, float]] = field(default_factory=dict)

    def forgive(self) -> None:
        """Start counting anew."""
        self._moved.clear()

    async def run(self) -> None:
        """Look twice a second, for ever."""
        while True:
            try:
                committed = await asyncio.to_thread(self.stream.committed)
            except KafkaException:
                continue
            self.look(committed, time.monotonic())
            await asyncio.sleep(0.5)

    def look(self, committed: Mapping[int, int], now: float) -> None:
        """One look at the committed offsets."""
        for partition, offset in committed.items():
            last, since = self._moved.get(partition, (-1, now))
            if offset != last or offset >= self.ends[partition]:
                self._moved[partition] = (offset, now)
            elif now - since > self.longest:
                self.longest, self.culprit = now - since, partition


@dataclass(frozen=True, slots=True)
class _Ran:
    """One mode's run."""

    report: Report
    is_done: bool
    num_changes: int
    longest: float
    exits: list[int]


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    rows = []
    shares = {"classic, cooperative-sticky": (4, 90), "KIP-848": (4, 90), "classic, static members": (2, 30)}
    for mode, settings in MODES.items():
        short, full = shares[mode]
        ran = await _run(trial, mode, settings, trial.size(short=short, full=full))
        bar = SILENT_SECONDS + DRAIN_SECONDS
        # A static member that leaves for good holds its partitions until its session ends: that is what it is for.
        is_judged = mode != "classic, static members"
        rows += [
            Row(
                f"{mode}: {ran.num_changes} joins and leaves, {ran.report.num_tagged:,} events",
                "0 lost, 0 doubled, order kept; exit code 0",
                f"{verdict(ran.report)}; exit codes {sorted(set(ran.exits))}",
                ran.report.is_clean and ran.is_done and not any(ran.exits),
            ),
            Row(
                f"{mode}: longest time in which a partition with work did not move",
                f"<= {bar:.0f} s ({DRAIN_SECONDS} s are the drain budget)" if is_judged else "session timeout",
                f"{ran.longest:.1f} s",
                ran.longest <= bar if is_judged else None,
            ),
        ]
    return rows


async def _run(trial: Trial, mode: str, settings: Mapping[str, str], num_changes: int) -> _Ran:
    count = num_changes * 300
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random(f"rebalances-{mode}")
    settings = {"SHUTDOWN__DRAIN_SECONDS": str(DRAIN_SECONDS), **settings}
    async with image_host() as host, Fleet(stream, host, settings) as fleet:
        send(stream, list(listings(count, [host.base_url], choose, keys=count // 5)))
        ends = dict.fromkeys(range(stream.num_partitions), 0)
        for one in stream.sent:
            ends[one.partition] = max(ends[one.partition], one.offset + 1)
        await fleet.start("one")
        await fleet.until(1, 60)
        watch = _Watch(stream, ends)
        watching = asyncio.create_task(watch.run())
        exits = await _shuffle(fleet, choose, num_changes, trial)
        is_done = await fleet.until_done(trial.size(short=120, full=1200))
        watching.cancel()
        exits += await fleet.stop()
    trial.say(f"{mode}: {num_changes} changes, longest silence {watch.longest:.1f} s (partition {watch.culprit})")
    report = await asyncio.to_thread(stream.judge)
    return _Ran(report, is_done, num_changes, watch.longest, exits)


async def _shuffle(fleet: Fleet, choose: random.Random, num_changes: int, trial: Trial) -> list[int]:
    """Joins and leaves at random; the exit codes of those who left. One worker at least is always there."""
    exits = []
    for number in range(num_changes):
        absent = [name for name in INSTANCES if name not in fleet.workers]
        if absent and (len(fleet.workers) == 1 or choose.random() < 0.5):
            name = choose.choice(absent)
            await fleet.start(name)
            what = "joins"
        else:
            name = choose.choice(sorted(fleet.workers))
            exits.append(await fleet.workers.pop(name).stop())
            what = "leaves"
        if number % 10 == 9:
            trial.say(f"change {number + 1}: {name} {what}, {len(fleet.workers)} there")
        await asyncio.sleep(choose.uniform(0.2, 3.0))
    return exits
