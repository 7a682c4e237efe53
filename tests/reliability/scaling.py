"""More workers, more listings a second: 1, 2 and 4 processes of one group on a simulated device, against one broker.

The device is slow on purpose, so that it and not this machine's processor is the limit: the last row says how much of a
core the workers took. What is measured is what the group costs: sharing, rebalancing, committing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings
from tests.reliability.worker import Faults
from worker.machine.processes import tree_cpu_seconds

TITLE = "Scaling"
SIZES = (1, 2, 4)
NAMES = ("one", "two", "three", "four")
NUM_PARTITIONS = 24
DEVICE = Faults(fixed_seconds=0.04, item_seconds=0.04)
LEAST_SHARE = 0.85  # of N times one worker
_BLOCKS = " ▁▂▃▄▅▆▇█"
_SHARE = 0.9  # of a burst: then the first worker runs out of its partitions' records


@dataclass(slots=True)
class Curve:
    """Seconds since the burst, and listings committed by then."""

    count: int
    points: list[tuple[float, int]] = field(default_factory=list)

    def rate(self, share: float) -> float:
        """Listings a second until ``share`` of the burst was committed."""
        wanted = share * self.count
        return wanted / next(at for at, done in self.points if done >= wanted)

    def drawn(self, seconds: float, width: int = 24) -> str:
        """The lag from the burst to ``seconds`` later, a character per step."""
        return "".join(
            _BLOCKS[round(8 * self._lag_at(step * seconds / width) / self.count)] for step in range(width + 1)
        )

    def _lag_at(self, at: float) -> int:
        done = max((done for when, done in self.points if when <= at), default=0)
        return self.count - done


@dataclass(frozen=True, slots=True)
class Burst:
    """One size of the group: the burst, how long until nothing was left, and cores that the workers took meanwhile."""

    curve: Curve
    seconds: float
    cores: float
    words: str
    is_clean: bool

    @property
    def rate(self) -> float:
        """Listings a second, from the burst's arrival, until nine tenths are committed."""
        return self.curve.rate(_SHARE)


@dataclass(frozen=True, slots=True)
class Change:
    """One rebalance under load: listings committed in the window, and what steady work would have committed."""

    committed: int
    steady: float
    seconds: float


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    count = trial.size(short=400, full=1_500)
    bursts = {}
    for size in SIZES:
        bursts[size] = await _burst(trial, size, count)
        trial.say(f"  {size}: {bursts[size].rate:.1f}/s, {bursts[size].seconds:.0f} s, {bursts[size].words}")
    join, leave = await _changes(trial, bursts)
    return [*_throughput_rows(bursts), *_lag_rows(bursts), *_change_rows(join, leave), _core_row(bursts)]


async def _burst(trial: Trial, size: int, count: int) -> Burst:
    """Workers that are ready and idle, then ``count`` listings at once."""
    stream = Stream(trial.kafka().address, num_partitions=NUM_PARTITIONS)
    stream.create()
    async with image_host() as host, Fleet(stream, host) as fleet:
        await _start(fleet, NAMES[:size])
        letters = list(listings(count, [host.base_url], trial.random("scaling"), keys=None))
        curve, began, used = Curve(count), time.monotonic(), _processor_seconds(fleet)
        await asyncio.to_thread(send, stream, letters)
        while (done := await fleet.num_committed()) < count and time.monotonic() - began < 600:
            curve.points.append((time.monotonic() - began, done))
            await asyncio.sleep(0.25)
        seconds = time.monotonic() - began
        curve.points.append((seconds, done))
        cores = (_processor_seconds(fleet) - used) / seconds
        await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    return Burst(curve, seconds, cores, verdict(report), report.is_clean)


async def _changes(trial: Trial, bursts: dict[int, Burst]) -> tuple[Change, Change]:
    """With work for everybody: a third worker joins two, and later leaves."""
    seconds = float(trial.size(short=15, full=30))
    rate = bursts[1].rate
    stream = Stream(trial.kafka().address, num_partitions=NUM_PARTITIONS)
    stream.create()
    async with image_host() as host, Fleet(stream, host) as fleet:
        await _start(fleet, NAMES[:2])
        count = int(rate * 3 * (2 * seconds + 40))
        await asyncio.to_thread(send, stream, list(listings(count, [host.base_url], trial.random("join"), keys=None)))
        await fleet.until(int(rate * 10), 120)
        third = await fleet.start(NAMES[2], DEVICE)
        await third.until("partition.assigned")  # from here on it can work: what it takes to start is not the group's
        join = Change(await _committed_within(fleet, seconds), 3 * rate * seconds, seconds)
        stopping = asyncio.create_task(third.stop())
        leave = Change(await _committed_within(fleet, seconds), 2 * rate * seconds, seconds)
        await stopping
        del fleet.workers[NAMES[2]]
    return join, leave


async def _committed_within(fleet: Fleet, seconds: float) -> int:
    before = await fleet.num_committed()
    await asyncio.sleep(seconds)
    return await fleet.num_committed() - before


async def _start(fleet: Fleet, names: Sequence[str]) -> None:
    """All at work: each has partitions, and a listing has gone through each."""
    for name in names:
        worker = await fleet.start(name, DEVICE)
        assert await worker.until("partition.assigned"), fleet.dying_words()
    await asyncio.sleep(8)  # until the last rebalance is over


def _processor_seconds(fleet: Fleet) -> float:
    """Of all workers and their decoders so far."""
    return sum(tree_cpu_seconds(worker.process.pid) for worker in fleet.workers.values())


def _throughput_rows(bursts: dict[int, Burst]) -> list[Row]:
    one = bursts[1].rate
    rows = []
    for size, burst in bursts.items():
        least = LEAST_SHARE * size * one
        rows.append(
            Row(
                f"{size} worker{'s' * (size > 1)}: listings a second, {burst.curve.count:,} at once",
                f"≥ {LEAST_SHARE:.0%} of {size} times one worker; 0 lost, 0 doubled"
                if size > 1
                else "0 lost, 0 doubled",
                f"{burst.rate:.1f}, {burst.rate / one:.2f} times one; {burst.words}",
                burst.rate >= least and burst.is_clean,
            )
        )
    return rows


def _lag_rows(bursts: dict[int, Burst]) -> list[Row]:
    longest = max(burst.seconds for burst in bursts.values())
    return [
        Row(
            f"{size} worker{'s' * (size > 1)}: lag after the burst, over {longest:.0f} s",
            "",
            f"`{burst.curve.drawn(longest)}` none left after {burst.seconds:.0f} s",
            None,
        )
        for size, burst in bursts.items()
    ]


def _change_rows(join: Change, leave: Change) -> list[Row]:
    told = (("A third worker joins two", join, "three"), ("It leaves (SIGTERM)", leave, "two"))
    return [
        Row(
            f"{words}, all with work: committed in the {change.seconds:.0f} s that follow",
            f"≥ {LEAST_SHARE:.0%} of what {size} do in that time",
            f"{change.committed:,} of {change.steady:,.0f}, {change.committed / change.steady:.0%}",
            change.committed >= LEAST_SHARE * change.steady,
        )
        for words, change, size in told
    ]


def _core_row(bursts: dict[int, Burst]) -> Row:
    told = ", ".join(f"{burst.cores:.2f} with {size}" for size, burst in bursts.items())
    device = f"{DEVICE.fixed_seconds * 1000:.0f} ms a batch and {DEVICE.item_seconds * 1000:.0f} ms a picture"
    return Row(f"Cores that workers and decoders took; the device: {device}", "", told, None)
