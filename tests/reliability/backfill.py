"""A backfill shared by three processes that are killed and started again, and one that joins late; twice over."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.deadletter import Reason
from schemas.topics import Topics
from tests.audit import Output, Report, judge, read_outputs
from tests.integration.stream import Stream, WorkerProcess
from tests.reliability.bad_records import PARSE_REASONS, Places, bad_ones
from tests.reliability.fleet import SETTINGS, image_host, send, spread, verdict
from tests.reliability.kills import POINTS
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings, mixed
from tests.reliability.worker import Faults
from worker.demo.imagehost import ImageHost
from worker.offsets import Mark, encode_map

TITLE = "A backfill under kills and joins"
INSTANCES = ("one", "two", "three")
LATE = "late"
FULL_LIFE = 8  # the full form's lives are so many times as long as those of the suite kills
NUM_PARTITIONS = 12

Commits = list[tuple[int, str | None]]


@dataclass(slots=True)
class Backfill:
    """One replay of the whole stream into topics with a prefix, by processes that die. ``lives``: how each ends."""

    stream: Stream
    host: ImageHost
    name: str
    lives: list[Faults] = field(default_factory=list)
    num_kills: int = 0
    num_starts: int = 0
    codes: list[int] = field(default_factory=list)
    last_words: str = ""

    @property
    def topics(self) -> Topics:
        """Where its results are."""
        names, prefix = self.stream.topics, f"{self.name}."
        events = [prefix + one for one in (names.attributes, names.scenes, names.texts)]
        return Topics(names.input, events[0], events[1], events[2], prefix + names.dead_letter)

    async def run(self, seconds: float) -> bool:
        """Every process started again until it ends by itself; one more joins in the middle. False: too slow."""
        running = [asyncio.create_task(self._live(name)) for name in INSTANCES]
        running.append(asyncio.create_task(self._join_late()))
        _, late = await asyncio.wait(running, timeout=seconds)
        for task in late:
            task.cancel()
        for task in running:
            with suppress(asyncio.CancelledError):
                await task
        return not late

    async def _live(self, instance: str) -> None:
        while True:
            faults = self.lives.pop() if self.lives else Faults()
            code = await self._once(instance, faults)
            if code == -9 and faults.die_at:
                self.num_kills += 1
                continue
            self.codes.append(code)
            return

    async def _join_late(self) -> None:
        """It comes when half of the kills are under way, with no word of the bounds: the plan is there.

        Without kills it comes with the others, and any of them may be the one that makes the plan.
        """
        half, has_plan = len(self.lives) // 2, bool(self.lives)
        while len(self.lives) > half:  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(0.1)
        self.codes.append(await self._once(LATE, Faults(), knows_bounds=not has_plan))

    async def _once(self, instance: str, faults: Faults, *, knows_bounds: bool = True) -> int:
        own = {**SETTINGS, "KAFKA__REPLAY_TOPIC": f"t-{self.stream.name}-replays"}
        environment = self.stream.environment(self.host, instance, own)
        prefix = f"{self.name}."
        asked = {"start": "earliest", "output_prefix": prefix, "include_superseded": True} if knows_bounds else {}
        command = ("-m", "tests.reliability.replayer", self.name, json.dumps(asked))
        worker = await WorkerProcess.start({**environment, **faults.to_environment()}, command)
        self.num_starts += 1
        try:
            code = await worker.ended()
        finally:
            await worker.kill()
        if code not in (0, -9):
            self.last_words = "".join(worker.log[-8:])
        return code


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_kills = trial.size(short=6, full=24)
    count = trial.size(short=3_000, full=100_000)
    stream = Stream(trial.kafka().address, NUM_PARTITIONS)
    stream.create()
    choose = trial.random("backfill")
    async with image_host() as host:
        good = listings(count - count // 50, [host.base_url], choose, keys=count // 5)
        bad = list(bad_ones(count // 50, Places(host.base_url, "", ""), choose, PARSE_REASONS))
        send(stream, mixed(good, bad, choose))
        commit_as_if_live(stream, choose)
        before = commits_of(stream)
        lives = list(_lives(num_kills, trial.size(short=1, full=FULL_LIFE), choose))
        backfills = [Backfill(stream, host, "first", lives), Backfill(stream, host, "second")]
        seconds = []
        for backfill in backfills:
            trial.say(f"{count:,} listings, replay {backfill.name!r}, {len(backfill.lives)} kills to come")
            began = time.monotonic()
            is_done = await backfill.run(trial.size(short=400, full=3000))
            seconds.append(time.monotonic() - began)
            trial.say(f"{'ended' if is_done else 'too slow'} after {seconds[-1]:.0f} s {backfill.last_words}")
    return await asyncio.to_thread(_rows, stream, backfills, num_kills, before, seconds)


def _lives(number: int, life: int, choose: random.Random) -> Iterator[Faults]:
    points = [name for name, _ in zip(list(POINTS) * number, range(number), strict=False)]
    choose.shuffle(points)
    for point in points:
        least, most = POINTS[point]
        yield Faults(die_at=point, die_after=spread(choose, least, most * life))


def _rows(
    stream: Stream, backfills: list[Backfill], num_kills: int, before: Commits, seconds: list[float]
) -> list[Row]:
    first, second = backfills
    outputs = [list(read_outputs(stream.servers, one.topics)) for one in backfills]
    reports = [judge(stream.sent, found, one.topics) for found, one in zip(outputs, backfills, strict=True)]
    convicted = {output.source for found in outputs for output in found if _is_conviction(output)}
    ids = [
        {_identity(output, one) for output in found if output.source not in convicted}
        for found, one in zip(outputs, backfills, strict=True)
    ]
    after = commits_of(stream)
    return [
        Row(
            f"{len(stream.sent):,} listings, {NUM_PARTITIONS} partitions, {len(INSTANCES)} processes, one joins",
            "0 lost, 0 doubled, order kept, all exit 0",
            f"{verdict(reports[0])}; exit codes {first.codes}, {seconds[0]:.0f} s",
            reports[0].is_clean and first.codes == [0] * (len(INSTANCES) + 1),
        ),
        Row("SIGKILLs; processes started", f">= {num_kills} killed",
            f"{first.num_kills} killed, {first.num_starts} started", first.num_kills >= num_kills),
        Row("bystanders convicted, as kills from outside may do", "", f"{len(convicted):,} listings", None),
        Row("the same backfill again, nobody killed", "the same event ids but for those, each once",
            _compared(reports[1], *ids),
            reports[1].is_clean and ids[0] == ids[1] and second.codes == [0] * (len(INSTANCES) + 1)),
        Row("the live group's offsets and metadata", "unchanged to the byte",
            "unchanged" if before == after else f"{before} became {after}", before == after),
    ]  # fmt: skip


def _compared(report: Report, first: set[tuple[str, str]], second: set[tuple[str, str]]) -> str:
    return f"{len(first & second):,} the same, {len(first ^ second):,} not; {verdict(report)}"


def _is_conviction(output: Output) -> bool:
    """Too many kills came while this record was under way: `worker.partitions.quarantine` cannot tell who killed."""
    return output.headers.get("hangtag.dlq.reason") == Reason.WORKER_CRASHED.value.encode()


def _identity(output: Output, backfill: Backfill) -> tuple[str, str]:
    """Kind of topic, and the event's id; a dead letter has none, but a place that it is about."""
    return output.topic.removeprefix(f"{backfill.name}."), output.event_id or str(output.source)


