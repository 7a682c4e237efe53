"""Batches for the device: formed, their titles looked up, run; live listings first, a backfill's where there is room.

Each lane has one prepared batch ahead at most. Which one a free device takes is decided when it is free, so a prepared
batch of the backfill steps back for a live listing that came meanwhile. A live batch is handed over a moment before the
device comes free: passing on the results of the one before costs the device no time then. Owner: the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import structlog

from model.types import ListingInput, Prediction
from worker.batch import BatchPolicy, Front, Wait, whose_turn
from worker.errors import RejectedError
from worker.flow.pace import Share
from worker.flow.waiting import Outlook, Waiting, WaitingRoom
from worker.infer import Infer
from worker.metrics import Metrics
from worker.recall import Recall, Recalled
from worker.telemetry.tracing import on_device

log = structlog.get_logger(__name__)

_CALIBRATION_ROUNDS = 3
_NUM_HANDED_OVER = 2  # batches that the device has at most: the one that runs, the next


@dataclass(frozen=True, slots=True)
class SparePolicy:
    """What a backfill may take of the device: batches of ``max_seconds``, and ``share`` of its time."""

    max_seconds: float
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch whose titles were looked up; ``recalled`` has one place per listing."""

    listings: Sequence[Waiting]
    recalled: Recalled


@dataclass(slots=True, eq=False)
class _HandedOver:
    """A batch at the device. ``taken``: what was still wanted when its turn came, with the model's inputs."""

    listings: Sequence[tuple[Waiting, ListingInput]]
    taken: list[tuple[Waiting, ListingInput]] = field(default_factory=list)

    @property
    def cost(self) -> int:
        """Of all; what is given up until its turn comes costs nothing."""
        return sum(one.cost for one, _ in self.listings)

    def begin(self) -> list[ListingInput]:
        """Its turn has come. On the device's thread."""
        self.taken = [pair for pair in self.listings if not pair[0].is_given_up]
        for one, _ in self.taken:
            one.flight.is_started = True
        return [inputs for _, inputs in self.taken]


@dataclass(slots=True, eq=False)
class _Lane:
    """A queue, and its prepared batch. ``forming``: a batch left the queue and is not prepared yet."""

    room: WaitingRoom
    is_spare: bool
    prepared: _Prepared | None = None
    is_forming: bool = False
    emptied: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_waiting(self) -> bool:
        """Does a listing wait for its batch to be prepared?"""
        return self.is_forming or self.room.has_waiting


