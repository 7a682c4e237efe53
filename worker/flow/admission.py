"""Admission by cost: how many bytes and pixels may be in flight.

One `Budget` counts bytes, another pixels. A listing holds a `Lease` on each and grows it in steps, before it holds what
the step pays for. When the budget is spent, growing waits, oldest listing first. The oldest listing never waits: it
draws on a reserve of its own, so something always finishes and a listing larger than the whole budget runs alone.
Memory in flight is therefore at most ``limit`` plus one listing, and what sockets have read ahead (`worker.fetch`).
Owner: the event loop.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be in flight at once.

    ``max_pixels`` counts decoded pictures, both copies; ``pixels_per_picture`` is held while one is decoded, when its
    size is not known yet. ``max_started`` bounds listings past decoding, so that few have to be drained or redone. A
    listing that has been fetching for ``park_seconds``, or waits for an earlier one of its key, no longer counts among
    ``max_listings``, up to ``max_parked`` of them: a dead image host fills no places. What the first kind holds still
    counts in ``max_bytes``: pictures that have come, and room that was waited for (`worker.fetching.allowance`), at
    most ``fetch.max_bytes`` a picture. ``max_unpublished_bytes`` are results that wait for their transaction.
    """

    max_listings: int = 256
    max_bytes: int = 512 << 20
    max_pixels: int = 64 << 20
    pixels_per_picture: int = 1536 * 1536 + 224 * 224
    max_started: int = 48
    max_outputs_per_commit: int = 600
    max_unpublished_bytes: int = 32 << 20
    max_parked: int = 8192
    park_seconds: float = 1.0


class Lease:
    """What one listing holds of a budget. ``is_busy``: it holds some, and waits for no more."""

    __slots__ = ("_budget", "held", "is_busy", "num_waiting", "number")

    def __init__(self, budget: Budget, number: int) -> None:
        self._budget = budget
        self.number = number
        self.held = 0
        self.num_waiting = 0  # steps that it waits for
        self.is_busy = False

    async def grow(self, amount: int) -> None:
        """Hold ``amount`` more; waits until the budget allows it, or at once for the oldest listing."""
        await self._budget.take(self, amount)

    def try_grow(self, amount: int) -> bool:
        """Hold ``amount`` more if that needs no waiting; says whether it does."""
        return self._budget.try_take(self, amount)

    def shrink(self, amount: int) -> None:
        """Give ``amount`` back."""
        self._budget.give(self, min(amount, self.held))

    def release(self) -> None:
        """Give everything back and leave. Safe to call twice."""
        self._budget.leave(self)


class Budget:
    """A ceiling on something that listings hold while they are in flight."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self._numbers = 0
        self._live: OrderedDict[int, Lease] = OrderedDict()
        self._waiting: list[tuple[int, int, int, asyncio.Future[None]]] = []  # heap: (lease, tie, amount, granted)
        self._ties = 0
        self._num_busy = 0

    @property
    def has_room(self) -> bool:
        """Is there anything left, with nobody waiting for it?"""
        return self.held < self.limit and not self._waiting

    def lease(self) -> Lease:
        """A new lease, younger than all others."""
        self._numbers += 1
        lease = Lease(self, self._numbers)
        self._live[lease.number] = lease
        return lease

    def try_take(self, lease: Lease, amount: int) -> bool:
        """See `Lease.try_grow`."""
        if may_take := self._may_take(lease, amount):
            self._hold(lease, amount)
        return may_take

    async def take(self, lease: Lease, amount: int) -> None:
        """See `Lease.grow`."""
        if self.try_take(lease, amount):
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ties += 1
        heapq.heappush(self._waiting, (lease.number, self._ties, amount, granted))
        self._wait(lease, 1)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.give(lease, amount)  # granted and cancelled in the same turn of the loop
            else:
                self._wait(lease, -1)
            raise

    def give(self, lease: Lease, amount: int) -> None:
        """See `Lease.shrink`."""
        self._hold(lease, -amount)
        self._wake()

    def leave(self, lease: Lease) -> None:
        """See `Lease.release`."""
        self._live.pop(lease.number, None)
        self.give(lease, lease.held)

    def _may_take(self, lease: Lease, amount: int) -> bool:
        return self._is_oldest(lease.number) or (not self._waiting and self.held + amount <= self.limit)

    def _is_oldest(self, number: int) -> bool:
        return next(iter(self._live), number) == number

    def _hold(self, lease: Lease, amount: int) -> None:
        lease.held += amount
        self.held += amount
        self._count(lease)

    def _wait(self, lease: Lease, steps: int) -> None:
        lease.num_waiting += steps
        self._count(lease)
        self._wake()

    def _count(self, lease: Lease) -> None:
        is_busy = lease.held > 0 and not lease.num_waiting
        self._num_busy += is_busy - lease.is_busy
        lease.is_busy = is_busy

    def _wake(self) -> None:
        while self._waiting:
            number, _, amount, granted = self._waiting[0]
            lease = self._live.get(number)
            if lease is not None and not granted.done():
                if not self._is_oldest(number) and self._num_busy and self.held + amount > self.limit:
                    return
                lease.num_waiting -= 1
                self._hold(lease, amount)
                granted.set_result(None)
            heapq.heappop(self._waiting)
