"""When the next transaction begins, in virtual time."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from tests.unit.test_intake import Bench, Ledger, settle
from tests.virtual_time import in_virtual_time
from worker.flow.admission import Limits
from worker.item import Finished, OutputRecord
from worker.kafka.transaction import Commit, CommitOutcome

TAKES = 0.02  # seconds of a transaction


class Slow(Ledger):
    """Takes its time for every transaction, and notes when each began."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[float] = []

    async def send(self, commit: Commit) -> CommitOutcome:
        """Noted; see `Ledger`."""
        self.begun.append(asyncio.get_running_loop().time())
        await asyncio.sleep(TAKES)
        return await super().send(commit)


async def _play(
    under_way: float, count: int, every: float, limits: Limits | None = None, slow: int | None = None
) -> list[float]:
    """When transactions began, while ``count`` listings that each took ``under_way`` seconds are done, one by one; the
    one numbered ``slow`` took a minute.
    """
    bench = Bench(limits=limits, ledger=(ledger := Slow()))
    await bench.assign(end=10_000)
    await asyncio.sleep(1)
    await bench.deliver(*range(count))
    ledger.begun.clear()
    loop = asyncio.get_running_loop()
    for number in range(count):
        journey = await bench.next()
        outputs = (OutputRecord("out", b"k", b"v", ()),)
        took = 60.0 if number == slow else under_way
        bench.committer.add(Finished(journey.origin, outputs, None, began=loop.time() - took))
        bench.intake.starts.end(journey, has_result=True)
        await asyncio.sleep(every)
    await asyncio.sleep(1)
    await settle()
    assert sum(len(commit.outputs) for commit in ledger.commits) == count
    bench.loop.cancel()
    return ledger.begun


def test_a_quick_listing_does_not_wait() -> None:
    """Its transaction begins when it is done, or when the one before has ended."""
    begun = in_virtual_time(_play(0.1, 100, 0.01))
    assert len(begun) >= 45
    assert max(b - a for a, b in pairwise(begun)) < TAKES + 0.011


@pytest.mark.parametrize(("under_way", "apart"), [(1.0, 0.05), (2.0, 0.1), (60.0, 0.2)])
def test_in_a_backlog_transactions_are_fewer(under_way: float, apart: float) -> None:
    """A twentieth of what a listing took apart, and never more than a fifth of a second."""
    begun = in_virtual_time(_play(under_way, 100, 0.01))
    between = [b - a for a, b in pairwise(begun)]
    assert min(between[:-1]) >= apart - 0.001
    assert max(between) <= apart + 0.02
    assert len(begun) <= 1.1 / apart + 2


def test_a_slow_listing_does_not_make_quick_ones_wait() -> None:
    """One that waited a minute for its image host is no backlog."""
    begun = in_virtual_time(_play(0.1, 100, 0.01, slow=30))
    assert max(b - a for a, b in pairwise(begun)) < TAKES + 0.011


async def _mark_while_waiting() -> tuple[float, float]:
    bench = Bench(ledger=(ledger := Slow()))
    await bench.assign()
    await asyncio.sleep(1)
    await bench.deliver(0, 1)
    loop = asyncio.get_running_loop()
    for _ in range(2):
        journey = await bench.next()
        bench.committer.add(
            Finished(journey.origin, (OutputRecord("out", b"k", b"v", ()),), None, began=loop.time() - 60)
        )
        bench.intake.starts.end(journey, has_result=True)
        await asyncio.sleep(0.05)
    asked = loop.time()
    await bench.assign(1)
    await asyncio.sleep(0.001)
    bench.loop.cancel()
    return ledger.begun[-1], asked


def test_a_mark_does_not_wait() -> None:
    """A partition that was just assigned gets its mark at once, and what waits goes with it."""
    began, asked = in_virtual_time(_mark_while_waiting())
    assert began == pytest.approx(asked, abs=0.01)


def test_results_that_keep_new_work_out_do_not_wait() -> None:
    """With room for four, the next transaction begins as soon as four wait."""
    begun = in_virtual_time(_play(60.0, 40, 0.01, Limits(max_listings=4)))
    assert max(b - a for a, b in pairwise(begun[:-1])) < 0.05  # behind the last there may be three more
