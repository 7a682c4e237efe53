"""Memory over time: results that nobody takes, and a long stream with bad records in it."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.stream import Stream, WorkerProcess
from tests.reliability.bad_records import (
    FAILING_TITLE,
    MAX_RECORD_BYTES,
    NOBODY,
    REASONS,
    Places,
    bad_ones,
    vast_picture,
)
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.hosts import OddHost
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings, mixed
from tests.reliability.worker import Faults

TITLE = "Memory"
GROWTH = 1.05
SHARE_BAD = 0.05
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)
SETTINGS = {
    "FETCH__GIVE_UP_SECONDS": "3",
    "FETCH__TIMEOUT_SECONDS": "2",
    "KAFKA__MAX_RECORD_BYTES": str(MAX_RECORD_BYTES),
    "DECODE__MEMORY_BYTES": str(256 << 20),
}


@dataclass(slots=True)
class Resident:
    """Resident memory of a worker and its decoder processes, MiB, once a second."""

    worker: WorkerProcess
    samples: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            if (found := _tree_mib(self.worker.process.pid)) > 0:
                self.samples.append(found)
            await asyncio.sleep(1.0)

    @property
    def quarters(self) -> list[float]:
        """The median of each quarter."""
        size = len(self.samples) // 4
        return [statistics.median(self.samples[place * size : (place + 1) * size]) for place in range(4)]


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    return [*await _dead_sink(trial), *await _long_stream(trial)]


async def _dead_sink(trial: Trial) -> list[Row]:
    """The broker takes no results, for minutes; then it does again."""
    seconds, count = trial.size(short=60, full=600), trial.size(short=1_500, full=20_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("sink")
    async with image_host() as host, Fleet(stream, host) as fleet:
        worker = await fleet.start("one")
        letters = list(listings(count, [host.base_url], choose, keys=None))
        send(stream, letters[:100])
        await fleet.until_done(60)
        await asyncio.to_thread(_refuse_results, stream, is_refusing=True)
        send(stream, letters[100:])
        resident = await _watched(worker, asyncio.sleep(seconds))
        before = await fleet.num_committed()
        await asyncio.to_thread(_refuse_results, stream, is_refusing=False)
        is_done = await fleet.until_done(120 + count / 20)
        codes = await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    return [
        _row(f"sink dead for {seconds} s with {count - before:,} listings waiting", [resident]),
        Row(
            "the same stream once the sink takes results again",
            "0 lost, 0 doubled",
            verdict(report),
            report.is_clean and is_done and codes == [0] and before < count,
        ),
    ]


async def _long_stream(trial: Trial) -> list[Row]:
    """Two workers on a long stream; one record in twenty is bad."""
    count = trial.size(short=6_000, full=200_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("long")
    async with image_host() as host, OddHost(served=vast_picture()) as odd, OddHost("hang") as hanging:
        endpoints = json.dumps([host.endpoint, odd.endpoint, hanging.endpoint, NOBODY])
        places = Places(host.base_url, odd.base_url, hanging.base_url)
        num_bad = int(count * SHARE_BAD)
        good = listings(count - num_bad, [host.base_url], choose, keys=count // 5)
        send(stream, mixed(good, list(bad_ones(num_bad, places, choose, REASONS)), choose))
        async with Fleet(stream, host, {**SETTINGS, "FETCH__ALLOW_ENDPOINTS": endpoints}) as fleet:
            workers = [await fleet.start(name, Faults(failing_title=FAILING_TITLE)) for name in ("one", "two")]
            for worker in workers:
                await worker.until("worker.first_results")
            done = asyncio.create_task(fleet.until_done(120 + count / 20))
            found = await asyncio.gather(*(_watched(worker, asyncio.shield(done)) for worker in workers))
            await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    return [
        _row(f"{count:,} events, {SHARE_BAD:.0%} bad, 2 workers", found),
        Row(
            "the same stream's results",
            "0 lost, 0 doubled",
            verdict(report),
            report.is_clean and done.result() and report.num_dead == num_bad,
        ),
    ]


async def _watched(worker: WorkerProcess, work: asyncio.Future[bool] | object) -> Resident:
    resident = Resident(worker)
    watching = asyncio.create_task(resident.watch())
    await work  # type: ignore[misc]  # a future or a coroutine
    watching.cancel()
    return resident


def _row(what: str, found: Sequence[Resident]) -> Row:
    growth = max(one.quarters[3] / one.quarters[1] for one in found)
    told = "; ".join(" → ".join(f"{quarter:.0f}" for quarter in one.quarters) for one in found)
    return Row(
        f"{what}: resident memory, last quarter against second",
        f"<= {GROWTH}",
        f"{growth:.3f} (MiB by quarter: {told})",
        growth <= GROWTH,
    )


def _refuse_results(stream: Stream, *, is_refusing: bool) -> None:
    """More replicas wanted than there are brokers: every write is refused for as long as that stands."""
    change = ConfigEntry(
        "min.insync.replicas",
        "2" if is_refusing else "1",
        incremental_operation=AlterConfigOpType.SET,
    )
    topics = stream.topics
    names = (topics.attributes, topics.scenes, topics.texts, topics.dead_letter)
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[change]) for name in names]
    admin = AdminClient({"bootstrap.servers": stream.servers})  # what it is asked ends with it
    for outcome in admin.incremental_alter_configs(resources).values():
        outcome.result(20)


def _tree_mib(pid: int) -> float:
    """Of a process and all below it; 0 when it is gone."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
        children = [
            int(name) for path in Path(f"/proc/{pid}/task").glob("*/children") for name in path.read_text().split()
        ]
    except OSError:
        return 0.0
    return own + sum(map(_tree_mib, children))
