"""What is in flight right now, looked at once a second and written into the gauges. Owner: the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter

from schemas.deadletter import Stage
from worker.consume import Consumer
from worker.errors import FatalError
from worker.flow.storm import StormBreaker
from worker.machine import cgroup
from worker.metrics import Metrics
from worker.partitions.intake import Intake
from worker.partitions.partition import Partition
from worker.partitions.quarantine import MAX_DEATHS
from worker.pipeline import Pipeline, Tagger

_SILENT_SECONDS = 15.0  # a partition with lag that brings nothing for so long is resumed


class Gauges:
    """Looks. It changes two things: from where a commit's age counts, and partitions that stay silent are resumed."""

    def __init__(
        self, metrics: Metrics, intake: Intake, tagger: Tagger, storm: StormBreaker, consumer: Consumer
    ) -> None:
        self._metrics = metrics
        self._intake = intake
        self._tagger = tagger
        self._storm = storm
        self._consumer = consumer
        self._known: set[int] = set()
        self._rebalances = 0
        self.num_waiting = 0  # records that are there and not started

    async def run(self, pipeline: Pipeline, period_seconds: float = 1.0) -> None:
        """Look again and again, for ever."""
        while True:
            self.look(pipeline)
            await self._look_at_lag()
            await asyncio.sleep(period_seconds)

    def look(self, pipeline: Pipeline) -> None:
        """One look at everything that the loop holds."""
        metrics = self._metrics
        metrics.parked_listings.set(pipeline.num_parked)
        metrics.in_flight_bytes.set(self._tagger.bytes.held)
        metrics.in_flight_pixels.set(self._tagger.pixels.held)
        if memory := cgroup.read():
            metrics.memory_bytes.set(memory.held)
            metrics.memory_limit_bytes.set(memory.limit)
        metrics.storm_open.set(self._storm.is_open)
        metrics.rebalances.inc(self._intake.num_rebalances - self._rebalances)
        self._rebalances = self._intake.num_rebalances
        partitions = list(self._intake.partitions)
        self._look_at_stages(partitions, pipeline.num_in_flight)
        self._look_at_partitions(partitions)
        began = pipeline.oldest_began()
        metrics.oldest_unfinished_seconds.set(0.0 if began is None else asyncio.get_running_loop().time() - began)

    def _look_at_stages(self, partitions: list[Partition], num_in_flight: int) -> None:
        stages = Counter(journey.flight.stage for partition in partitions for journey in partition.journeys)
        for stage in Stage:
            self._metrics.in_flight.labels(stage.value).set(stages[stage])
        self._metrics.in_flight.labels("listings").set(num_in_flight)

    def _look_at_partitions(self, partitions: list[Partition]) -> None:
        metrics = self._metrics
        metrics.assigned_partitions.set(len(partitions))
        metrics.paused_partitions.set(sum(partition.is_paused for partition in partitions))
        alone = [partition for partition in partitions if partition.quarantine.mark.deaths >= MAX_DEATHS]
        metrics.quarantined_partitions.set(len(alone))
        held = {partition.number for partition in partitions}
        for gone in self._known - held:
            metrics.forget_partition(gone)
        self._known = held
        for partition in partitions:
            metrics.committed_offset.labels(str(partition.number)).set(partition.committed_offset)

    async def _look_at_lag(self) -> None:
        try:
            async with asyncio.timeout(5):
                ends = await asyncio.wrap_future(self._consumer.lag())
        except (TimeoutError, FatalError):
            return  # the consumer is busy with a rebalance: the next look will tell
        now = asyncio.get_running_loop().time()
        held = [partition for partition in self._intake.partitions if partition.number in ends]
        self.num_waiting = sum(partition.num_waiting(ends[partition.number]) for partition in held)
        for partition in held:
            lag, label = partition.lag(ends[partition.number]), str(partition.number)
            self._metrics.partition_lag.labels(label).set(lag)
            if not lag:
                partition.committed_at = now
            self._metrics.committed_offset_age_seconds.labels(label).set(now - partition.committed_at)
        self._metrics.unstuck_partitions.inc(len(self._intake.unstick(ends, _SILENT_SECONDS)))
