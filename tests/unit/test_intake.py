"""The loop's side of the consumer: assignments, marks, revocations, and who may start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from worker.committer import Committer
from worker.consume import Consumer
from worker.flow.admission import Limits
from worker.item import Finished, Origin, OutputRecord, Record
from worker.kafka.transaction import Commit, CommitOutcome
from worker.metrics import Metrics
from worker.offsets import Mark, decode_map, encode_map
from worker.partitions.assignment import Assigned
from worker.partitions.intake import FindSuperseded, Intake
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.partition import Journey

TOPIC = "in"


@dataclass
class Doors:
    """The consumer's doors, as the intake uses them: it notes what it is asked."""

    paused: set[int] = field(default_factory=set)
    num_rewinds: int = 0

    def pause(self, partitions: Sequence[int]) -> None:
        """Noted."""
        self.paused |= set(partitions)

    def resume(self, partitions: Sequence[int]) -> None:
        """Noted."""
        self.paused -= set(partitions)

    def rewind(self) -> None:
        """Noted."""
        self.num_rewinds += 1


@dataclass
class Ledger:
    """A publisher that keeps what it is sent, with outcomes as given and FINE from then on."""

    outcomes: list[CommitOutcome] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    committed: dict[int, tuple[int, str]] = field(default_factory=dict)

    async def start(self) -> None:
        """Nothing to do."""

    async def send(self, commit: Commit) -> CommitOutcome:
        """Keep it."""
        outcome = self.outcomes.pop(0) if self.outcomes else CommitOutcome.FINE
        if outcome is CommitOutcome.FINE:
            self.commits.append(commit)
            for place in commit.offsets:
                self.committed[place.partition] = (place.offset, place.metadata or "")
        return outcome

    async def close(self) -> None:
        """Nothing to do."""


class Bench:
    """An intake and a committer on fakes, driven by hand."""

    def __init__(
        self,
        outcomes: Sequence[CommitOutcome] = (),
        policy: IntakePolicy | None = None,
        find: FindSuperseded | None = None,
        limits: Limits | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.intake = Intake(TOPIC, policy or IntakePolicy(drain_seconds=2.0), lambda error: None, find)
        self.doors = Doors()
        self.intake.consumer = cast(Consumer, self.doors)
        self.ledger = ledger or Ledger(list(outcomes))
        self.metrics = Metrics()
        self.committer = Committer(self.intake.books, self.intake.rewind, self.ledger, limits or Limits(), self.metrics)
        self.loop = asyncio.create_task(self.committer.run())

    async def assign(
        self, partition: int = 0, *, offset: int = 0, metadata: str = "", end: int = 100, epoch: int = 1
    ) -> None:
        """As the consumer's thread tells it; returns when the mark is committed."""
        self.intake.on_assigned([Assigned(partition, epoch, offset, metadata, end)])
        await settle()

    async def deliver(self, *offsets: int, partition: int = 0, epoch: int = 1, key: bytes | None = None) -> None:
        """Records arrive."""
        records = [
            Record(key or str(offset).encode(), b"{}", (), Origin(TOPIC, partition, offset, 0, epoch))
            for offset in offsets
        ]
        self.intake.on_records(records)
        await settle()

    async def next(self) -> Journey:
        """The next one that may start; fails when none may."""
        return await asyncio.wait_for(self.intake.starts.next(), 1)

    async def may_none_start(self) -> bool:
        """Does nothing start, however long one waits?"""
        waiting = asyncio.ensure_future(self.intake.starts.next())
        await settle()
        is_waiting = not waiting.done()
        waiting.cancel()
        return is_waiting

    async def finish(self, journey: Journey) -> None:
        """It is done and published."""
        began = asyncio.get_running_loop().time()
        self.committer.add(Finished(journey.origin, (OutputRecord("out", b"k", b"v", ()),), None, 0.5, began))
        self.intake.starts.end(journey, has_result=True)
        await settle()

    def mark(self, partition: int = 0) -> Mark:
        """The mark as committed."""
        offset, metadata = self.ledger.committed[partition]
        return decode_map(metadata, offset).mark


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_nothing_starts_before_the_mark_is_committed() -> None:
    """A death before the first result must be countable, so the assignment is committed first."""
    bench = Bench([CommitOutcome.ABORTED] * 5)  # whose pauses add up to more than a busy machine needs to look
    bench.intake.on_assigned([Assigned(0, 1, 0, "", 100)])
    await bench.deliver(0)
    assert await bench.may_none_start(), "the commit was refused and is being tried again"
    journey = await bench.next()
    assert journey.origin.offset == 0
    assert bench.mark().writer != 0


async def test_revocation_hands_over_cleanly() -> None:
    """What the device has not seen is dropped, and the last commit says that nobody died."""
    bench = Bench()
    await bench.assign()
    await bench.deliver(0, 1)
    await bench.finish(await bench.next())
    revoked = asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    await revoked
    assert bench.ledger.committed[0] == (1, "")
    assert not list(bench.intake.partitions)


async def test_lost_partition_commits_nothing() -> None:
    """Somebody else owns it already."""
    bench = Bench()
    await bench.assign()
    num_commits = len(bench.ledger.commits)
    await asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=True))
    assert len(bench.ledger.commits) == num_commits


