"""How assignments end: with a commit that says so, else their partition's next owner counts a death."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from tests.unit.test_intake import Bench, Ledger, settle
from worker.kafka.transaction import Commit, CommitOutcome


@dataclass
class Slow(Ledger):
    """Answers when it may, once for each time."""

    may_go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def send(self, commit: Commit) -> CommitOutcome:
        """See `Ledger`."""
        await self.may_go.acquire()
        return await super().send(commit)


async def test_a_hand_over_waits_for_its_own_commit() -> None:
    """Not for one that was under way before, as that of an assignment which ends as soon as it has begun: the group
    would go on without us, and the last commit come too late.
    """
    bench = Bench(ledger=(ledger := Slow()))
    await bench.assign()
    revoked = asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    await settle()
    ledger.may_go.release()
    await settle()
    assert not revoked.done(), "only that it was assigned is committed"
    ledger.may_go.release()
    await revoked
    assert ledger.committed[0] == (0, "")


async def test_a_drain_leaves_alone_what_came_back_meanwhile() -> None:
    """It was revoked and is ours again, under another epoch: it is handed over when the consumer leaves its group."""
    bench = Bench()
    await bench.assign(0)
    await bench.assign(1)
    await bench.deliver(0, partition=1)
    journey = await bench.next()
    journey.flight.is_started = True
    draining = asyncio.create_task(bench.intake.drain())
    await settle()
    await asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    await bench.assign(0, epoch=2)
    await bench.finish(journey)
    await draining
    await asyncio.wrap_future(bench.intake.on_revoked([0], is_lost=False))
    assert bench.ledger.committed == {0: (0, ""), 1: (1, "")}
