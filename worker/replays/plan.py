"""A replay's plan: what was asked for, and the offsets that it came to. Frozen once, the same for all. Noun file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from schemas.deadletter import rfc3339
from schemas.topics import EVENT_KINDS
from worker.errors import FatalError, UsageError
from worker.kafka.topic_reader import Range
from worker.replays.where import Where, parse_where

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asked for, in the operator's words; None: not said. A plan has every field but ``end`` set."""

    start: str | None = None
    end: str | None = None
    partitions: str | None = None
    only: str | None = None  # comma-separated EVENT_KINDS; empty: all
    output_prefix: str | None = None
    include_superseded: bool | None = None
    where: str | None = None  # conditions, a line each, as `worker.replays.where` has them

    @property
    def conditions(self) -> Where:
        """``where``, parsed. Raises FatalError."""
        return parse_where((self.where or "").splitlines())

    def completed(self) -> Request:
        """With the defaults of what was not said. Raises FatalError without a start."""
        if self.start is None:
            raise UsageError("there is no plan of this name yet; say --from to make one")
        return Request(
            self.start, self.end or "latest", self.partitions or "", self.only or "", self.output_prefix or "",
            bool(self.include_superseded), self.where or "",
        )  # fmt: skip

    def check_same(self, name: str, frozen: Request) -> None:
        """Raises FatalError when something is asked for that the plan of this name has otherwise."""
        options = ("--from", "--to", "--partitions", "--only", "--output-prefix", "--include-superseded", "--where")
        for option, field in zip(options, fields(self), strict=True):
            asked, kept = getattr(self, field.name), getattr(frozen, field.name)
            if asked is not None and asked != kept:
                raise UsageError(
                    f"the replay {name!r} was planned with {option} {_word(kept)}, not {_word(asked)}; a plan is "
                    f"frozen: leave {option} away to go on with it, or choose another --name"
                )


@dataclass(frozen=True, slots=True)
class PlannedPartition:
    """Offsets ``[first, end)`` of one partition, and the times of its first and last record there.

    ``log_end``: where the log ended when the plan was frozen; up to there a later record of a key supersedes.
    """

    partition: int
    first: int
    end: int
    log_end: int
    first_ms: int | None = None
    last_ms: int | None = None

    @property
    def num_offsets(self) -> int:
        """At least as many as there are records: compacted and aborted ones leave holes."""
        return self.end - self.first


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what a replay does; the same for all of its processes, now and later."""

    name: str
    topic: str
    live_group: str
    created_at: datetime
    request: Request
    partitions: tuple[PlannedPartition, ...]

    @property
    def group_id(self) -> str:
        """The consumer group whose offsets are this replay's progress."""
        return f"{self.live_group}.replay.{self.name}"

    @property
    def num_offsets(self) -> int:
        """Over all partitions."""
        return sum(one.num_offsets for one in self.partitions)

    @property
    def ranges(self) -> dict[int, Range]:
        """Offsets by partition."""
        return {one.partition: Range(one.first, one.end) for one in self.partitions}

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of events that it publishes."""
        return tuple(filter(None, (self.request.only or "").split(","))) or EVENT_KINDS

    def to_bytes(self) -> bytes:
        """JSON."""
        told: dict[str, Any] = {"version": _VERSION, **asdict(self), "created_at": rfc3339(self.created_at)}
        return json.dumps(told, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> Plan:
        """Raises FatalError for a record that this program cannot read."""
        try:
            told = json.loads(value)
            if told.pop("version") != _VERSION:
                raise ValueError("another version")
            told["created_at"] = datetime.fromisoformat(told["created_at"])
            told["request"] = Request(**told["request"])
            told["partitions"] = tuple(PlannedPartition(**one) for one in told["partitions"])
            return cls(**told)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FatalError(
                f"a plan in the replay topic cannot be read: {error}; was it written by hangtag?"
            ) from error


def check_only(text: str | None) -> str | None:
    """``--only`` in its canonical form. Raises FatalError."""
    if text is None:
        return None
    asked = {one.strip() for one in text.split(",")}
    if unknown := asked - set(EVENT_KINDS):
        raise UsageError(f"--only {', '.join(sorted(unknown))}: give one or more of {', '.join(EVENT_KINDS)}")
    return "" if asked == set(EVENT_KINDS) else ",".join(kind for kind in EVENT_KINDS if kind in asked)


def _word(value: str | bool) -> str:
    return ("set" if value else "not set") if isinstance(value, bool) else repr(value) if value else "not set"
