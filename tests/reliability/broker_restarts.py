"""The broker goes away and comes back, killed or shut down, under three workers."""

from __future__ import annotations

import asyncio
import bisect
import math
import random
import statistics
import time
from collections.abc import Sequence

from tests.audit import read_records
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
            answered: list[float] = []
            for number in range(num_restarts):
                await _top_up(stream, fleet, host, choose, backlog)
                await asyncio.to_thread(kafka.kill if number % 2 == 0 else kafka.terminate)
                await asyncio.to_thread(kafka.start)
                answered.append(time.time())
                await _see_movement(trial, fleet)
                await asyncio.sleep(choose.uniform(0.5, 4.0))
            is_done = await fleet.until_done(trial.size(short=120, full=1200))
            dead = [name for name, worker in fleet.workers.items() if not worker.is_running]
            await fleet.stop()
        report = await asyncio.to_thread(stream.judge)
        back = await asyncio.to_thread(_back_after, stream, answered)
        trial.say(f"seconds from the broker's answer to the next result: {', '.join(f'{one:.1f}' for one in back)}")
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
            "from the broker's first answer to the next result that was committed",
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


async def _see_movement(trial: Trial, fleet: Fleet) -> None:
    """Wait until commits go on; say what the workers said if they do not."""
    before = -1
    while before < 0:
        before = await fleet.num_committed()
    if before < len(fleet.stream.sent) and not await fleet.until(before + 1, 120):
        trial.say(fleet.dying_words())


def _back_after(stream: Stream, answered: Sequence[float]) -> list[float]:
    """Seconds from each of these moments to the first result produced after it that readers see."""
    times = sorted(
        message.timestamp()[1] / 1000
        for message in read_records(stream.servers, stream.topics)
        if message.topic() == stream.topics.attributes
    )
    places = [bisect.bisect_left(times, moment) for moment in answered]
    return [
        times[place] - moment if place < len(times) else math.inf
        for place, moment in zip(places, answered, strict=True)
    ]
