"""Turns at what live traffic and a backfill share: stages and image hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.fetching.hosts import Gate, Hosts, Pacing
from worker.flow.lanes import Turnstile


@asynccontextmanager
async def place(gate: Gate, *, is_spare: bool = False, is_paid: bool = False) -> AsyncIterator[None]:
    """Wait for a place at the gate and hold it."""
    await gate.enter(is_spare=is_spare, is_paid=is_paid)
    try:
        yield
    finally:
        gate.leave(is_spare=is_spare)


class Visitor:
    """Enters, says so, and stays until sent away."""

    def __init__(self, way: AbstractAsyncContextManager[None]) -> None:
        self._way = way
        self.is_inside = False
        self.task = asyncio.create_task(self._visit())

    async def leave(self) -> None:
        """Go, or give up waiting."""
        self.task.cancel()
        await asyncio.wait([self.task])
        self.is_inside = False
        await settled()

    async def _visit(self) -> None:
        async with self._way:
            self.is_inside = True
            await asyncio.get_running_loop().create_future()


async def settled() -> None:
    """Everything that can happen has happened."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_live_enters_at_once_and_a_backfill_only_where_room_is_left() -> None:
    """Two places: one live, one spare, the next spare waits for both."""
    turnstile = Turnstile(2)
    live, first, second = Visitor(turnstile.live()), Visitor(turnstile.spare()), Visitor(turnstile.spare())
    await settled()
    assert (live.is_inside, first.is_inside, second.is_inside) == (True, True, False)
    late = Visitor(turnstile.live())
    await settled()
    assert late.is_inside  # it waits inside the stage, not here
    await first.leave()
    assert not second.is_inside
    await live.leave()
    assert second.is_inside
    for one in (late, second):
        await one.leave()


@given(steps=st.lists(st.tuples(st.sampled_from(("live", "spare", "leave", "both")), st.integers(0, 9)), max_size=40))
def test_no_turn_is_lost(steps: list[tuple[str, int]]) -> None:
    """Whoever comes, goes or gives up while waiting: once all live ones are gone, spare ones fill every place."""

    async def play() -> None:
        turnstile, live, spare = Turnstile(2), [], []
        for step, which in steps:
            if step in ("live", "both"):
                live.append(Visitor(turnstile.live()))
            if step in ("spare", "both"):
                spare.append(Visitor(turnstile.spare()))
            if step == "leave" and (live or spare):
                pool = live if (which % 2 and live) or not spare else spare
                await pool.pop(which % len(pool)).leave()
            await settled()
            assert all(one.is_inside for one in live)
            assert sum(one.is_inside for one in spare) <= 2
        for one in live:
            await one.leave()
        assert sum(one.is_inside for one in spare) == min(2, len(spare))
        for one in spare:
            await one.leave()

    asyncio.run(play())


async def test_live_requests_enter_a_host_before_spare_ones() -> None:
    """Spare requests hold half of the places at most, and let live ones that came later go first."""
    gate = Gate(4)
    spares = [Visitor(place(gate, is_spare=True)) for _ in range(4)]
    await settled()
    assert [one.is_inside for one in spares] == [True, True, False, False]
    lives = [Visitor(place(gate)) for _ in range(3)]
    await settled()
    assert [one.is_inside for one in lives] == [True, True, False]
    await spares[0].leave()
    assert lives[2].is_inside and not spares[2].is_inside
    for one in lives:
        await one.leave()
    assert spares[2].is_inside and not spares[3].is_inside
    for one in spares:
        await one.leave()


@pytest.mark.parametrize("is_spare", [False, True])
async def test_who_has_paid_enters_a_host_first(is_spare: bool) -> None:
    """First come, first served among themselves; then the others of their kind. Spare ones pass no live one."""
    gate, came = Gate(1), []
    held = Visitor(place(gate))
    await settled()

    async def come(name: str, is_spare: bool, is_paid: bool) -> None:
        async with place(gate, is_spare=is_spare, is_paid=is_paid):
            came.append(name)

    kinds = [("a", is_spare, False), ("b", is_spare, True), ("live", False, False), ("c", is_spare, True)]
    tasks = [asyncio.create_task(come(*kind)) for kind in kinds]
    await settled()
    assert not came
    await held.leave()
    await asyncio.gather(*tasks)
    assert came == (["live", "b", "c", "a"] if is_spare else ["b", "c", "a", "live"])


async def test_a_host_in_trouble_is_asked_by_one_of_all() -> None:
    """With one place the host sees one request, whoever sends it."""
    gate = Gate(1)
    async with AsyncExitStack() as held:
        await held.enter_async_context(place(gate, is_spare=True))
        live = Visitor(place(gate))
        await settled()
        assert not live.is_inside
    await settled()
    assert live.is_inside
    await live.leave()


async def test_a_host_gets_its_rate_whoever_asks() -> None:
    """Live and spare requests together; another host has a rate of its own."""
    clock = [1000.0]

    class Clock:
        def now(self) -> float:
            return clock[0]

    async def wait(seconds: float) -> None:
        clock[0] += seconds

    hosts = Hosts(Clock(), max_per_host=8, pacing=Pacing(10.0, wait))
    for number in range(60):
        async with hosts.slot("https://one.example", is_spare=bool(number % 2)):
            pass
    assert 4.8 <= clock[0] - 1000.0 <= 6.0  # the first second may hold what a pause earned
    before = clock[0]
    async with hosts.slot("https://two.example"):
        assert clock[0] == before