async def test_late_result_of_a_revoked_assignment_is_dropped() -> None:
    """It belongs to an older epoch, whoever holds the partition now."""
    bench = Bench()
    await bench.assign()
    await bench.deliver(0)
    journey = await bench.next()
    await asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=True))
    await bench.assign(epoch=2)
    num_outputs = sum(len(commit.outputs) for commit in bench.ledger.commits)
    await bench.finish(journey)
    assert sum(len(commit.outputs) for commit in bench.ledger.commits) == num_outputs
    assert bench.metrics.snapshot()["redone_device_seconds"] == 0.5


async def test_unknown_outcome_drops_everything_and_rewinds() -> None:
    """Nothing of before is published until the consumer says where to start again."""
    bench = Bench([CommitOutcome.FINE, CommitOutcome.UNKNOWN])
    await bench.assign()
    await bench.deliver(0, 1)
    first = await bench.next()
    second = await bench.next()
    await bench.finish(first)
    assert bench.doors.num_rewinds == 1
    await bench.finish(second)
    assert sum(len(commit.outputs) for commit in bench.ledger.commits) == 0
    await bench.assign(epoch=2)
    await bench.deliver(0, epoch=2)
    await bench.finish(await bench.next())
    assert bench.ledger.committed[0][0] == 1
    assert bench.metrics.snapshot()["redone_device_seconds"] == 1.0, "the first two were worked on in vain"


@pytest.mark.parametrize("is_handing_over", [False, True])
async def test_a_rewind_ends_a_revocation_that_waits(is_handing_over: bool) -> None:
    """Nothing of before can be finished or committed any more; the group need not wait until the budget is spent."""
    bench = Bench(policy=IntakePolicy(drain_seconds=600.0))
    await bench.assign()
    await bench.deliver(0, 1)
    first, second = await bench.next(), await bench.next()
    for journey in (first, second):
        journey.flight.is_started = True
        if is_handing_over:
            bench.intake.starts.end(journey, has_result=False)
    bench.ledger.outcomes.append(CommitOutcome.UNKNOWN)
    revoked = asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    if not is_handing_over:
        await settle()
        await bench.finish(first)
    async with asyncio.timeout(2):
        await revoked
    assert bench.doors.num_rewinds == 1


async def test_the_end_of_a_log_is_committed_though_no_record_lies_there() -> None:
    """Else it is lag for ever, and once it has expired the committed offset is outside of the log."""
    bench = Bench()
    await bench.assign()
    await bench.deliver(0)
    journey = await bench.next()
    num_commits = len(bench.ledger.commits)
    bench.intake.on_caught_up(0, 1, 2)
    await settle()
    assert len(bench.ledger.commits) == num_commits, "the result that is left will say it"
    await bench.finish(journey)
    assert bench.ledger.committed[0][0] == 2
    bench.intake.on_caught_up(0, 1, 4)
    await settle()
    assert bench.ledger.committed[0][0] == 4, "no result is left"
    num_commits = len(bench.ledger.commits)
    for epoch, position in ((1, 4), (0, 9)):
        bench.intake.on_caught_up(0, epoch, position)
    await settle()
    assert len(bench.ledger.commits) == num_commits, "nothing has moved, or it is of an assignment of before"
    await bench.deliver(4)
    await bench.finish(await bench.next())
    assert bench.ledger.committed[0][0] == 5


async def test_a_position_reached_while_draining_says_nothing() -> None:
    """The records before it came too late to be taken: their next owner does them."""
    bench = Bench()
    await bench.assign()
    await bench.deliver(0)
    journey = await bench.next()
    journey.flight.is_started = True
    draining = asyncio.create_task(bench.intake.drain())
    await bench.deliver(1, 2)
    bench.intake.on_caught_up(0, 1, 3)
    await bench.finish(journey)
    await draining
    assert bench.ledger.committed[0][0] == 1


async def test_suspect_waits_until_it_has_the_process_to_itself() -> None:
    """After three deaths: first everything else ends, then its name is committed, then it runs, then the next."""
    bench = Bench()
    await bench.assign(1)
    await bench.deliver(0, partition=1)
    other = await bench.next()
    await bench.assign(0, metadata=encode_map(0, [], Mark(99, 2, until=2)), end=2)
    await bench.deliver(0, 1)
    assert await bench.may_none_start(), "the other listing is still under way"
    await bench.finish(other)
    alone = await bench.next()
    assert (alone.origin.partition, alone.origin.offset) == (0, 0)
    assert bench.mark().alone == 0
    assert await bench.may_none_start()
    await bench.finish(alone)
    await bench.finish(await bench.next())
    assert bench.mark().deaths == 0


