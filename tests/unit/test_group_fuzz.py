"""Members of a group that come, go, lose their sessions, drain and die: each record is done once, in its key's order.

What must be true at every commit is said in `World.take`. Broader than `test_intake_fuzz`, and does not shrink.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random

import pytest

from tests import virtual_time
from tests.unit.group_member import Member
from tests.unit.group_world import World


class Play:
    """A world's members, and what happens to them."""

    def __init__(self, seed: int) -> None:
        self._rnd = Random(seed)
        self._world = World(self._rnd)
        self._members = [Member(self._world) for _ in range(self._rnd.randint(1, 2))]
        self._under_way: list[asyncio.Task[None]] = []
        self._death_chance = self._rnd.choice((0.0, 0.0, 0.02, 0.1))

    async def run(self) -> None:
        """So many things, then none any more until everything is done."""
        rnd = self._rnd
        for _ in range(rnd.randint(10, 200)):
            if rnd.random() < 0.7:
                self._assign()
            self._step(rnd.choice(self._members))
            await asyncio.sleep(rnd.choice((0, 0, 0, 0.001, 0.1, 1)))
            for _ in range(rnd.choice((0, 1, 3, 20))):
                await asyncio.sleep(0)
            self._replace()
        self._world.has_faults = False
        async with asyncio.timeout(600):
            while not self._world.is_done or not all(task.done() for task in self._under_way):
                await self._go_on()
        for log, published in zip(self._world.logs, self._world.published.values(), strict=True):
            assert sorted(published) == log.meant
        for member in self._members:
            member.die()

    def _step(self, member: Member) -> None:
        rnd, held = self._rnd, list(member.positions)
        what = rnd.choices(
            ("turn", "write", "start", "finish", "revoke", "lose", "drain", "die"),
            (25, 5, 20, 20, 5, 2, 1.5, 100 * self._death_chance),
        )[0]
        is_here = not member.is_away and bool(held)
        if what == "turn":
            member.turn(rnd.choice((1, 3, 500)))
        elif what == "write" and not self._world.is_replay:
            rnd.choice(self._world.logs).write(rnd.randint(0, 4), rnd)
        elif what == "start":
            member.may_start(rnd.choice((1, 1, 5)))
        elif what == "finish":
            member.finish(all_of_them=False)
        elif what == "revoke" and is_here:
            self._go(member.give_up(rnd.sample(held, rnd.randint(1, len(held))), is_lost=False))
        elif what == "lose" and is_here:
            self._go(self._tell_late(member, member.lose()))
        elif what == "drain" and not member.is_draining:
            self._go(member.drain())
        elif what == "die":
            member.die()

    def _go(self, work: Coroutine[None, None, None]) -> None:
        self._under_way.append(asyncio.ensure_future(work))

    async def _tell_late(self, member: Member, lost: list[int]) -> None:
        await asyncio.sleep(self._rnd.choice((0, 0.01, 1)))
        await member.give_up(lost, is_lost=True)

    def _assign(self) -> None:
        """What is nobody's goes to one that is there."""
        free = [number for number, owner in enumerate(self._world.owners) if owner is None]
        there = [member for member in self._members if not member.is_away]
        if free and there:
            self._rnd.choice(there).assign(free)

    def _replace(self) -> None:
        for member in self._members:
            if member.failure is not None:
                raise member.failure
        self._members = [Member(self._world) if one.broker.is_dead else one for one in self._members]

    async def _go_on(self) -> None:
        self._assign()
        for member in self._members:
            member.turn(500)
            member.may_start(50)
            member.finish(all_of_them=True)
        await asyncio.sleep(0.05)
        self._replace()


@pytest.mark.parametrize("seed", range(60))
def test_each_record_is_done_once(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is committed that is not done, goes back, or is waited for in vain."""
    monkeypatch.setattr(virtual_time, "_ON_ITS_WAY_SECONDS", 0)  # there are no sockets

    async def live() -> None:
        await Play(seed).run()

    virtual_time.in_virtual_time(live())
