"""Live traffic with and without a saturated backfill on the same device: what live pays, what the backfill gets."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.audit import judge, read_outputs
from tests.integration.stream import Stream, WorkerProcess
from tests.integration.test_beside import freeze, metric, shadow, start
from tests.reliability.fleet import image_host, verdict
from tests.reliability.metering import LiveTraffic, Meter, percentile
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import NUM_PICTURES, listing
from tests.reliability.worker import Faults
from worker.batch import BatchPolicy
from worker.demo.imagehost import ImageHost
from worker.simulate import Device, Result, Simulation, Traffic, adaptive, spare

TITLE = "Live traffic beside a saturated backfill"
FIXED, ITEM = 0.050, 0.020  # the simulated device: seconds per batch, and per picture
CAP_MS = 145.0  # room for four pictures, 130 ms; five would take 150
RATE = 8.0  # live listings a second: a fifth of what the device can do
LEAST_SHARE = 0.9
LOW_SHARE = 0.2
BURST, MAX_LAG = 600, 50
NUM_PARTITIONS = 6
SETTLE_SECONDS = 3.0


@dataclass(slots=True)
class Round:
    """One worker for a while: live latencies, and what the backfill did meanwhile."""

    latencies: list[float] = field(default_factory=list)
    num_backfilled: int = 0
    seconds: float = 0.0
    backfill_device_seconds: float = 0.0
    device_seconds: float = 0.0

    @property
    def rate(self) -> float:
        """The backfill's listings a second."""
        return self.num_backfilled / self.seconds

    @property
    def share(self) -> float:
        """Of the time, how much the device worked for the backfill."""
        return self.backfill_device_seconds / self.seconds


@dataclass(slots=True)
class Field:
    """The stream, the old records of which are the backfill, and what is asked of each worker."""

    stream: Stream
    host: ImageHost
    choose: random.Random
    num_live: int = 0

    async def round(self, seconds: float, settings: Mapping[str, str], rate: float = RATE) -> Round:
        """A new worker, live traffic for so long at this rate (0: a burst at once), and what came of it."""
        found = Round()
        faults = Faults(fixed_seconds=FIXED, item_seconds=ITEM).to_environment()
        worker = await start(self.stream, self.host, {"KAFKA__START_AT": "latest", **settings}, faults)
        meter = Meter(self.stream.servers, (self.stream.topics.attributes, shadow(self.stream).attributes))
        try:
            expected = "backfill.started" if "BACKFILL__NAME" in settings else "partition.assigned"
            if not await worker.until(expected):
                raise RuntimeError(f"the worker did not start: {''.join(worker.log[-8:])}")
            await asyncio.to_thread(meter.start)
            await self._measure(found, worker, meter, seconds, rate)
        finally:
            await asyncio.to_thread(meter.stop)
            code = await worker.stop()
        if code:
            raise RuntimeError(f"the worker ended with {code}: {''.join(worker.log[-8:])}")
        return found

    async def _measure(self, found: Round, worker: WorkerProcess, meter: Meter, seconds: float, rate: float) -> None:
        live = LiveTraffic(self.stream)
        await asyncio.sleep(SETTLE_SECONDS)
        before = await asyncio.to_thread(_device_seconds, worker)
        began = time.monotonic()
        arrivals = _arrivals(self.choose, seconds, rate) if rate else [0.0] * BURST
        await live.send(arrivals, self._values(len(arrivals)))
        while len(live.latencies(meter)) < len(arrivals) and time.monotonic() < began + seconds + 60:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        found.seconds = time.monotonic() - began
        after = await asyncio.to_thread(_device_seconds, worker)
        found.backfill_device_seconds, found.device_seconds = after[0] - before[0], after[1] - before[1]
        found.latencies = live.latencies(meter)
        found.num_backfilled = meter.count(shadow(self.stream).attributes, began, began + found.seconds)

    def _values(self, count: int) -> list[tuple[str, bytes]]:
        """New live listings, one picture each."""
        first, self.num_live = self.num_live, self.num_live + count
        return [_listing(f"live-{number}", self.host, self.choose) for number in range(first, first + count)]


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_rounds, seconds = trial.size(short=1, full=5), trial.size(short=25, full=45)
    count = trial.size(short=4_000, full=20_000)
    stream = Stream(trial.kafka().address, NUM_PARTITIONS)
    stream.create()
    choose = trial.random("sharing")
    async with image_host() as host:
        stream.send([_listing(f"old-{number}", host, choose) for number in range(count)])
        await asyncio.to_thread(freeze, stream, "old")
        field_ = Field(stream, host, choose)
        backfill = {"BACKFILL__NAME": "old", "BACKFILL__MAX_BATCH_MS": str(CAP_MS)}
        alone, beside = [], []
        for number in range(num_rounds):
            alone.append(await field_.round(seconds, {}))
            beside.append(await field_.round(seconds, backfill))
            trial.say(f"round {number + 1}: p99 {_p99(alone[-1:]):.0f} and {_p99(beside[-1:]):.0f} ms")
        slow = await field_.round(seconds, {**backfill, "BACKFILL__SHARE": str(LOW_SHARE)})
        lagging = {**backfill, "BACKFILL__MAX_LIVE_LAG": str(MAX_LAG), "BACKFILL__MAX_LIVE_P99_MS": "0"}
        burst = await field_.round(5, lagging, rate=0)
    return await asyncio.to_thread(_rows, trial, stream, (alone, beside), slow, burst, count)


