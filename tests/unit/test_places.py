"""Where a partition starts of which nothing is committed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest
from confluent_kafka import Consumer as KafkaConsumer
from confluent_kafka import TopicPartition

from worker.partitions.assignment import ConsumePolicy
from worker.partitions.places import look_up

TIMES_MS = (1_000, 2_000, 3_000)  # of the records that are there


@dataclass
class Client:
    """A Kafka client of one partition, which answers as a broker does."""

    def committed(self, wanted: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """Nothing is."""
        return [TopicPartition(one.topic, one.partition, -1001) for one in wanted]

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        """The log's ends."""
        return 0, len(TIMES_MS)

    def offsets_for_times(self, wanted: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The first record at or after each; a negative time is none."""
        assert all(one.offset >= 0 for one in wanted)
        found = [next((at for at, ms in enumerate(TIMES_MS) if ms >= one.offset), -1) for one in wanted]
        return [TopicPartition(one.topic, one.partition, at) for one, at in zip(wanted, found, strict=True)]


@pytest.mark.parametrize(
    ("start_at", "offset"),
    [
        ("earliest", 0), ("latest", 3), (datetime(1, 1, 1, tzinfo=UTC), 0), (datetime(1969, 12, 31, tzinfo=UTC), 0),
        (datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC), 1), (datetime(2026, 1, 1, tzinfo=UTC), 3),
    ],
)  # fmt: skip
def test_start_at_is_a_place_in_the_log(start_at: str | datetime, offset: int) -> None:
    """A time is the first record at or after it, whichever year it is of."""
    policy = ConsumePolicy("in", start_at)
    (place,) = look_up(cast(KafkaConsumer, Client()), policy, [0])
    assert (place.start, place.is_committed) == (offset, False)
