"""Pure: is this batch ready? The same function serves the worker and a virtual-time simulator.

Policy: never let the device wait for work that is there, never wait for work that is not. While the device is busy the
queue keeps growing, so the next batch is formed as late as possible: just early enough to be prepared (its titles
looked up in the cache) when the device comes free. There is no fixed linger; a listing above the cost cap runs alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Limits of a batch. Cost of a listing: its pictures, at least 1."""

    max_listings: int = 16
    max_cost: int = 32
    lead_seconds: float = 0.005  # how long preparing a batch takes


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: decide again at ``until`` (None: when something arrives or the device comes free)."""

    until: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """Take the first ``count`` listings of the queue now."""

    count: int


def decide(now: float, costs: Sequence[int], device_free_at: float, policy: BatchPolicy) -> Wait | Run:
    """What to do with a queue of listings of these ``costs``, oldest first. Times in seconds on one clock."""
    if not costs:
        return Wait(None)
    count = fitting(costs, policy)
    is_full = count < len(costs) or count == policy.max_listings
    prepare_at = device_free_at - policy.lead_seconds
    if is_full or now >= prepare_at:
        return Run(count)
    return Wait(prepare_at)


def fitting(costs: Sequence[int], policy: BatchPolicy) -> int:
    """How many listings from the front make one batch: at least 1, even above the cost cap."""
    total = 0
    for index, cost in enumerate(costs[: policy.max_listings]):
        total += cost
        if total > policy.max_cost and index > 0:
            return index
    return min(len(costs), policy.max_listings)


class CostModel:
    """Seconds that a batch takes on the device: ``fixed + per_cost * cost``, least squares with forgetting.

    Recent batches weigh more (factor ``decay`` per batch), so the model follows a device that slows down or a new mix.
    """

    def __init__(self, fixed_seconds: float = 0.05, seconds_per_cost: float = 0.02, decay: float = 0.95) -> None:
        self._decay = decay
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        # Two pseudo-observations on the first guess: defined from the start, outvoted after a few batches.
        for cost in (1.0, 16.0):
            self.observe(cost, fixed_seconds + seconds_per_cost * cost)

    def observe(self, cost: float, seconds: float) -> None:
        """Learn from one batch."""
        keep = self._decay
        self._n = self._n * keep + 1
        self._x = self._x * keep + cost
        self._y = self._y * keep + seconds
        self._xx = self._xx * keep + cost * cost
        self._xy = self._xy * keep + cost * seconds

    def predict(self, cost: float) -> float:
        """Expected seconds of a batch of this cost, never negative."""
        spread = self._n * self._xx - self._x * self._x
        if spread <= 1e-9 * max(1.0, self._xx):
            return max(0.0, self._y / self._n)
        slope = max(0.0, (self._n * self._xy - self._x * self._y) / spread)
        fixed = (self._y - slope * self._x) / self._n
        return max(0.0, fixed + slope * cost)
