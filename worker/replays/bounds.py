"""Pure: what an operator means by ``--from`` and ``--to``, and which offsets that is on each partition.

A time is looked up once and becomes an offset: the first record at or after it. Timestamps may go back and forth in a
topic, so the offset, not the time of each record, decides from then on what belongs to a replay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from schemas.deadletter import millis_of, rfc3339, time_of
from worker.errors import FatalError, UsageError
from worker.kafka.topic_reader import Range

EARLIEST, LATEST = "earliest", "latest"

_AGO = re.compile(r"-(\d{1,6})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PLACES = re.compile(r"\d+:\d+(,\d+:\d+)*", re.ASCII)
_FORMS = "write earliest, latest, 2026-01-31T12:00:00Z, -7d (s, m, h, d, w), an offset, or 0:100,1:250"


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a replay: exactly one of the fields is set. ``offsets``: by partition; ``offset``: on each one."""

    edge: str | None = None
    moment: datetime | None = None
    offset: int | None = None
    offsets: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """One partition as it is now: offsets ``[first, end)``, and the time of its first record, if there is one."""

    first: int
    end: int
    first_ms: int | None


Found = Mapping[int, int | None]  # by partition: the first offset at or after a time; None: no record is so late


def parse_bound(text: str, option: str, now: datetime) -> Bound:
    """``option`` is for messages. Raises FatalError for text that says no place."""
    if text in (EARLIEST, LATEST):
        return Bound(edge=text)
    if text.isascii() and text.isdigit():
        return Bound(offset=int(text))
    if _PLACES.fullmatch(text):
        pairs = [one.partition(":") for one in text.split(",")]
        offsets = {int(partition): int(offset) for partition, _, offset in pairs}
        if len(offsets) < len(pairs):
            raise UsageError(f"{option} {text}: names a partition twice")
        return Bound(offsets=offsets)
    try:
        return Bound(moment=_moment(text, option, now))
    except ValueError:
        raise UsageError(f"{option} {text!r} is no place in a topic: {_FORMS}") from None
    except OverflowError:
        raise UsageError(f"{option} {text!r} lies outside of the years 1 to 9999: {_FORMS}") from None


def _moment(text: str, option: str, now: datetime) -> datetime:
    if ago := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} has no zone: write 2026-01-31T12:00:00Z")
    return moment.astimezone(UTC)


def check_order(start: Bound, end: Bound, now: datetime) -> None:
    """Two times may both lie before or behind all that a topic holds, and would then be one offset: an empty replay,
    which is done at once. Raises UsageError for those that no topic could fill.
    """
    if start.moment is not None and start.moment > now:
        raise UsageError(f"--from {rfc3339(start.moment)} lies ahead: nothing is there yet")
    if start.moment is not None and end.moment is not None and end.moment < start.moment:
        raise UsageError(f"--from is {rfc3339(start.moment)}, --to is {rfc3339(end.moment)}, which is before it")
    if (start.edge, end.edge) == (LATEST, EARLIEST):
        raise UsageError("--from is latest, --to is earliest, which is before it")


def choose_partitions(start: Bound, end: Bound, wanted: list[int] | None, there: Mapping[int, Log]) -> list[int]:
    """The partitions that a plan is about. Raises FatalError where the options contradict each other or the topic."""
    named = [sorted(bound.offsets) for bound in (start, end) if bound.offsets is not None]
    named += [sorted(set(wanted))] if wanted is not None else []
    chosen = named[0] if named else sorted(there)
    if any(one != chosen for one in named):
        raise UsageError(f"--from, --to and --partitions name different partitions: {' and '.join(map(str, named))}")
    if unknown := [number for number in chosen if number not in there]:
        raise FatalError(f"the topic has partitions 0 to {max(there)}, not {', '.join(map(str, unknown))}")
    return chosen


def freeze(
    start: Bound, end: Bound, logs: Mapping[int, Log], found_start: Found = {}, found_end: Found = {}  # noqa: B006  # read
) -> dict[int, Range]:  # fmt: skip
    """The offsets of each partition. ``found_…``: what the broker answered for a bound that is a time.

    Raises FatalError for a place outside the log, naming the earliest time that is still there, and for a start after
    its end.
    """
    _check_deleted(start, logs, found_start)
    ranges = {}
    for number, log in logs.items():
        first = _offset(start, number, log, found_start)
        last = _offset(end, number, log, found_end)
        _check_inside(number, log, first, last)
        ranges[number] = Range(first, last)
    return ranges


def _offset(bound: Bound, number: int, log: Log, found: Found) -> int:
    if bound.edge is not None:
        return log.first if bound.edge == EARLIEST else log.end
    if bound.moment is not None:
        at = found[number]
        return log.end if at is None else min(max(at, log.first), log.end)
    if bound.offset is not None:
        return bound.offset
    return (bound.offsets or {})[number]


def _check_inside(number: int, log: Log, first: int, last: int) -> None:
    if first < log.first:
        raise FatalError(
            f"partition {number}: what lay between offset {first} and {log.first} is deleted; "
            f"the earliest record still there is of {_told(log)}: use --from earliest, or a later place"
        )
    if max(first, last) > log.end:
        raise FatalError(f"partition {number}: offset {max(first, last)} is beyond the log's end, {log.end}")
    if first > last:
        raise FatalError(f"partition {number}: --from is offset {first}, --to is offset {last}, which is before it")


def _check_deleted(start: Bound, logs: Mapping[int, Log], found: Found) -> None:
    """A log that begins after the time asked for, and not at its very first record, has lost some of what is meant."""
    if start.moment is None:
        return
    asked = millis_of(start.moment)
    late = {
        number: log
        for number, log in logs.items()
        if log.first > 0 and log.first_ms is not None and found[number] == log.first and log.first_ms > asked
    }
    if late:
        newest = max(late.values(), key=lambda log: log.first_ms or 0)
        raise FatalError(
            f"records from {rfc3339(start.moment)} on are partly deleted on partitions "
            f"{', '.join(map(str, late))}; the earliest time still there on all of them is {_told(newest)}: use that, "
            "or --from earliest for whatever is left"
        )


def _told(log: Log) -> str:
    moment = time_of(log.first_ms)
    return rfc3339(moment) if moment else f"an unknown time (offset {log.first})"
