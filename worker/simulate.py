"""The worker's batching in virtual time: the same decision, the same cost model, no clock and no model.

Listings arrive, are fetched and decoded by a number of hands, wait for the device, and leave. Nothing here takes real
time, so a day of traffic is simulated in seconds and the result depends on the seed alone. Policies to compare with:
a fixed linger (a batch leaves when full or when its oldest listing has waited so long) and no batches at all.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count as counting

from worker.batch import BatchPolicy, CostModel, Front, Run, Wait, capped, decide, whose_turn

Decide = Callable[[float, Sequence[int], float], Wait | Run]
DecideSpare = Callable[[float, Sequence[int], float, CostModel], Wait | Run]
_SPARE_QUEUE = 48  # what the worker lets past decoding


@dataclass(frozen=True, slots=True)
class Device:
    """What a batch costs: seconds, fixed and per picture. Copies in and out are part of it."""

    fixed_seconds: float = 0.030
    item_seconds: float = 0.006

    def seconds(self, cost: int) -> float:
        """For a batch of so many pictures."""
        return self.fixed_seconds + self.item_seconds * cost


@dataclass(frozen=True, slots=True)
class Traffic:
    """``rate`` listings a second (0: as many as the worker takes), arriving one by one or ``burst`` at a time.

    Each takes ``prepare_seconds`` on one of ``num_hands`` (fetch and decode) and has 1 to ``max_pictures`` pictures.
    """

    rate: float = 100.0
    count: int = 5_000
    burst: int = 1
    max_pictures: int = 1
    prepare_seconds: float = 0.005
    num_hands: int = 64
    max_in_flight: int = 256

    def arrivals(self, choose: random.Random) -> list[float]:
        """Seconds at which listings arrive: a Poisson process of bursts."""
        if self.rate <= 0:
            return [0.0] * self.count
        now = 0.0
        times: list[float] = []
        while len(times) < self.count:
            now += choose.expovariate(self.rate / self.burst)
            times += [now] * self.burst
        return times[: self.count]


@dataclass(slots=True)
class Result:
    """What came of it. Latencies in seconds from arrival to result; ``spare_listings`` are the backfill's."""

    latencies: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    busy_seconds: float = 0.0
    first_seconds: float = 0.0
    last_seconds: float = 0.0
    spare_listings: int = 0
    max_spare_seconds: float = 0.0  # the longest batch of the backfill

    @property
    def spare_throughput(self) -> float:
        """The backfill's listings a second."""
        return self.spare_listings / max(1e-9, self.last_seconds)

    @property
    def throughput(self) -> float:
        """Listings a second."""
        return len(self.latencies) / max(1e-9, self.last_seconds)

    @property
    def busy_share(self) -> float:
        """Share of the time, from the first batch to the last, in which the device worked."""
        return self.busy_seconds / max(1e-9, self.last_seconds - self.first_seconds)

    def percentile(self, share: float) -> float:
        """Latency that ``share`` of the listings do not exceed."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def adaptive(policy: BatchPolicy) -> Decide:
    """The worker's own policy."""
    return lambda now, costs, free_at: decide(now, costs, free_at, policy)


def lingering(policy: BatchPolicy, linger_seconds: float) -> Decide:
    """Full, or the oldest has waited ``linger_seconds`` since it was first seen, and the device is free."""
    since: list[float] = []

    def choose(now: float, costs: Sequence[int], free_at: float) -> Wait | Run:
        if not costs:
            since.clear()
            return Wait(None)
        if not since:
            since.append(now)
        is_full = len(costs) >= policy.max_listings
        ready_at = max(free_at, now if is_full else since[0] + linger_seconds)
        if now < ready_at:
            return Wait(ready_at)
        since.clear()
        return Run(min(len(costs), policy.max_listings))

    return choose


def single() -> Decide:
    """One listing at a time."""
    return lambda now, costs, free_at: Run(1) if costs and now >= free_at else Wait(free_at if costs else None)


def spare(policy: BatchPolicy, max_seconds: float) -> DecideSpare:
    """The worker's own policy for a backfill: batches capped in time."""
    return lambda now, costs, free_at, model: decide(now, costs, free_at, capped(policy, model, max_seconds))