class Batches:
    """Feeds the device from one lane, or from two."""

    def __init__(
        self, recall: Recall, infer: Infer, policy: BatchPolicy, metrics: Metrics, spare: SparePolicy | None = None
    ) -> None:
        self._recall = recall
        self._infer = infer
        self._policy = policy
        self._metrics = metrics
        self._outlook = Outlook()
        self._changed = self._outlook.bell()
        self._live = _Lane(WaitingRoom(policy, self._outlook), is_spare=False)
        self._spare: _Lane | None = None
        self._share = Share(spare.share if spare else 1.0)
        self._spare_rests = False
        self._choosing = asyncio.Lock()
        self._computing: frozenset[str] = frozenset()  # keys of titles, in the batch that was handed over last
        if spare is not None:
            self._spare = _Lane(WaitingRoom(policy, self._outlook, spare.max_seconds), is_spare=True)

    @property
    def live(self) -> WaitingRoom:
        """Where live listings wait."""
        return self._live.room

    @property
    def spare(self) -> WaitingRoom:
        """Where a backfill's listings wait. Only with a `SparePolicy`."""
        assert self._spare is not None  # noqa: S101  # whoever asks gave the policy
        return self._spare.room

    def rest_spare(self, is_resting: bool) -> None:
        """Start no batch of the backfill from now on, or do again."""
        if is_resting != self._spare_rests:
            self._spare_rests = is_resting
            self._outlook.ring()

    async def calibrate(self, image_side: int) -> None:
        """Measure a batch of one picture and a full one: a guess must not decide how long live listings wait."""
        generator = np.random.default_rng(0)
        measured: list[tuple[float, float]] = []
        for cost in (1, self._policy.max_listings) * _CALIBRATION_ROUNDS:
            # Pictures and titles that all differ: a model need not look twice at what it has seen.
            pictures = generator.integers(0, 256, (cost, image_side, image_side, 3), np.uint8)
            listings = [ListingInput(f"calibration {generator.random()}", (picture,)) for picture in pictures]
            result = await self._infer.predict(listings)
            if result.num_splits == 0:
                measured.append((cost, result.busy_seconds))
        if len({cost for cost, _ in measured}) > 1:
            self._outlook.cost_model.restart(measured)
            log.info("device.calibrated", seconds_by_cost={cost: round(seconds, 4) for cost, seconds in measured})

    async def run(self) -> None:
        """Work until cancelled. Raises FatalError when the device cannot go on."""
        lanes = filter(None, (self._live, self._spare))
        loops = [asyncio.create_task(self._prepare(lane), name="prepare-batches") for lane in lanes]
        loops += [asyncio.create_task(self._feed(), name="run-batches") for _ in range(_NUM_HANDED_OVER)]
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.wait(loops)

    async def _prepare(self, lane: _Lane) -> None:
        """Form batches and look their titles up while the device still works on the one before. Runs for ever."""
        while True:
            listings = await lane.room.next_batch()
            lane.is_forming = True
            with self._metrics.stage("recall"):
                recalled = await self._recall.look_up([one.inputs.title for one in listings])
            lane.prepared, lane.is_forming = _Prepared(listings, recalled), False
            self._outlook.ring()
            lane.emptied.clear()
            await lane.emptied.wait()

    async def _feed(self) -> None:
        """The device takes one prepared batch after the other; two of these take turns. Runs for ever."""
        while True:
            async with self._choosing:
                lane = await self._next_lane()
                prepared, lane.prepared = lane.prepared, None
                lane.emptied.set()
            if prepared is not None:
                await self._run(prepared, lane)

    async def _next_lane(self) -> _Lane:
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            turn = whose_turn(loop.time(), self._front())
            if isinstance(turn, Wait):
                timeout = None if turn.until is None else turn.until - loop.time()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(timeout):
                        await self._changed.wait()
            elif turn == "live" or self._spare is None:
                return self._live
            else:
                return self._spare

    def _front(self) -> Front:
        live, spare = self._live, self._spare
        spare_is_prepared = spare is not None and spare.prepared is not None and not self._spare_rests
        is_busy = self._outlook.is_busy
        near_end = self._outlook.free_at - self._policy.lead_seconds if is_busy else None
        # With a title that the device computes just now a batch waits for it, instead of computing it again.
        may_go = live.prepared is not None and not (is_busy and live.prepared.recalled.missing & self._computing)
        return Front(may_go, live.has_waiting, spare_is_prepared, self._share.free_from, near_end)

    async def _run(self, prepared: _Prepared, lane: _Lane) -> None:
        vectors = self._recall.settle(prepared.recalled)
        pairs = zip(prepared.listings, vectors, strict=True)
        batch = _HandedOver(
            [(one, replace(one.inputs, title_vector=vector)) for one, vector in pairs if not one.is_given_up]
        )
        if not batch.listings:
            return
        self._computing = prepared.recalled.missing
        self._outlook.started(batch.cost)
        with on_device([one.flight.trace for one, _ in batch.listings], batch.cost):
            result = await self._infer.predict_then(batch.begin)
        cost = sum(one.cost for one, _ in batch.taken)
        self._outlook.finished(cost, result.busy_seconds, result.ended)
        for (one, _), answer in zip(batch.taken, result.answers, strict=True):
            one.flight.device_seconds = result.busy_seconds / len(batch.taken)
            one.settle(answer)
        self._keep_vectors([inputs for _, inputs in batch.taken], result.answers)
        if batch.taken:
            self._observe(len(batch.taken), cost, result.busy_seconds, lane)

    def _keep_vectors(self, inputs: Sequence[ListingInput], answers: Sequence[Prediction | RejectedError]) -> None:
        computed = {
            given.title: answer.title_vector
            for given, answer in zip(inputs, answers, strict=True)
            if isinstance(answer, Prediction) and given.title_vector is None and answer.title_vector is not None
        }
        self._recall.keep(list(computed), list(computed.values()))

    def _observe(self, num_listings: int, cost: int, busy_seconds: float, lane: _Lane) -> None:
        if (most := self._infer.max_listings) is not None:
            for one in filter(None, (self._live, self._spare)):
                one.room.shrink(most)
        self._metrics.batch_listings.observe(num_listings)
        self._metrics.batch_pictures.observe(cost)
        self._metrics.device_busy_seconds.inc(busy_seconds)
        self._metrics.stage_seconds.labels("infer").observe(busy_seconds)
        if lane.is_spare:
            self._share.used(asyncio.get_running_loop().time(), busy_seconds)
            self._metrics.backfill_batch_seconds.observe(busy_seconds)
