"""The broker goes away and comes back, killed or shut down, under three workers."""

from __future__ import annotations

import asyncio
import math
import random
import statistics
import time

from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings
from tests.servers.kafka import OwnKafka
from worker.demo.imagehost import ImageHost

TITLE = "Broker restarts"
INSTANCES = ("one", "two", "three")
BACK_WITHIN_SECONDS = 30.0


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_restarts, backlog = trial.size(short=2, full=22), trial.size(short=1_500, full=4_000)
    kafka = OwnKafka()
    kafka.start()
    try:
        stream = Stream(kafka.address, num_partitions=12)
        stream.create()
        choose = trial.random("broker")
        async with image_host() as host, Fleet(stream, host) as fleet:
            for name in INSTANCES:
                await fleet.start(name)
            back: list[float] = []
            for number in range(num_restarts):
                await _top_up(stream, fleet, host, choose, backlog)
                back.append(await _restart(kafka, fleet, is_kill=number % 2 == 0))
                trial.say(f"restart {number + 1}: working again after {back[-1]:.1f} s")
                if back[-1] > BACK_WITHIN_SECONDS:
                    trial.say(fleet.dying_words())
                await asyncio.sleep(choose.uniform(0.5, 4.0))
            is_done = await fleet.until_done(trial.size(short=120, full=1200))
            dead = [name for name, worker in fleet.workers.items() if worker.process.returncode is not None]
            await fleet.stop()
        report = await asyncio.to_thread(stream.judge)
    finally:
        kafka.stop()
    return [
        Row(
            f"{num_restarts} restarts (SIGKILL, SIGTERM in turn), 3 workers, {len(stream.sent):,} events",
            "0 lost, 0 doubled, order kept; no worker ends",
            f"{verdict(report)}; {len(dead)} workers ended",
            report.is_clean and is_done and not dead,
        ),
        Row(
            "from the broker's first answer to the next commit",
            f"<= {BACK_WITHIN_SECONDS:.0f} s",
            f"median {statistics.median(back):.1f} s, slowest {max(back):.1f} s",
            max(back) <= BACK_WITHIN_SECONDS,
        ),
    ]


async def _top_up(stream: Stream, fleet: Fleet, host: ImageHost, choose: random.Random, backlog: int) -> None:
    """Send until ``backlog`` records wait, and see the workers begin on them: a restart has to hit work."""
    done = max(0, await fleet.num_committed())
    if (missing := backlog - (len(stream.sent) - done)) > 0:
        send(stream, list(listings(missing, [host.base_url], choose, keys=backlog)))
    await fleet.until(done + 50, 60)


async def _restart(kafka: OwnKafka, fleet: Fleet, *, is_kill: bool) -> float:
    """Seconds from the broker's first answer to the next commit; infinite if all was done before, and none came."""
    await asyncio.to_thread(kafka.kill if is_kill else kafka.terminate)
    await asyncio.to_thread(kafka.start)
    answered = time.monotonic()
    before = -1
    while before < 0:
        before = await fleet.num_committed()
    if before >= len(fleet.stream.sent):
        return math.inf
    await fleet.until(before + 1, 120)
    return time.monotonic() - answered