def _rows(
    trial: Trial, stream: Stream, pairs: tuple[list[Round], list[Round]], slow: Round, burst: Round, count: int
) -> list[Row]:
    alone, beside = pairs
    without, with_it = _simulated(trial.seed)
    told = statistics.median(one.rate for one in beside)
    num = sum(len(one.latencies) for one in alone)
    live = judge(stream.sent[count:], list(read_outputs(stream.servers, stream.topics)), stream.topics)
    outputs = list(read_outputs(stream.servers, shadow(stream)))
    done = {output.source for output in outputs}
    sent = [one for one in stream.sent[:count] if (one.partition, one.offset) in done]
    old = judge(sent, outputs, shadow(stream))
    return [
        Row(
            f"live p99 without a backfill, {RATE:g}/s, {num:,} listings, sent to read back, the median round's", "",
            f"{_p99(alone):.0f} ms (p50 {_p50(alone):.0f}; simulated: {without.percentile(0.99) * 1e3:.0f}); "
            f"by round: {_all_p99s(alone)}",
            None,
        ),
        Row(
            f"live p99 beside a saturated backfill, batches of {CAP_MS:g} ms at most",
            f"<= {_p99(alone) + CAP_MS:.0f} ms",
            f"{_p99(beside):.0f} ms (p50 {_p50(beside):.0f}; simulated: {with_it.percentile(0.99) * 1e3:.0f}); "
            f"by round: {_all_p99s(beside)}",
            _p99(beside) <= _p99(alone) + CAP_MS,
        ),
        Row(
            "listings a second of the backfill, against the simulator's for this cap",
            f">= {LEAST_SHARE * with_it.spare_throughput:.1f}",
            f"{told:.1f}, simulated {with_it.spare_throughput:.1f}: {told / with_it.spare_throughput:.0%}; "
            f"the device busy {sum(one.device_seconds for one in beside) / sum(one.seconds for one in beside):.1%}",
            told >= LEAST_SHARE * with_it.spare_throughput,
        ),
        Row(
            f"device time of a backfill with --share {LOW_SHARE:g}", f"<= {LOW_SHARE + 1 / slow.seconds:.2f}",
            f"{slow.share:.3f} of {slow.seconds:.0f} s", 0.5 * LOW_SHARE <= slow.share <= LOW_SHARE + 1 / slow.seconds,
        ),
        Row(
            f"{BURST} live listings at once, the backfill rests above {MAX_LAG} waiting", "<= a fifth of its rate",
            f"{burst.rate:.1f} a second over {burst.seconds:.0f} s", burst.rate <= told / 5,
        ),
        Row("load average of the machine at the end, others' programs included", "",
            f"{os.getloadavg()[1]:.1f} on {os.cpu_count()} cores", None),
        Row("live events", "each once", verdict(live), live.is_clean),
        Row(f"backfill, {len(sent):,} listings done in all", "each once", verdict(old), old.is_clean and bool(sent)),
    ]  # fmt: skip


def _simulated(seed: int) -> tuple[Result, Result]:
    """The same load in virtual time, without and with the backfill."""
    traffic, device, policy = Traffic(rate=RATE, count=20_000, prepare_seconds=0.02), Device(FIXED, ITEM), BatchPolicy()
    without = Simulation(traffic, device, adaptive(policy), seed).run()
    return without, Simulation(traffic, device, adaptive(policy), seed, spare(policy, CAP_MS / 1000)).run()


def _arrivals(choose: random.Random, seconds: float, rate: float) -> list[float]:
    """A Poisson process."""
    at, found = choose.expovariate(rate), []
    while at < seconds:
        found.append(at)
        at += choose.expovariate(rate)
    return found


def _listing(key: str, host: ImageHost, choose: random.Random) -> tuple[str, bytes]:
    url = f"{host.base_url}/pictures/{choose.randrange(NUM_PICTURES)}.jpg"
    return key, listing(key, f"oak table {choose.randrange(10**9)}", [url])


def _p99(rounds: Sequence[Round]) -> float:
    """Milliseconds, the median round's: on a machine that is shared, a pause of somebody's making is in one or two."""
    return statistics.median(percentile(one.latencies, 0.99) for one in rounds) * 1000


def _p50(rounds: Sequence[Round]) -> float:
    return statistics.median(percentile(one.latencies, 0.5) for one in rounds) * 1000


def _all_p99s(rounds: Sequence[Round]) -> str:
    return ", ".join(f"{percentile(one.latencies, 0.99) * 1000:.0f}" for one in rounds)


def _device_seconds(worker: WorkerProcess) -> tuple[float, float]:
    """The backfill's, and all."""
    return (
        metric(worker, "hangtag_backfill_batch_seconds_sum"), metric(worker, "hangtag_device_busy_seconds_total")
    )  # fmt: skip