def commit_as_if_live(stream: Stream, choose: random.Random) -> None:
    """Offsets with gap maps, as a live worker in the middle of its work leaves them; half of the partitions."""
    config = {"bootstrap.servers": stream.servers, "group.id": stream.name, "enable.auto.commit": False}
    live = Consumer(config)
    places = []
    for number in range(0, stream.num_partitions, 2):
        offset = choose.randrange(1, 50)
        metadata = encode_map(
            offset, {offset + 1 + choose.randrange(40) for _ in range(9)}, Mark(choose.randrange(1, 99))
        )
        places.append(TopicPartition(stream.topics.input, number, offset, metadata=metadata))
    try:
        live.commit(offsets=places, asynchronous=False)
    finally:
        live.close()


def commits_of(stream: Stream) -> Commits:
    """What the live group has committed, by partition. Raises KafkaException."""
    reader = Consumer({"bootstrap.servers": stream.servers, "group.id": stream.name, "enable.auto.commit": False})
    try:
        wanted = [TopicPartition(stream.topics.input, number) for number in range(stream.num_partitions)]
        places = sorted(reader.committed(wanted, timeout=20), key=lambda place: place.partition)
        if failed := [place.error for place in places if place.error is not None]:
            raise KafkaException(failed[0])
        return [(place.offset, place.metadata) for place in places]
    finally:
        reader.close()
