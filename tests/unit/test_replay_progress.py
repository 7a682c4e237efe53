"""How far a replay is, by what the broker says of its group's offsets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

import pytest
from confluent_kafka import KafkaError, TopicPartition

from worker.errors import RetryableError
from worker.offsets import encode_map
from worker.replays.plan import Plan, PlannedPartition, Request
from worker.replays.progress import progress_of

PLAN = Plan(
    "spring", "in", "hangtag", datetime(2026, 11, 29, tzinfo=UTC), Request(),
    (PlannedPartition(0, 10, 20, 30), PlannedPartition(1, 5, 8, 8)),
)  # fmt: skip


@dataclass
class Untold:
    """A place as the client gives it when the broker does not say: its ``error`` cannot be set from here."""

    partition: int
    offset: int = -1001
    metadata: str | None = None
    error: KafkaError | None = None


def _place(partition: int, offset: int, metadata: str = "") -> TopicPartition:
    return TopicPartition("in", partition, offset, metadata) if metadata else TopicPartition("in", partition, offset)


def test_what_is_committed_is_done() -> None:
    """Up to the offset, and beyond it what its metadata names; nothing where nothing was committed."""
    metadata = encode_map(13, [15, 16])
    assert progress_of(PLAN, [_place(0, 13, metadata), _place(1, -1001)]).num_done == 5
    assert progress_of(PLAN, [_place(0, 20), _place(1, 8)]).is_done


def test_an_offset_that_the_broker_does_not_tell_is_no_progress_lost() -> None:
    """A coordinator that has just moved does not say yet: that is to be asked again, not a partition at its start."""
    untold = cast(TopicPartition, Untold(1, error=KafkaError(KafkaError.COORDINATOR_LOAD_IN_PROGRESS)))
    with pytest.raises(RetryableError, match=r"hangtag\.replay\.spring in partition 1"):
        progress_of(PLAN, [_place(0, 20), untold])
