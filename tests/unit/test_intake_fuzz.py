"""Whatever comes in whatever order, a commit says done of what is done, and of each record once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.test_intake import TOPIC, Bench, Ledger, settle
from tests.virtual_time import in_virtual_time
from worker.item import Finished, OutputRecord
from worker.kafka.transaction import CommitOutcome
from worker.offsets import decode_map
from worker.partitions.partition import Journey

_WORDS = ("poll", "poll", "write", "start", "start", "finish", "finish", "revoke", "abort", "unknown")
Step = tuple[str, int]
End = Literal["drain", "die"]


@dataclass
class World:
    """One partition's log, the broker's memory of the group, and one worker after the other."""

    log: list[int]
    log_end: int
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def committed(self) -> tuple[int, str]:
        """Where the next owner begins."""
        return self.ledger.committed.get(0, (0, ""))

    def published(self) -> list[int]:
        """Records of which results are committed, each as often as it is."""
        return [int(output.value or b"") for commit in self.ledger.commits for output in commit.outputs]

    def check(self) -> None:
        """What is committed as done was published, and nothing twice."""
        offset, metadata = self.committed
        done = self.published()
        assert len(done) == len(set(done)), "published twice"
        said = {one for one in self.log if one < offset} | set(decode_map(metadata, offset).finished)
        assert said <= set(done), f"committed and not done: {sorted(said - set(done))}"


class Worker:
    """Intake and committer, and the consumer's thread played by hand."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._bench = Bench(ledger=world.ledger)
        self._epoch = self._position = self._rewinds = 0
        self._journeys: list[Journey] = []
        self._draining: asyncio.Task[None] | None = None

    async def assign(self) -> None:
        """From what is committed."""
        self._epoch += 1
        self._position, metadata = self._world.committed
        await self._bench.assign(offset=self._position, metadata=metadata, epoch=self._epoch)

    async def step(self, word: str, number: int) -> None:
        """One thing happens; nothing where it cannot."""
        match word:
            case "poll":
                await self._poll(number)
            case "write":
                last = self._world.log_end
                self._world.log += range(last + number % 2, last + number)  # some begin with a hole
                self._world.log_end = last + number + 1  # and all end with a marker
            case "start" if self._draining is None:
                await self._start(is_at_device=bool(number % 3))
            case "finish" if self._journeys:
                await self._finish(self._journeys.pop(number % len(self._journeys)))
            case "revoke" if self._draining is None:
                await self._revoke()
            case "abort" | "unknown":
                self._world.ledger.outcomes.append(CommitOutcome.ABORTED if word == "abort" else CommitOutcome.UNKNOWN)
        if self._bench.doors.num_rewinds > self._rewinds:
            self._rewinds = self._bench.doors.num_rewinds
            await self.assign()
        self._world.check()

    async def end(self, how: End, steps: list[Step]) -> None:
        """``steps`` happen while it drains; nothing after its death."""
        if how == "drain":
            self._draining = asyncio.create_task(self._bench.intake.drain())
            await settle()
            for step in steps:
                await self.step(*step)
            await self._finish_all()
            await self._draining
        self._bench.loop.cancel()
        self._world.check()

    async def _poll(self, number: int) -> None:
        """So many records from the position on, and the end where it is reached, as one turn of the thread."""
        found = [one for one in self._world.log if one >= self._position][:number]
        if found:
            self._position = found[-1] + 1
            await self._bench.deliver(*found, epoch=self._epoch)
        if not any(one >= self._position for one in self._world.log):
            self._position = self._world.log_end
            self._bench.intake.on_caught_up(0, self._epoch, self._position)
            await settle()

    async def _start(self, *, is_at_device: bool) -> None:
        waiting = asyncio.ensure_future(self._bench.intake.starts.next())
        await settle()
        if waiting.done():
            self._journeys.append(waiting.result())
            self._journeys[-1].flight.is_started = is_at_device
        else:
            waiting.cancel()

    async def _finish(self, journey: Journey) -> None:
        """As the pipeline does: what was given up meanwhile has no result."""
        is_ours = self._bench.intake.books.is_current(journey.origin)
        if is_ours:
            output = OutputRecord(TOPIC, b"k", str(journey.origin.offset).encode(), ())
            self._bench.committer.add(Finished(journey.origin, (output,), None, 0.5, 0.0))
        self._bench.intake.starts.end(journey, has_result=is_ours)
        await settle()

    async def _finish_all(self) -> None:
        """What the device has begun ends; the rest is given up."""
        while self._journeys:
            journey = self._journeys.pop()
            if journey.flight.is_started:
                await self._finish(journey)
            else:
                self._bench.intake.starts.end(journey, has_result=False)
                await settle()

    async def _revoke(self) -> None:
        self._world.ledger.outcomes.clear()  # a broker that answers: else the budget has to pass
        revoked = asyncio.wrap_future(self._bench.intake.on_revoked([0], is_lost=False))
        await settle()
        await self._finish_all()
        await revoked
        await self.assign()


_STEPS = st.lists(st.tuples(st.sampled_from(_WORDS), st.integers(1, 6)), max_size=25)


@given(_STEPS, st.sampled_from(("drain", "die")), _STEPS)
def test_what_is_committed_was_done_and_once(steps: list[Step], how: End, last: list[Step]) -> None:
    """Through revocations, aborted and unknown transactions, a drain or a death; and the next owner does the rest."""

    async def live() -> None:
        world = World(list(range(8)), 8)
        first = Worker(world)
        await first.assign()
        for step in steps:
            await first.step(*step)
        await first.end(how, last)
        world.ledger.outcomes.clear()
        heir = Worker(world)
        await heir.assign()
        for step in [("poll", 500), *[("start", 1), ("finish", 1)] * len(world.log)]:
            await heir.step(*step)
        await heir.end("drain", [])
        assert sorted(world.published()) == world.log

    in_virtual_time(live())
