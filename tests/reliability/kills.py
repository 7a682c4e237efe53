"""SIGKILL at every stage, again and again, while listings flow; the same instance is started again each time."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.integration.stream import Stream
from tests.reliability.fleet import SESSION_SECONDS, Fleet, image_host, send, spread, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings
from tests.reliability.worker import Faults

TITLE = "SIGKILL at every stage"
INSTANCES = ("one", "two", "three")
# Where it dies, and after how many passages of that point, in the short form: a life of some seconds.
POINTS = {
    "fetch": (20, 800),
    "decode": (20, 800),
    "infer": (5, 100),
    "begun": (2, 40),
    "produced": (2, 40),
    "offsets_sent": (2, 40),
    "committed": (2, 40),
}
FULL_LIFE = 6  # the full form's lives are so many times as long, so that kills spread over all of its listings
BACK_WITHIN_SECONDS = SESSION_SECONDS + 20


@dataclass(slots=True)
class Tally:
    """What happened; ``back_seconds``: from the kill of an instance to its first results after the restart."""

    points: list[str]
    choose: random.Random
    life: int = 1
    kills: Counter[str] = field(default_factory=Counter)
    back_seconds: list[float] = field(default_factory=list)

    def next_faults(self) -> Faults | None:
        """How the next life ends; None: enough have died."""
        if not self.points:
            return None
        point = self.points.pop()
        least, most = POINTS[point]
        return Faults(die_at=point, die_after=spread(self.choose, least, most * self.life))


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_kills = trial.size(short=7, full=105)
    count = trial.size(short=3_000, full=100_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("kills")
    points = [name for name, _ in zip(list(POINTS) * num_kills, range(num_kills), strict=False)]
    choose.shuffle(points)
    tally = Tally(points, choose, trial.size(short=1, full=FULL_LIFE))
    began = time.monotonic()
    async with image_host() as host:
        send(stream, list(listings(count, [host.base_url], choose, keys=count // 5)))
        trial.say(f"{count:,} listings sent")
        fleet = Fleet(stream, host)
        is_done = asyncio.Event()
        lives = [asyncio.create_task(_live(fleet, name, tally, is_done, trial)) for name in INSTANCES]
        finished = await fleet.until_done(trial.size(short=300, full=5400))
        # A fast machine is through before all have died.
        while finished and tally.kills.total() < num_kills and len(stream.sent) < 10 * count:
            send(stream, list(listings(count // 5, [host.base_url], choose, keys=count // 5)))
            finished = await fleet.until_done(300)
        is_done.set()
        await asyncio.gather(*lives)
        codes = await fleet.stop()
        trial.say(f"all committed after {time.monotonic() - began:.0f} s" if finished else fleet.dying_words())
    report = await asyncio.to_thread(stream.judge)
    return [
        Row(
            f"{tally.kills.total()} kills, {len(INSTANCES)} workers, 12 partitions, {len(stream.sent):,} events",
            "0 lost, 0 doubled, order kept",
            verdict(report) + f"; {tally.kills.total()} killed: "
            + ", ".join(f"{point} {number}" for point, number in sorted(tally.kills.items())),
            report.is_clean and finished and codes == [0] * len(INSTANCES),
        ),
        Row("kills before everything was done", f">= {num_kills}", str(tally.kills.total()),
            tally.kills.total() >= num_kills),
        _back_row(tally),
    ]  # fmt: skip


def _back_row(tally: Tally) -> Row:
    back = sorted(tally.back_seconds)
    found = f"median {statistics.median(back):.1f} s, slowest {back[-1]:.1f} s of {len(back)}" if back else "none seen"
    what = "from a kill to that instance's first results"
    return Row(what, f"<= {BACK_WITHIN_SECONDS:.0f} s", found, bool(back) and back[-1] <= BACK_WITHIN_SECONDS)


async def _live(fleet: Fleet, name: str, tally: Tally, is_done: asyncio.Event, trial: Trial) -> None:
    """One instance: start, die as told, start again; the last life has no faults."""
    died_at: float | None = None
    while not is_done.is_set():
        faults = tally.next_faults()
        worker = await fleet.start(name, faults or Faults())
        ended = asyncio.ensure_future(worker.ended())
        done = asyncio.ensure_future(is_done.wait())
        await asyncio.wait((ended, done), return_when=asyncio.FIRST_COMPLETED)
        done.cancel()
        first = worker.events.get("worker.first_results")
        if died_at is not None and first is not None:
            tally.back_seconds.append(first - died_at)
        if not ended.done():
            ended.cancel()
            return
        died_at = time.monotonic()
        if faults is None or ended.result() != -9:
            trial.say(f"{name} ended by itself with {ended.result()}: {''.join(worker.log[-5:])}")
            continue
        tally.kills[faults.die_at] += 1
        trial.say(f"kill {tally.kills.total()}: {name} at {faults.die_at}, pass {faults.die_after}")
