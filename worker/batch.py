"""Pure: is this batch ready? The same function serves the worker and a virtual-time simulator.

Policy: never let the device wait for work that is there, never wait for work that is not. While the device is busy the
queue keeps growing, so the next batch is formed as late as possible: just early enough to be prepared (its titles
looked up in the cache) when the device comes free. There is no fixed linger; a listing above the cost cap runs alone.

A backfill that shares the device has a queue of its own, its *lane*. Its batches are capped in time (`capped`), because
a batch cannot be interrupted, and one starts only on a device that no live listing waits for (`whose_turn`): so a live
listing waits for one capped batch more than without the backfill, at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

_ENDLESS = 1e9
_GUESSED_FIXED_SECONDS, _GUESSED_PER_COST = 0.05, 0.02  # of a batch, before one was seen
_KEPT = 0.95  # of a batch's weight, with each that follows


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """Limits of a batch. Cost of a listing: its pictures, at least 1."""

    max_listings: int = 16
    max_cost: int = 32
    lead_seconds: float = 0.005  # how long preparing a batch takes

    @classmethod
    def of(cls, max_listings: int) -> BatchPolicy:
        """Batches of so many listings, with two pictures each on the mean."""
        return cls(max_listings, 2 * max_listings)


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


@dataclass(frozen=True, slots=True)
class Front:
    """What stands before the device. ``spare_from``: the backfill's batches must not start before.

    ``hand_over_at``: the device is busy, and close enough to its end from then on to be given the next live batch, so
    that it does not stand idle while results are passed on; None: it is free.
    """

    live_is_prepared: bool
    live_is_waiting: bool  # in the queue, or having its titles looked up
    spare_is_prepared: bool
    spare_from: float = 0.0
    hand_over_at: float | None = None


def whose_turn(now: float, front: Front) -> Literal["live", "spare"] | Wait:
    """Which lane's prepared batch the device takes. A live listing that waits keeps the device for itself; a backfill's
    batch is never handed over ahead, for a live listing may come before it could start.
    """
    if front.hand_over_at is not None and now < front.hand_over_at:
        return Wait(front.hand_over_at if front.live_is_prepared else None)
    if front.live_is_prepared:
        return "live"
    if front.live_is_waiting or not front.spare_is_prepared or front.hand_over_at is not None:
        return Wait(None)
    return "spare" if now >= front.spare_from else Wait(front.spare_from)


def capped(policy: BatchPolicy, model: CostModel, max_seconds: float) -> BatchPolicy:
    """The policy of batches that are to take ``max_seconds`` at most, as far as the device is known."""
    return replace(policy, max_cost=min(policy.max_cost, model.affordable(max_seconds)))


class CostModel:
    """Seconds that a batch takes on the device: ``fixed + per_cost * cost``, least squares with forgetting.

    Recent batches weigh more, so the model follows a device that slows down or a new mix.
    While batches cost about the same, what an additional picture costs cannot be told from noise: then the last slope
    that could be told holds.
    """

    def __init__(self) -> None:
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        self._slope = _GUESSED_PER_COST
        # Two pseudo-observations on the first guess: defined from the start, outvoted after a few batches.
        for cost in (1.0, 16.0):
            self.observe(cost, _GUESSED_FIXED_SECONDS + _GUESSED_PER_COST * cost)

    def restart(self, measured: Iterable[tuple[float, float]]) -> None:
        """Start over from batches of different cost that were measured on purpose, instead of from a guess."""
        self._n = self._x = self._y = self._xx = self._xy = 0.0
        for cost, seconds in measured:
            self.observe(cost, seconds)

    def observe(self, cost: float, seconds: float) -> None:
        """Learn from one batch."""
        self._n = self._n * _KEPT + 1
        self._x = self._x * _KEPT + cost
        self._y = self._y * _KEPT + seconds
        self._xx = self._xx * _KEPT + cost * cost
        self._xy = self._xy * _KEPT + cost * seconds
        if self._is_spread:
            spread = self._n * self._xx - self._x * self._x
            self._slope = max(0.0, (self._n * self._xy - self._x * self._y) / spread)

    def predict(self, cost: float) -> float:
        """Expected seconds of a batch of this cost, never negative."""
        slope, fixed = self._law()
        return max(0.0, fixed + slope * cost)

    def affordable(self, seconds: float) -> int:
        """The most that a batch may cost so as to take no longer than this; at least 1, for else nothing would run.

        Costs far from those seen lately are approached in steps: at most twice the mean and 1 more while all cost the
        same, for the slope may be old.
        """
        slope, fixed = self._law()
        most = _ENDLESS if self._is_spread else 2 * self._x / self._n + 1
        if slope > 0:
            most = min(most, (seconds - fixed) / slope)
        elif fixed > seconds:
            most = 1
        return max(1, int(most + 1e-9))

    @property
    def _is_spread(self) -> bool:
        """Do the costs seen lately differ, by a tenth of their mean?"""
        return self._n * self._xx - self._x * self._x >= 0.01 * self._x * self._x

    def _law(self) -> tuple[float, float]:
        """Slope and intercept, neither negative, through the mean of what was seen."""
        mean_cost, mean_seconds = self._x / self._n, self._y / self._n
        slope = min(self._slope, mean_seconds / mean_cost)
        return slope, mean_seconds - slope * mean_cost
