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
