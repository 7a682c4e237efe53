"""The queue of listings in front of the device: decoded, ready, waiting for their batch. Owner: the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from model.types import ListingInput, Prediction
from worker.batch import BatchPolicy, CostModel, Run, decide
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


class WaitingRoom:
    """Listings in arrival order, and when the device is expected to come free."""

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._queue: deque[Waiting] = deque()
        self._changed = asyncio.Event()
        self._device_free_at = 0.0
        self._cost_model = CostModel()

    def __len__(self) -> int:
        return len(self._queue)

    async def predict(self, inputs: ListingInput, flight: Flight) -> Prediction:
        """Wait for a place in a batch, then for its answer. Raises RejectedError if the model fails on this listing."""
        answer: asyncio.Future[Prediction] = asyncio.get_running_loop().create_future()
        self._queue.append(Waiting(inputs, max(1, len(inputs.images)), flight, answer))
        self._changed.set()
        return await answer

    async def next_batch(self) -> list[Waiting]:
        """The next batch, as soon as `worker.batch.decide` says that it is ready."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._queue and self._queue[0].is_given_up:
                self._queue.popleft()  # its listing was given up
            choice = decide(loop.time(), [one.cost for one in self._queue], self._device_free_at, self._policy)
            if isinstance(choice, Run):
                return [self._queue.popleft() for _ in range(choice.count)]
            timeout = None if choice.until is None else max(0.0, choice.until - loop.time())
            try:
                await asyncio.wait_for(self._changed.wait(), timeout)
            except TimeoutError:
                continue

    def device_started(self, cost: int) -> None:
        """A batch of this cost went to the device."""
        self._device_free_at = asyncio.get_running_loop().time() + self._cost_model.predict(cost)

    def device_finished(self, cost: int, busy_seconds: float) -> None:
        """The device is free; learn from how long it took."""
        self._cost_model.observe(cost, busy_seconds)
        self._device_free_at = asyncio.get_running_loop().time()
        self._changed.set()

    def shrink(self, max_listings: int) -> None:
        """Smaller batches from now on: the device ran out of memory."""
        if max_listings < self._policy.max_listings:
            self._policy = BatchPolicy(max_listings, self._policy.max_cost, self._policy.lead_seconds)
