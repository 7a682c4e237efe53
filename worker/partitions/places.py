"""Where partitions start, as the broker says it. Only asks: nothing here changes what the consumer holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import KafkaException, TopicPartition

from schemas.deadletter import asked_millis_of
from worker.kafka.topic_reader import Range
from worker.partitions.assignment import ConsumePolicy


@dataclass(frozen=True, slots=True)
class Place:
    """One partition. ``start``: where to go on, or begin; ``is_committed``: the group committed that, with
    ``metadata``. ``low`` and ``high``: where the log begins and ends now. ``bound``: where a replay ends.
    """

    partition: int
    start: int
    is_committed: bool
    metadata: str | None
    low: int
    high: int
    bound: int | None


def look_up(kafka: KafkaConsumer, policy: ConsumePolicy, partitions: Sequence[int]) -> list[Place]:
    """All of them, or none: raises KafkaException when a broker does not say. Waits for as long as it takes, at most
    ``policy.lookup_seconds`` a question.
    """
    wanted = [TopicPartition(policy.topic, number) for number in partitions]
    return [_look_up_one(kafka, policy, one) for one in kafka.committed(wanted, timeout=policy.lookup_seconds)]


def _look_up_one(kafka: KafkaConsumer, policy: ConsumePolicy, committed: TopicPartition) -> Place:
    if committed.error is not None:
        raise KafkaException(committed.error)
    low, high = kafka.get_watermark_offsets(committed, timeout=policy.lookup_seconds)
    number, stretch = committed.partition, _stretch(policy.bounds, committed.partition)
    bound = None if stretch is None else stretch.end
    if committed.offset >= 0:
        return Place(number, committed.offset, True, committed.metadata, low, high, bound)
    first = _first_offset(kafka, policy, committed, low, high) if stretch is None else stretch.first
    return Place(number, first, False, None, low, high, bound)


def _stretch(bounds: Mapping[int, Range] | None, partition: int) -> Range | None:
    """What a replay reads of it."""
    return None if bounds is None else bounds.get(partition, Range(0, 0))


def _first_offset(kafka: KafkaConsumer, policy: ConsumePolicy, place: TopicPartition, low: int, high: int) -> int:
    start_at = policy.start_at
    if not isinstance(start_at, datetime):
        return low if start_at == "earliest" else high
    wanted = TopicPartition(place.topic, place.partition, asked_millis_of(start_at))
    found = kafka.offsets_for_times([wanted], timeout=policy.lookup_seconds)[0]
    return int(found.offset) if found.offset >= 0 else high
