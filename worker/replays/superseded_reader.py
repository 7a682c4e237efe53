"""Reads a partition's keys to find what is superseded. Synchronous: `left_out.py` runs it beside the worker."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import Any

import structlog
from confluent_kafka import Message

from schemas.deadletter import earlier_trip
from worker.kafka.message_headers import read_headers
from worker.kafka.topic_reader import Range, TopicReader
from worker.partitions.superseded import Keyed, Superseded, find_superseded
from worker.replays.plan import Plan

log = structlog.get_logger(__name__)


class SupersededReader:
    """What a later record of the same key supersedes, up to the log's end when the plan was frozen.

    The answer is the same whoever reads, and when. ``closing`` ends a reading.
    """

    def __init__(self, client: Mapping[str, Any], plan: Plan, closing: threading.Event) -> None:
        self._client = client
        self._plan = plan
        self._stretches = {one.partition: one for one in plan.partitions}
        self._closing = closing

    def read(self, partition: int) -> Superseded:
        """Raises FatalError when the topic cannot be read, and soon after ``closing`` was set."""
        one = self._stretches[partition]
        reader = TopicReader(self._client, f"{self._plan.group_id}.reader", self._closing)
        try:
            stretch = {partition: Range(one.first, one.log_end)}
            found = find_superseded(one.first, one.end, lambda: self._keys(reader, stretch))
        finally:
            reader.close()
        log.info("replay.superseded", partition=partition, records=found.num_records, superseded=found.num_superseded)
        return found

    def _keys(self, reader: TopicReader, stretch: Mapping[int, Range]) -> Iterator[Keyed]:
        for message in reader.read(self._plan.topic, stretch):
            offset = message.offset() or 0
            yield Keyed(offset, message.key(), _rank(message, self._plan.topic, offset))


def _rank(message: Message, topic: str, offset: int) -> int:
    """Where the record first stood: a redriven one does not supersede what came after its original."""
    headers = read_headers(message)
    trip = earlier_trip(headers) if headers else None
    is_from_here = trip is not None and (trip.source.topic, trip.source.partition) == (topic, message.partition())
    return trip.source.offset if trip is not None and is_from_here else offset
