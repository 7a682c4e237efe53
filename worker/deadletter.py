"""Pure: a record that can never be processed, as the dead letter to produce for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from schemas.deadletter import (
    DLQ_PREFIX,
    ERRORS_PREFIX,
    DeadLetterHeaders,
    SourcePosition,
    ValueOmitted,
    earlier_trip,
)
from worker.errors import RejectedError
from worker.item import Headers, Origin, OutputRecord, Record

HEADERS_OMITTED = "hangtag.dlq.headers_omitted"
KEY_OMITTED = "hangtag.dlq.key_omitted"
MIN_BYTES = 2_000  # what a dead letter comes to at most when all that can be left out is
_MESSAGE = ERRORS_PREFIX + "message"
_UNREADABLE = (HEADERS_OMITTED, b'{"headers":null,"size":null}')  # nobody can say how many they were


def build_dead_letter(
    record: Record,
    error: RejectedError,
    *,
    topic: str,
    group_id: str,
    worker_version: str,
    model_revision: str | None,
    failed_at: datetime,
    max_bytes: int,
) -> OutputRecord:
    """The original key, value and headers, plus the headers that say what went wrong.

    A record that comes again keeps the position it first had, and its failures add up.
    What the broker would refuse for its size (``max_bytes``, its limit for this topic) is left out and described:
    the value first, then the largest original headers, the key, the end of the message. Raises ValueError without
    ``record.origin``.
    """
    if record.origin is None:
        raise ValueError("a dead letter needs a record that came from Kafka; this one has no origin")
    source, earlier_attempts = first_seen(record.origin, record.headers)
    what_happened = DeadLetterHeaders(
        source=source,
        group=group_id,
        message=error.detail,
        reason=error.reason,
        stage=error.stage,
        attempts=earlier_attempts + 1,
        worker_version=worker_version,
        model_revision=model_revision,
        failed_at=failed_at,
    )
    own = (*_own_headers(record.headers), *((_UNREADABLE,) if record.has_unreadable_headers else ()))
    letter = OutputRecord(topic, record.key, record.value, (*own, *what_happened.to_headers()))
    return letter if letter.num_bytes <= max_bytes else _shrink(letter, own, what_happened, max_bytes)


def first_seen(origin: Origin, headers: Headers) -> tuple[SourcePosition, int]:
    """Where the original record stood, and its failures so far: here and none, unless it comes again after a redrive.

    A redrive sends a record to the topic that it came from. Headers that name another are somebody else's words.
    """
    trip = earlier_trip(headers)
    if trip is not None and trip.source.topic == origin.topic:
        return trip.source, trip.attempts
    return SourcePosition(origin.topic, origin.partition, origin.offset, origin.timestamp_ms), 0


def _own_headers(headers: Headers) -> Headers:
    """The record's headers without those of an earlier trip, which this trip's replace."""
    return tuple((name, value) for name, value in headers if not name.startswith((ERRORS_PREFIX, DLQ_PREFIX)))


def _shrink(letter: OutputRecord, own: Headers, what_happened: DeadLetterHeaders, max_bytes: int) -> OutputRecord:
    """Leave out what it takes: a dead letter that is refused would abort its whole transaction, for ever."""
    if letter.value is not None:
        what_happened = replace(what_happened, value_omitted=ValueOmitted.of(letter.value))
    told = what_happened.to_headers()
    letter = replace(letter, value=None, headers=(*own, *told))
    if letter.num_bytes > max_bytes:
        letter = replace(letter, headers=(*_fitting(letter, own, max_bytes), *told))
    if letter.num_bytes > max_bytes and letter.key is not None:
        omitted = (KEY_OMITTED, ValueOmitted.of(letter.key).to_header())
        letter = replace(letter, key=None, headers=(*letter.headers, omitted))
    return letter if letter.num_bytes <= max_bytes else _with_shorter_message(letter, max_bytes)


def _fitting(letter: OutputRecord, own: Headers, max_bytes: int) -> Headers:
    """The original headers without the largest, in order, and a note of how many were left out."""
    excess = letter.num_bytes - max_bytes + len(HEADERS_OMITTED) + 64
    largest_first = sorted(range(len(own)), key=lambda position: -_header_bytes(own[position]))
    left_out: set[int] = set()
    for position in largest_first:
        if excess <= 0:
            break
        left_out.add(position)
        excess -= _header_bytes(own[position])
    sizes = {"headers": len(left_out), "size": sum(_header_bytes(own[position]) for position in left_out)}
    note = (HEADERS_OMITTED, json.dumps(sizes, separators=(",", ":")).encode())
    return (*(pair for position, pair in enumerate(own) if position not in left_out), note)


def _header_bytes(header: tuple[str, bytes | None]) -> int:
    return len(header[0].encode()) + len(header[1] or b"")


def _with_shorter_message(letter: OutputRecord, max_bytes: int) -> OutputRecord:
    """What happened, in as many words as fit."""
    excess = letter.num_bytes - max_bytes
    return replace(letter, headers=tuple((name, _cut(name, value, excess)) for name, value in letter.headers))


def _cut(name: str, value: bytes | None, excess: int) -> bytes | None:
    if name != _MESSAGE or value is None:
        return value
    return value[: max(0, len(value) - excess)].decode(errors="ignore").encode()
