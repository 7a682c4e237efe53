"""Whose word counts on where a record first stood: headers are the sender's, and he may write what he likes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from schemas.deadletter import (
    DeadLetterHeaders,
    HeaderPairs,
    Reason,
    RedriveHeaders,
    SourcePosition,
    Stage,
    earlier_trip,
)
from tests.unit.enrich_samples import NOW, ORIGIN, record
from worker.deadletter import build_dead_letter
from worker.enrich import source_of
from worker.errors import RejectedError

HERE = SourcePosition(ORIGIN.topic, ORIGIN.partition, ORIGIN.offset, ORIGIN.timestamp_ms)
FIRST = SourcePosition(ORIGIN.topic, 5, 7, 1_700_000_000_000)
ELSEWHERE = SourcePosition("payments", 5, 7, 1_700_000_000_000)


def of_redrive(source: SourcePosition) -> HeaderPairs:
    """What ``dlq redrive`` puts on a record."""
    return RedriveHeaders(source, attempts=2).to_headers()


def of_dead_letter(source: SourcePosition) -> HeaderPairs:
    """What a dead letter brings along that another tool copied into the input topic."""
    told = DeadLetterHeaders(source, "shop", "broken", Reason.NOT_JSON, Stage.PARSE, 2, "1.0", "rev1", NOW)
    return told.to_headers()


def dead_letter_of(headers: HeaderPairs) -> DeadLetterHeaders:
    """The dead letter of a record with these headers, read back."""
    error = RejectedError(Reason.NOT_JSON, Stage.PARSE, "broken")
    letter = build_dead_letter(
        record(headers=headers), error, topic="dlq", group_id="shop", worker_version="1.0", model_revision="rev1",
        failed_at=NOW, max_bytes=1 << 20,
    )  # fmt: skip
    return DeadLetterHeaders.from_headers(letter.headers)


@pytest.mark.parametrize("headers_of", [of_redrive, of_dead_letter])
def test_a_record_that_comes_again_keeps_its_place(headers_of: Callable[[SourcePosition], HeaderPairs]) -> None:
    """In its own topic: events and another dead letter name the place where it first stood."""
    headers = headers_of(FIRST)
    assert source_of(record(headers=headers)) == FIRST
    assert dead_letter_of(headers).source == FIRST
    assert dead_letter_of(headers).attempts == 3


@pytest.mark.parametrize("headers_of", [of_redrive, of_dead_letter])
def test_a_place_in_another_topic_is_not_believed(headers_of: Callable[[SourcePosition], HeaderPairs]) -> None:
    """A redrive sends records to the topic that they came from: such a record is a new one, failures and all."""
    headers = headers_of(ELSEWHERE)
    assert source_of(record(headers=headers)) == HERE
    assert dead_letter_of(headers).source == HERE
    assert dead_letter_of(headers).attempts == 1


@pytest.mark.parametrize(
    ("partition", "offset", "is_believed"),
    [
        ((1 << 31) - 1, (1 << 63) - 1, True),
        (1 << 31, 0, False),
        (99_999_999_999, 0, False),
        (0, 1 << 63, False),
        (0, 9_999_999_999_999_999_999, False),
    ],
)
def test_places_that_kafka_cannot_have_are_not_believed(partition: int, offset: int, is_believed: bool) -> None:
    """Partitions have 31 bits and offsets 63; what consumers read events into has no more room either."""
    headers = of_redrive(SourcePosition(ORIGIN.topic, partition, offset, None))
    assert (earlier_trip(headers) is not None) is is_believed