class Simulation:
    """One run of one policy, alone or beside a saturated backfill. Deterministic: the seed decides everything.

    The backfill always has listings ready, as many as the policy may look at; it ends with the last live one.
    """

    def __init__(
        self, traffic: Traffic, device: Device, choose: Decide, seed: int = 0, backfill: DecideSpare | None = None
    ) -> None:
        self._traffic = traffic
        self._device = device
        self._decide = choose
        self._decide_spare = backfill
        self._random = random.Random(seed)  # noqa: S311  # repeatable, not secret
        self._random_spare = random.Random(seed + 1)  # noqa: S311  # so that live listings are the same without
        self._model = CostModel()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = counting()  # events of the same moment happen in the order in which they were planned
        self._now = 0.0
        self._backlog: deque[float] = deque()
        self._queue: deque[tuple[float, int]] = deque()  # arrival, cost
        self._spare_queue: deque[int] = deque()
        self._hands = traffic.num_hands
        self._in_flight = 0
        self._expected_free_at = 0.0
        self._is_busy = False
        self._prepared: list[tuple[float, int]] | None = None
        self._spare_prepared: list[int] | None = None
        self._wakes_at: float | None = None
        self._result = Result()

    def run(self) -> Result:
        """Until every live listing has left."""
        if self._decide_spare is not None:
            self._model.restart((cost, self._device.seconds(cost)) for cost in (1, 16))  # as the worker does
        for arrival in self._traffic.arrivals(self._random):
            self._at(arrival, partial(self._arrive, arrival))
        self._at(0.0, self._consider)
        while self._events and len(self._result.latencies) < self._traffic.count:
            self._now, _, happen = heapq.heappop(self._events)
            happen()
        return self._result

    def _at(self, when: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._events, (max(when, self._now), next(self._order), happen))

    def _arrive(self, arrival: float) -> None:
        self._backlog.append(arrival)
        self._prepare_more()

    def _prepare_more(self) -> None:
        while self._backlog and self._hands and self._in_flight < self._traffic.max_in_flight:
            arrival = self._backlog.popleft()
            self._hands -= 1
            self._in_flight += 1
            self._at(self._now + self._traffic.prepare_seconds, partial(self._wait, arrival))

    def _wait(self, arrival: float) -> None:
        self._hands += 1
        self._queue.append((arrival, self._random.randint(1, self._traffic.max_pictures)))
        self._prepare_more()
        self._consider()

    def _consider(self) -> None:
        """Ask the policies, as the worker does: one prepared batch of each lane may wait while the device works."""
        waits = []
        if self._prepared is None:
            choice = self._decide(self._now, [cost for _, cost in self._queue], self._expected_free_at)
            if isinstance(choice, Run):
                self._prepared = [self._queue.popleft() for _ in range(choice.count)]
            else:
                waits.append(choice)
        if self._spare_prepared is None and self._decide_spare is not None:
            self._fill_spare()
            found = self._decide_spare(self._now, list(self._spare_queue), self._expected_free_at, self._model)
            if isinstance(found, Run):
                self._spare_prepared = [self._spare_queue.popleft() for _ in range(found.count)]
            else:
                waits.append(found)
        for wait in waits:
            if wait.until is not None and wait.until != self._wakes_at:
                self._wakes_at = wait.until
                self._at(wait.until, self._consider)
        self._start()

    def _fill_spare(self) -> None:
        while len(self._spare_queue) < _SPARE_QUEUE:
            self._spare_queue.append(self._random_spare.randint(1, self._traffic.max_pictures))

    def _start(self) -> None:
        if self._is_busy:
            return
        front = Front(self._prepared is not None, bool(self._queue), self._spare_prepared is not None)
        turn = whose_turn(self._now, front)
        if turn == "live" and self._prepared is not None:
            batch, self._prepared = self._prepared, None
            self._result.batches.append(len(batch))
            self._occupy(sum(cost for _, cost in batch), partial(self._leave, batch))
        elif turn == "spare" and self._spare_prepared is not None:
            costs, self._spare_prepared = self._spare_prepared, None
            self._result.spare_listings += len(costs)
            self._result.max_spare_seconds = max(self._result.max_spare_seconds, self._device.seconds(sum(costs)))
            self._occupy(sum(costs), lambda: None)

    def _occupy(self, cost: int, then: Callable[[], None]) -> None:
        """The device takes a batch."""
        seconds = self._device.seconds(cost)
        self._is_busy = True
        self._expected_free_at = self._now + self._model.predict(cost)
        if not self._result.busy_seconds:
            self._result.first_seconds = self._now
        self._at(self._now + seconds, partial(self._finish, cost, seconds, then))
        self._consider()

    def _finish(self, cost: int, seconds: float, then: Callable[[], None]) -> None:
        self._model.observe(cost, seconds)
        self._is_busy = False
        self._expected_free_at = self._now
        self._result.busy_seconds += seconds
        self._result.last_seconds = self._now
        then()
        self._consider()

    def _leave(self, batch: Sequence[tuple[float, int]]) -> None:
        self._in_flight -= len(batch)
        self._result.latencies += [self._now - arrival for arrival, _ in batch]
        self._prepare_more()
