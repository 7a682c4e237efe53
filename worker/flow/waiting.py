"""Listings in front of the device: decoded, ready, waiting for their batch. A queue per lane. Owner: the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, replace

from model.types import ListingInput, Prediction
from worker.batch import BatchPolicy, CostModel, Run, capped, decide
from worker.errors import RejectedError
from worker.item import Flight


@dataclass(slots=True, eq=False)
class Waiting:
    """One listing that waits for the device. ``cost``: its pictures, at least 1."""

    inputs: ListingInput
    cost: int
    flight: Flight
    answer: asyncio.Future[Prediction]

    @property
    def is_given_up(self) -> bool:
        """Does nobody wait for its answer any more?"""
        return self.answer.done()

    def settle(self, result: Prediction | RejectedError) -> None:
        """Give the listing its answer, unless it was given up meanwhile."""
        if self.answer.done():
            return
        if isinstance(result, RejectedError):
            self.answer.set_exception(result)
        else:
            self.answer.set_result(result)


class Outlook:
    """When the device is expected to come free, and what a batch takes: known to every lane in front of it."""

    def __init__(self) -> None:
        self.free_at = 0.0
        self.cost_model = CostModel()
        self._under_way: deque[int] = deque()  # costs of the batches that the device has
        self._bells: list[asyncio.Event] = []

    def bell(self) -> asyncio.Event:
        """An event that is set at every `ring`; whoever waits for it clears it."""
        self._bells.append(asyncio.Event())
        return self._bells[-1]

    def ring(self) -> None:
        """Something changed: decide again."""
        for bell in self._bells:
            bell.set()

    def started(self, cost: int) -> None:
        """A batch of this cost went to the device, behind the one that is there."""
        now = asyncio.get_running_loop().time()
        begins = max(now, self.free_at) if self.is_busy else now
        self._under_way.append(cost)
        self.free_at = begins + self.cost_model.predict(cost)

    def finished(self, cost: int, busy_seconds: float, ended: float) -> None:
        """The device was done with its first batch at ``ended`` (on the loop's clock); learn from how long that took.

        ``cost`` 0: nothing of it was wanted any more.
        """
        if cost:
            self.cost_model.observe(cost, busy_seconds)
        self._under_way.popleft()
        self.free_at = ended + sum(map(self.cost_model.predict, self._under_way))
        self.ring()

    @property
    def is_busy(self) -> bool:
        """Does the device have a batch?"""
        return bool(self._under_way)


class WaitingRoom:
    """Listings of one lane in arrival order. ``max_seconds``: what a batch may take of the device; None: no matter."""

    def __init__(self, policy: BatchPolicy, outlook: Outlook, max_seconds: float | None = None) -> None:
        self._policy = policy
        self._outlook = outlook
        self._max_seconds = max_seconds
        self._queue: deque[Waiting] = deque()
        self._changed = outlook.bell()

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def has_waiting(self) -> bool:
        """Is there a listing that somebody still wants?"""
        return any(not one.is_given_up for one in self._queue)

    async def predict(self, inputs: ListingInput, flight: Flight) -> Prediction:
        """Wait for a place in a batch, then for its answer. Raises RejectedError if the model fails on this listing."""
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._queue.append(Waiting(inputs, max(1, len(inputs.images)), flight, answer))
        self._outlook.ring()
        try:
            return await answer
        finally:
            if answer.cancelled():
                self._outlook.ring()  # another lane may have waited for this one

    async def next_batch(self) -> list[Waiting]:
        """The next batch, as soon as `worker.batch.decide` says that it is ready."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._queue and self._queue[0].is_given_up:
                self._queue.popleft()  # its listing was given up
            choice = decide(loop.time(), [one.cost for one in self._queue], self._outlook.free_at, self._limits())
            if isinstance(choice, Run):
                return [self._queue.popleft() for _ in range(choice.count)]
            timeout = None if choice.until is None else max(0.0, choice.until - loop.time())
            with contextlib.suppress(TimeoutError):  # not wait_for, which makes a task of every wait
                async with asyncio.timeout(timeout):
                    await self._changed.wait()

    def _limits(self) -> BatchPolicy:
        if self._max_seconds is None:
            return self._policy
        return capped(self._policy, self._outlook.cost_model, self._max_seconds)

    def shrink(self, max_listings: int) -> None:
        """Smaller batches from now on: the device ran out of memory."""
        if max_listings < self._policy.max_listings:
            self._policy = replace(self._policy, max_listings=max_listings)
