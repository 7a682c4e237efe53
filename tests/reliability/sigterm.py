"""SIGTERM under load, again and again: drained, committed, gone within its time, and nothing computed twice."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from dataclasses import dataclass, field

from tests.integration.stream import Stream, WorkerProcess
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings

TITLE = "SIGTERM under load"
INSTANCES = ("one", "two")
WITHIN_SECONDS = 25.0


@dataclass(slots=True)
class _Stops:
    """What the stops showed; ``redone`` is device time of listings that were computed and not published."""

    wanted: int
    codes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    redone: list[float] = field(default_factory=list)


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_stops, count = trial.size(short=6, full=104), trial.size(short=3_000, full=60_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("sigterm")
    stops = _Stops(num_stops)
    async with image_host() as host, Fleet(stream, host) as fleet:
        send(stream, list(listings(count, [host.base_url], choose, keys=count // 5)))
        await asyncio.gather(*(_stop_again_and_again(fleet, name, stops, choose, trial) for name in INSTANCES))
        was_loaded = await fleet.num_committed() < count
        for name in INSTANCES:
            await fleet.start(name)
        is_done = await fleet.until_done(trial.size(short=180, full=1800))
        await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    slowest = max(stops.seconds)
    return [
        Row(
            f"{len(stops.codes)} SIGTERMs under load, {count:,} events",
            "0 lost, 0 doubled, order kept",
            verdict(report),
            report.is_clean and is_done and was_loaded and len(stops.codes) >= num_stops,
        ),
        Row("exit code", "0 each time", f"0 {stops.codes.count(0)} times of {len(stops.codes)}", not any(stops.codes)),
        Row(
            "from SIGTERM to the end of the process",
            f"<= {WITHIN_SECONDS:.0f} s",
            f"median {statistics.median(stops.seconds):.1f} s, slowest {slowest:.1f} s",
            slowest <= WITHIN_SECONDS,
        ),
        Row(
            "device time of results that were not published",
            "0 s",
            f"{sum(stops.redone):.3f} s in all, {len(stops.redone)} workers said so",
            len(stops.redone) == len(stops.codes) and sum(stops.redone) == 0,
        ),
    ]


async def _stop_again_and_again(fleet: Fleet, name: str, stops: _Stops, choose: random.Random, trial: Trial) -> None:
    while len(stops.codes) < stops.wanted:
        worker = await fleet.start(name)
        if not await worker.until("worker.first_results"):
            trial.say(f"{name} never had results: {''.join(worker.log[-5:])}")
            return
        await asyncio.sleep(choose.uniform(0.0, 2.0))
        began = time.monotonic()
        stops.codes.append(await worker.stop())
        stops.seconds.append(time.monotonic() - began)
        if stops.seconds[-1] > WITHIN_SECONDS / 2 or stops.codes[-1]:
            trial.say(
                f"{name} took {stops.seconds[-1]:.1f} s, exit code {stops.codes[-1]}:\n{''.join(worker.log[-8:])}"
            )
        redone = [found["redone_device_seconds"] for found in _said(worker, "worker.stopped")]
        stops.redone += redone
        if any(redone):
            trial.say(f"{name} gave up results:\n{''.join(line for line in worker.log if _tells_why(line))}")


def _tells_why(line: str) -> bool:
    return any(event in line for event in ("partition.", "transaction.", "worker.", "consumer."))


def _said(worker: WorkerProcess, event: str) -> list[dict[str, float]]:
    lines = (json.loads(line) for line in worker.log if f'"{event}"' in line)
    return [line for line in lines if line.get("event") == event]
