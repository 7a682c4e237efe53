"""Budgets: the ceiling, the oldest listing's reserve, and who is served when something is given back."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from worker.flow.admission import Budget


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_ceiling_holds_and_waiters_go_on_in_age_order() -> None:
    """A listing that would pass the ceiling waits; what is given back goes to the oldest waiter first."""
    budget = Budget(100)
    oldest, second, third = budget.lease(), budget.lease(), budget.lease()
    await oldest.grow(90)
    order: list[str] = []

    async def grow(name: str, lease: object, amount: int) -> None:
        await lease.grow(amount)  # type: ignore[attr-defined]
        order.append(name)

    tasks = [asyncio.create_task(grow("third", third, 20)), asyncio.create_task(grow("second", second, 50))]
    await _settle()
    assert order == []
    assert budget.held == 90
    oldest.release()
    await asyncio.gather(*tasks)
    assert order == ["second", "third"]
    assert budget.held == 70


async def test_oldest_listing_always_finishes() -> None:
    """It draws on a reserve of its own: a listing larger than the whole budget still goes through."""
    budget = Budget(10)
    giant = budget.lease()
    await giant.grow(5_000)
    small = budget.lease()
    waiting = asyncio.create_task(small.grow(1))
    await _settle()
    assert not waiting.done()
    giant.release()
    await waiting
    assert budget.held == 1


async def test_next_oldest_inherits_the_reserve() -> None:
    """When the oldest leaves, the next one may pass the ceiling, even if others hold all of it."""
    budget = Budget(100)
    oldest, second, third = budget.lease(), budget.lease(), budget.lease()
    await second.grow(40)
    await third.grow(60)
    waiting = asyncio.create_task(second.grow(500))
    await _settle()
    assert not waiting.done()
    oldest.release()
    await waiting
    assert budget.held == 600


async def test_cancelled_waiter_leaves_nothing_behind() -> None:
    """A listing given up while it waits neither holds nor blocks anything."""
    budget = Budget(10)
    first, second, third = budget.lease(), budget.lease(), budget.lease()
    await first.grow(10)
    waiting = asyncio.create_task(second.grow(5))
    behind = asyncio.create_task(third.grow(5))
    await _settle()
    waiting.cancel()
    await _settle()
    second.release()
    first.release()
    await behind
    assert budget.held == 5
    third.release()
    assert budget.held == 0
    assert budget.has_room


async def test_cancelled_in_the_moment_of_the_grant() -> None:
    """Granted and cancelled in the same turn of the loop: the amount is given back."""
    budget = Budget(10)
    first, second = budget.lease(), budget.lease()
    await first.grow(10)
    waiting = asyncio.create_task(second.grow(5))
    await _settle()
    first.release()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    second.release()
    assert budget.held == 0


async def test_shrinking_makes_room() -> None:
    """Bytes given back early, when pixels are decoded, serve others before the listing ends."""
    budget = Budget(10)
    first, second = budget.lease(), budget.lease()
    await first.grow(10)
    waiting = asyncio.create_task(second.grow(4))
    await _settle()
    first.shrink(4)
    await waiting
    assert budget.held == 10


async def test_listings_that_hold_what_each_other_needs_go_on_one_by_one() -> None:
    """Although the oldest of all waits for something else, such as a dead host, and lets nobody have its reserve."""
    budget = Budget(100)
    elsewhere, one, other = budget.lease(), budget.lease(), budget.lease()
    await one.grow(60)
    await other.grow(40)
    waiting = asyncio.create_task(one.grow(30))
    await _settle()
    assert not waiting.done(), "the other still works, and will give back what it holds"
    behind = asyncio.create_task(other.grow(30))
    await waiting
    await _settle()
    assert not behind.done(), "one at a time"
    one.release()
    await behind
    other.release()
    assert budget.held == elsewhere.held == 0


@given(st.lists(st.lists(st.integers(1, 60), min_size=1, max_size=4), min_size=1, max_size=12))
def test_every_listing_comes_to_its_end(sizes: list[list[int]]) -> None:
    """Steps taken side by side, given back only when all are there; the oldest listing never asks. What is held never
    passes the limit by more than a listing.
    """

    async def run() -> None:
        budget = Budget(100)
        budget.lease()
        most = 0

        async def listing(steps: list[int]) -> None:
            nonlocal most
            lease = budget.lease()
            await asyncio.gather(*(lease.grow(step) for step in steps))
            most = max(most, budget.held)
            await asyncio.sleep(0)
            lease.release()

        await asyncio.wait_for(asyncio.gather(*map(listing, sizes)), 10)
        assert budget.held == 0
        assert most <= 100 + max(map(sum, sizes))

    asyncio.run(run())
