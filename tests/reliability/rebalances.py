"""Workers join and leave while listings flow, under both group protocols and with static membership."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from tests.audit import Report
from tests.integration.stream import Stream
from tests.reliability.fleet import SESSION_SECONDS, Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings

TITLE = "Joins and leaves"
INSTANCES = ("one", "two", "three", "four")
DRAIN_SECONDS = 5.0
SILENT_SECONDS = 10.0
SLICE = 300  # listings sent per change


@dataclass(frozen=True, slots=True)
class Mode:
    """How the group is run, how often it changes, and what the product itself lets a partition rest for.

    ``killed``: the share of leaves that are deaths. Under KIP-848 the broker alone sets the session timeout, 45 s at
    least by default, so deaths there would measure that.
    """

    name: str
    settings: Mapping[str, str]
    short: int
    full: int
    killed: float
    rest_seconds: float


MODES = (
    Mode("classic, cooperative-sticky", {}, 4, 90, 0.2, DRAIN_SECONDS + SESSION_SECONDS),
    Mode("KIP-848", {"KAFKA__GROUP_PROTOCOL": "consumer", "KAFKA__CONSUMER": "{}"}, 4, 100, 0.0, DRAIN_SECONDS),
    # Who leaves keeps its partitions until its session ends: that is what static membership is for.
    Mode("classic, static", {"KAFKA__STATIC_MEMBERSHIP": "true"}, 2, 20, 0.2, DRAIN_SECONDS + SESSION_SECONDS),
)


@dataclass(slots=True)
class Watch:
    """For how long each partition with work left did not move; ``longest`` in seconds."""

    stream: Stream
    longest: float = 0.0
    culprit: int = -1
    _ends: dict[int, int] = field(default_factory=dict)
    _num_seen: int = 0
    _moved: dict[int, tuple[int, float]] = field(default_factory=dict)

    async def run(self) -> None:
        """Look twice a second, for ever."""
        while True:
            with suppress(KafkaException):
                committed = await asyncio.to_thread(self.stream.committed)
                self.look(committed, time.monotonic())
            await asyncio.sleep(0.5)

    def look(self, committed: Mapping[int, int], now: float) -> None:
        """One look at the committed offsets."""
        for one in self.stream.sent[self._num_seen :]:
            self._ends[one.partition] = max(self._ends.get(one.partition, 0), one.offset + 1)
            self._num_seen += 1
        for partition, end in self._ends.items():
            offset = committed[partition]
            last, since = self._moved.get(partition, (-1, now))
            if offset != last or offset >= end:
                self._moved[partition] = (offset, now)
            elif now - since > self.longest:
                self.longest, self.culprit = now - since, partition


@dataclass(slots=True)
class Shuffle:
    """Joins and leaves at random; one worker at least stays. A leave goes on while the next change begins."""

    fleet: Fleet
    choose: random.Random
    killed: float
    counts: Counter[str] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)  # of those whose end was not what it should be
    _leaving: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def change(self) -> str:
        """One more worker, or one less; says which."""
        staying = [name for name in self.fleet.workers if name not in self._leaving]
        absent = [name for name in INSTANCES if name not in self.fleet.workers]
        if absent and (len(staying) == 1 or self.choose.random() < 0.5):
            name = self.choose.choice(absent)
            await self._join(name)
            return f"{name} joins"
        if len(staying) == 1:  # all others are still on their way out
            await asyncio.gather(*self._leaving.values())
            return await self.change()
        name = self.choose.choice(staying)
        is_kill = self.choose.random() < self.killed
        self._leaving[name] = asyncio.create_task(self._leave(name, is_kill=is_kill))
        return f"{name} {'is killed' if is_kill else 'leaves'}"

    async def settle(self) -> None:
        """Wait until everyone who leaves is gone."""
        await asyncio.gather(*self._leaving.values())

    async def _join(self, name: str) -> None:
        worker = await self.fleet.start(name)
        if await worker.until("partition.assigned"):
            self.counts["join"] += 1
        else:
            self.ends.append(f"{name} got no partitions: {''.join(worker.log[-4:])}")

    async def _leave(self, name: str, *, is_kill: bool) -> None:
        worker = self.fleet.workers[name]
        if not worker.is_running:
            self.ends.append(f"{name} ended by itself: {''.join(worker.log[-4:])}")
        elif is_kill:
            await worker.kill()
            self.counts["kill"] += 1
        elif (code := await worker.stop()) == 0:
            self.counts["leave"] += 1
        else:
            self.ends.append(f"{name} left with {code}: {''.join(worker.log[-4:])}")
        del self.fleet.workers[name], self._leaving[name]


@dataclass(frozen=True, slots=True)
class Ran:
    """One mode's run."""

    report: Report
    is_done: bool
    counts: Counter[str]
    ends: list[str]
    longest: float


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    rows = []
    for mode in MODES:
        num_changes = trial.size(short=mode.short, full=mode.full)
        ran = await _run(trial, mode, num_changes)
        made = ", ".join(f"{number} {what}s" for what, number in sorted(ran.counts.items()))
        bar = SILENT_SECONDS + mode.rest_seconds
        rows += [
            Row(
                f"{mode.name}: {made} among 1 to {len(INSTANCES)} workers",
                "0 lost, 0 doubled, order kept; who leaves exits with 0",
                f"{verdict(ran.report)}; {len(ran.ends)} ended otherwise",
                ran.report.is_clean and ran.is_done and not ran.ends and ran.counts.total() >= num_changes,
            ),
            Row(
                f"{mode.name}: longest time in which a partition with work committed nothing",
                f"<= {bar:.0f} s, {mode.rest_seconds:.0f} s of it drain budget and, after a death or a static "
                "member's leave, session timeout",
                f"{ran.longest:.1f} s",
                ran.longest <= bar,
            ),
        ]
    return rows


async def _run(trial: Trial, mode: Mode, num_changes: int) -> Ran:
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random(f"rebalances-{mode.name}")
    settings = {"SHUTDOWN__DRAIN_SECONDS": f"{DRAIN_SECONDS:.0f}", **mode.settings}
    watch = Watch(stream)
    async with image_host() as host, Fleet(stream, host, settings) as fleet:
        letters = listings(num_changes * SLICE, [host.base_url], choose, keys=num_changes * SLICE // 5)
        await fleet.start("one")
        send(stream, [next(letters) for _ in range(SLICE)])
        await fleet.until(1, 60)
        watching = asyncio.create_task(watch.run())
        shuffle = Shuffle(fleet, choose, mode.killed)
        for number in range(num_changes):
            part = [letter for _, letter in zip(range(SLICE), letters, strict=False)]
            sending = asyncio.create_task(asyncio.to_thread(send, stream, part))
            trial.say(f"{mode.name}, change {number + 1}: {await shuffle.change()}")
            await asyncio.sleep(choose.uniform(0.0, 2.0))
            await sending
        await shuffle.settle()
        is_done = await fleet.until_done(trial.size(short=120, full=1200))
        watching.cancel()
        if not is_done:
            trial.say(fleet.dying_words())
        shuffle.ends += [f"exit code {code}" for code in await fleet.stop() if code]
    trial.say(f"longest silence {watch.longest:.1f} s (partition {watch.culprit})\n" + "\n".join(shuffle.ends))
    report = await asyncio.to_thread(stream.judge)
    return Ran(report, is_done, shuffle.counts, shuffle.ends, watch.longest)
