"""What is in flight right now, looked at once a second and written into the gauges. Owner: the event loop."""

from __future__ import annotations

import asyncio

from worker.consume import Consumer
from worker.errors import FatalError
from worker.intake import Intake
from worker.metrics import Metrics
from worker.pipeline import Pipeline, Tagger
from worker.read import Read


class Gauges:
    """Looks, and changes nothing."""

    def __init__(self, metrics: Metrics, intake: Intake, tagger: Tagger, read: Read | None, consumer: Consumer) -> None:
        self._metrics = metrics
        self._intake = intake
        self._tagger = tagger
        self._read = read
        self._consumer = consumer
        self._known: set[int] = set()
        self._rebalances = 0

    async def run(self, pipeline: Pipeline, period_seconds: float = 1.0) -> None:
        """Look again and again, for ever."""
        while True:
            self.look(pipeline)
            await self._look_at_lag()
            await asyncio.sleep(period_seconds)

    def look(self, pipeline: Pipeline) -> None:
        """One look at everything that the loop holds."""
        metrics = self._metrics
        metrics.in_flight.labels("listings").set(pipeline.num_in_flight)
        metrics.in_flight.labels("infer").set(len(self._tagger.waiting_room))
        metrics.in_flight.labels("read").set(self._read.num_waiting if self._read else 0)
        metrics.in_flight_bytes.set(self._tagger.bytes.held)
        metrics.in_flight_pixels.set(self._tagger.pixels.held)
        partitions = list(self._intake.partitions)
        metrics.assigned_partitions.set(len(partitions))
        metrics.paused_partitions.set(sum(partition.is_paused for partition in partitions))
        metrics.oldest_unfinished_seconds.set(self._intake.oldest_seconds())
        metrics.rebalances.inc(self._intake.num_rebalances - self._rebalances)
        self._rebalances = self._intake.num_rebalances
        held = {partition.number for partition in partitions}
        for gone in self._known - held:
            metrics.forget_partition(gone)
        self._known = held
        for partition in partitions:
            metrics.committed_offset.labels(str(partition.number)).set(partition.ledger.committable)

    async def _look_at_lag(self) -> None:
        try:
            ends = await asyncio.wait_for(asyncio.wrap_future(self._consumer.lag()), timeout=5)
        except (TimeoutError, FatalError):
            return  # the consumer is busy with a rebalance: the next look will tell
        for partition in self._intake.partitions:
            if partition.number in ends:
                lag = max(0, ends[partition.number] - partition.ledger.committable)
                self._metrics.partition_lag.labels(str(partition.number)).set(lag)
