"""Which records of a replay are passed over: superseded by a later one of their key, or not meant by ``--where``.

Both are found by reading, on threads beside the worker, when this process first gets a partition; its records start
after that. Results of before are read once, all partitions of their topic, since the time of the plan's first record.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicPartition

from worker.errors import FatalError
from worker.kafka.topic_reader import Range, TopicReader
from worker.partitions.superseded import Superseded
from worker.replays.plan import Plan
from worker.replays.superseded_reader import SupersededReader
from worker.replays.where import Earlier

log = structlog.get_logger(__name__)

_SECONDS = 15.0
_SKEW_MS = 3_600_000  # of a producer's clock against the broker's


class LeftOut:
    """Answers once per partition. ``results_topic``: where attributes events lie, of live or of a shadow run."""

    def __init__(self, client: Mapping[str, Any], plan: Plan, results_topic: str) -> None:
        self._client = client
        self._plan = plan
        self._results_topic = results_topic
        self._where = plan.request.conditions
        self._stretches = {one.partition: one for one in plan.partitions}
        self._closing = threading.Event()
        self._superseded = SupersededReader(client, plan, self._closing)
        self._earlier: dict[int, Earlier] | None = None
        self._known: dict[int, Superseded] = {}
        self._one_at_a_time = asyncio.Lock()

    @property
    def is_needed(self) -> bool:
        """Is anything to be left out?"""
        return not self._plan.request.include_superseded or self._where.asks_records or self._where.asks_results

    async def find(self, partition: int) -> Superseded:
        """The offsets to pass over. Raises FatalError when a topic cannot be read."""
        async with self._one_at_a_time:
            if partition not in self._known:
                self._known[partition] = await asyncio.to_thread(self.read, partition)
            return self._known[partition]

    def close(self) -> None:
        """Let a reading thread end soon, also while the broker is away."""
        self._closing.set()

    def read(self, partition: int) -> Superseded:
        """The same, here and now."""
        one = self._stretches[partition]
        found = Superseded(one.first, one.end)
        if not self._plan.request.include_superseded:
            found = self._superseded.read(partition)
        before = found.num_superseded
        if self._where.asks_records:
            self._leave_out_records(partition, found)
        if self._where.asks_results:
            self._leave_out_results(partition, found)
        if self._where.asks_records or self._where.asks_results:
            log.info("replay.not_meant", partition=partition, offsets=found.num_superseded - before)
        return found

    def _leave_out_records(self, partition: int, found: Superseded) -> None:
        reader = TopicReader(self._client, f"{self._plan.group_id}.reader", self._closing)
        try:
            for message in reader.read(self._plan.topic, {partition: Range(found.first, found.end)}):
                if not self._where.takes_record(message.value()):
                    found.add(message.offset() or 0)
        finally:
            reader.close()

    def _leave_out_results(self, partition: int, found: Superseded) -> None:
        if self._earlier is None:
            self._earlier = self._read_results()
        earlier = self._earlier[partition]
        for offset in range(found.first, found.end):
            if not earlier.takes(offset):
                found.add(offset)

    def _read_results(self) -> dict[int, Earlier]:
        told = {number: Earlier(self._where, one.first, one.end) for number, one in self._stretches.items()}
        reader = TopicReader(self._client, f"{self._plan.group_id}.reader", self._closing)
        try:
            for message in reader.read(self._results_topic, self._since_the_plans_first_record(reader)):
                _tell(told, self._plan.topic, message.value())
        except KafkaException as error:
            raise FatalError(f"results in {self._results_topic} cannot be read: {error.args[0].str()}") from error
        finally:
            reader.close()
        return told

    def _since_the_plans_first_record(self, reader: TopicReader) -> dict[int, Range]:
        there = reader.ranges(self._results_topic)
        firsts = [one.first_ms for one in self._plan.partitions if one.first_ms is not None]
        wanted = [TopicPartition(self._results_topic, one, max(0, min(firsts, default=0) - _SKEW_MS)) for one in there]
        starts = {place.partition: place.offset for place in reader.kafka.offsets_for_times(wanted, timeout=_SECONDS)}
        return {number: Range(starts[number], one.end) for number, one in there.items() if starts[number] >= 0}


def _tell(told: Mapping[int, Earlier], topic: str, value: bytes | None) -> None:
    """What is no attributes event of this topic's records says nothing."""
    try:
        event = json.loads(value or b"")
        source = event["source"]
        if source["topic"] == topic and source["partition"] in told:
            told[source["partition"]].tell(source["offset"], event)
    except (ValueError, KeyError, TypeError, RecursionError):
        log.warning("replay.strange_result", remedy="is it written by hangtag? It is passed by")
