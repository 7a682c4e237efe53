"""Pure: which listings have ended, and how. Counts each output once, however often it is read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.topics import Topics

REASON_HEADER = "hangtag.dlq.reason"
POSITION_HEADERS = ("__dlq.errors.topic", "__dlq.errors.partition", "__dlq.errors.offset")


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """One record that the worker produced. ``value`` is parsed JSON where it is JSON, otherwise text or None."""

    topic: str
    key: str
    value: Any
    headers: Mapping[str, str]

    @property
    def identity(self) -> tuple[str, ...]:
        """Equal for two copies of the same output: the event's id, or the place of a dead letter's record."""
        if REASON_HEADER in self.headers:
            return (self.topic, *(self.headers.get(name, "") for name in POSITION_HEADERS))
        event_id = self.value.get("event_id") if isinstance(self.value, dict) else None
        return (self.topic, str(event_id))

    @property
    def reason(self) -> str | None:
        """Why it is a dead letter; None for a result."""
        return self.headers.get(REASON_HEADER)

    def to_json(self) -> str:
        """One line of ``events.jsonl``; headers only where they say what went wrong."""
        line: dict[str, Any] = {"topic": self.topic, "key": self.key, "value": self.value}
        if self.reason is not None:
            line["headers"] = dict(self.headers)
        return json.dumps(line, ensure_ascii=False)


def read_output(
    topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]
) -> OutputEvent:
    """An output record as the demo keeps it; bytes that are no UTF-8 are shown with replacement characters."""
    texts = {name: (raw or b"").decode("utf-8", "replace") for name, raw in headers}
    return OutputEvent(topic, (key or b"").decode("utf-8", "replace"), _readable(value), texts)


def _readable(value: bytes | None) -> Any:
    if value is None:
        return None
    text = value.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class Ending:
    """How one listing ended: three results, or one dead letter with its ``reason``."""

    key: str
    events: tuple[OutputEvent, ...]
    reason: str | None


@dataclass(slots=True)
class Endings:
    """What has come out so far. ``expected`` are the keys of all listings that were, or will be, fed."""

    expected: frozenset[str]
    topics: Topics
    ended: dict[str, Ending] = field(default_factory=dict)
    num_copies: int = 0
    _seen: set[tuple[str, ...]] = field(default_factory=set)
    _open: dict[str, dict[str, OutputEvent]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Every listing has ended."""
        return self.expected <= self.ended.keys()

    @property
    def missing(self) -> list[str]:
        """Keys of listings that have not ended, in order."""
        return sorted(self.expected - self.ended.keys())

    def add(self, event: OutputEvent) -> tuple[bool, Ending | None]:
        """Take one output in: whether it is new (not a copy), and its listing's ending if that was it."""
        if event.identity in self._seen:
            self.num_copies += 1
            return False, None
        self._seen.add(event.identity)
        return True, self._end(event)

    def reasons(self) -> Counter[str]:
        """Dead letters by reason."""
        return Counter(ending.reason for ending in self.ended.values() if ending.reason is not None)

    def _end(self, event: OutputEvent) -> Ending | None:
        if event.topic == self.topics.dead_letter:
            ending = Ending(event.key, (event,), event.reason or "unknown")
        else:
            results = self._open.setdefault(event.key, {})
            results[event.topic] = event
            if results.keys() != {self.topics.attributes, self.topics.scenes, self.topics.texts}:
                return None
            ending = Ending(event.key, tuple(self._open.pop(event.key).values()), None)
        self.ended[event.key] = ending
        return ending
