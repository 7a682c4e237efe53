"""A replay's end as the event loop sees it: the bound is committed whatever lies before it, and once."""

from __future__ import annotations

import asyncio

from tests.unit.test_intake import Bench, settle
from worker.partitions.assignment import Assigned
from worker.partitions.superseded import Superseded


async def bounded(bound: int, *, superseded: set[int] | None = None) -> tuple[Bench, asyncio.Event]:
    """A bench with partition 0 assigned up to ``bound``; what is superseded is known once the event is set."""
    is_known = asyncio.Event()

    async def find(_: int) -> Superseded:
        await is_known.wait()
        found = Superseded(0, bound)
        for offset in superseded or ():
            found.add(offset)
        return found

    bench = Bench(find=None if superseded is None else find)
    bench.intake.on_assigned([Assigned(0, 1, 0, "", bound, bound)])
    await settle()
    return bench, is_known


async def test_a_hole_before_the_end_is_passed_by_the_last_result() -> None:
    """Offsets 2 to 9 never come; the commit of the last result carries the bound."""
    bench, _ = await bounded(10)
    await bench.deliver(0, 1)
    first, second = await bench.next(), await bench.next()
    bench.intake.on_end(0, 1)
    await bench.finish(first)
    assert bench.ledger.committed[0][0] == 1
    await bench.finish(second)
    assert bench.ledger.committed[0][0] == 10


async def test_an_end_without_records_is_committed_by_a_mark() -> None:
    """Nothing was there, or everything was committed before: no result is left to carry it."""
    bench, _ = await bounded(10)
    bench.intake.on_end(0, 1)
    await settle()
    assert bench.ledger.committed[0][0] == 10
    num_commits = len(bench.ledger.commits)
    bench.intake.on_end(0, 1)
    await settle()
    assert len(bench.ledger.commits) == num_commits, "once is enough"


async def test_the_end_of_an_older_assignment_says_nothing() -> None:
    """It was told before a rewind: the records that follow come again."""
    bench, _ = await bounded(10)
    bench.intake.on_end(0, 0)
    await settle()
    assert bench.ledger.committed[0][0] == 0


async def test_nothing_starts_before_it_is_known_what_is_superseded() -> None:
    """Then those are passed over, and the rest goes on."""
    bench, is_known = await bounded(4, superseded={0, 1, 3})
    await bench.deliver(0, 1, 2, 3)
    assert await bench.may_none_start()
    is_known.set()
    journey = await bench.next()
    assert journey.origin.offset == 2
    bench.intake.on_end(0, 1)
    assert await bench.may_none_start()
    await bench.finish(journey)
    assert bench.ledger.committed[0][0] == 4
    assert bench.intake.starts.num_passed_over == 3


async def test_a_stretch_of_superseded_records_alone_still_comes_to_its_end() -> None:
    """No result at all: the bound is committed all the same."""
    bench, is_known = await bounded(3, superseded={0, 1, 2})
    await bench.deliver(0, 1, 2)
    bench.intake.on_end(0, 1)
    is_known.set()
    assert await bench.may_none_start()
    assert bench.ledger.committed[0][0] == 3


async def test_a_record_passed_over_lets_nobody_overtake() -> None:
    """Of three records of a key the second is not meant: the third waits for the first all the same."""
    bench, is_known = await bounded(3, superseded={1})
    is_known.set()
    await bench.deliver(0, 1, 2, key=b"k")
    first, third = await bench.next(), await bench.next()
    assert (first.origin.offset, third.origin.offset) == (0, 2)
    turn = asyncio.create_task(third.turn.wait())
    await settle()
    assert not turn.done()
    await bench.finish(first)
    assert turn.done()


async def test_an_ended_partition_is_not_taken_for_a_stuck_one() -> None:
    """The log goes on beyond the bound; that it brings nothing is as it should be."""
    bench, _ = await bounded(3)
    bench.intake.on_end(0, 1)
    await settle()
    assert bench.intake.unstick({0: 99}, silent_seconds=-1.0) == []


async def test_an_end_reached_while_draining_says_nothing() -> None:
    """The records before it came too late to be taken, and the replay would be over without them."""
    bench, _ = await bounded(10)
    await bench.deliver(0)
    journey = await bench.next()
    journey.flight.is_started = True
    draining = asyncio.create_task(bench.intake.drain())
    await bench.deliver(1, 2)
    bench.intake.on_end(0, 1)
    await bench.finish(journey)
    await draining
    assert bench.ledger.committed[0][0] == 1