async def test_convict_is_named_and_not_run() -> None:
    """The record that was alone at a death carries how many deaths it is guilty of."""
    bench = Bench()
    await bench.assign(metadata=encode_map(5, [], Mark(99, 3, until=8, alone=6)), offset=5, end=8)
    await bench.deliver(5, 6)
    deaths = {}
    for _ in range(2):
        journey = await bench.next()
        deaths[journey.origin.offset] = journey.flight.num_deaths
        await bench.finish(journey)
    assert deaths == {5: 0, 6: 4}


async def test_finished_ones_beyond_the_offset_are_skipped() -> None:
    """The gap map of the last owner is honoured."""
    bench = Bench()
    await bench.assign(metadata=encode_map(0, [1, 2]))
    await bench.deliver(0, 1, 2, 3)
    assert [(await bench.next()).origin.offset for _ in range(2)] == [0, 3]


async def test_full_backlog_pauses_and_drained_one_resumes() -> None:
    """With hysteresis: half must be gone first."""
    bench = Bench(policy=IntakePolicy(max_backlog_records=4))
    await bench.assign()
    await bench.deliver(0, 1, 2, 3)
    assert bench.doors.paused == {0}
    await bench.next()
    assert bench.doors.paused == {0}
    await bench.next()
    assert bench.doors.paused == set()


async def test_partition_that_stays_silent_is_resumed() -> None:
    """Records are there, nothing is paused, nothing comes: the client forgot, so it is told again."""
    bench = Bench()
    await bench.assign()
    assert bench.intake.unstick({0: 10}, silent_seconds=0.0) == [0]
    assert bench.intake.unstick({0: 0}, silent_seconds=0.0) == []
    assert bench.intake.unstick({0: 10}, silent_seconds=60.0) == []


async def test_result_that_waits_for_an_earlier_record_of_its_key_keeps_that_record() -> None:
    """A drain cancels what the device has not seen, but not what would take a finished result with it."""
    bench = Bench()
    await bench.assign()
    await bench.deliver(0, 1, key=b"same")
    await bench.deliver(2)
    earlier, later, other = [await bench.next() for _ in range(3)]
    never = asyncio.get_running_loop().create_future()
    for journey in (earlier, later, other):
        journey.task = asyncio.ensure_future(_wait_for(never))
    later.flight.is_started = True
    revoking = asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    await settle()
    assert [journey.task.cancelled() for journey in (earlier, later, other) if journey.task] == [False, False, True]
    for journey in (earlier, later, other):
        bench.intake.starts.end(journey, has_result=False)
    await revoking


async def _wait_for(never: asyncio.Future[None]) -> None:
    await asyncio.shield(never)


async def test_damaged_metadata_skips_nothing() -> None:
    """It is as if nothing were finished beyond the offset."""
    bench = Bench()
    await bench.assign(metadata=json.dumps({"not": "ours"}))
    await bench.deliver(0, 1)
    assert [(await bench.next()).origin.offset for _ in range(2)] == [0, 1]


async def test_one_suspect_is_named_at_a_time() -> None:
    """Else the death that one causes would convict the other, which never ran."""
    bench = Bench()
    for partition in (0, 1):
        await bench.assign(partition, metadata=encode_map(0, [], Mark(99, 2, until=1)), end=1)
        await bench.deliver(0, partition=partition)
    first = await bench.next()
    named = [partition for partition in (0, 1) if bench.mark(partition).alone is not None]
    assert named == [first.origin.partition]
    await bench.finish(first)
    second = await bench.next()
    named = [partition for partition in (0, 1) if bench.mark(partition).alone is not None]
    assert named == [second.origin.partition] != [first.origin.partition]


@pytest.mark.parametrize("is_under_way", [False, True])
async def test_a_suspect_that_goes_with_its_partition_holds_nobody_up(is_under_way: bool) -> None:
    """Whether it had only been named or was under way, the others start at once: nothing else may come to wake them."""
    refused = [] if is_under_way else [CommitOutcome.ABORTED] * 5
    marks = [CommitOutcome.FINE] * 2
    bench = Bench([*marks, *refused])  # first the marks of both partitions, then the one that names the suspect
    await bench.assign(0, metadata=encode_map(0, [], Mark(99, 2, until=1)), end=1)
    await bench.assign(1)
    await bench.deliver(0)
    await bench.deliver(0, partition=1)
    if is_under_way:
        assert (await bench.next()).origin.partition == 0
    waiting = asyncio.ensure_future(bench.next())
    await settle()
    assert not waiting.done(), "the suspect has the process to itself, or is about to"
    await asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=True))
    assert (await waiting).origin.partition == 1
