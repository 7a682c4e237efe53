"""CloudEvents 1.0 as Kafka headers (binary content mode), and the trace context that travels beside them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.deadletter import HeaderPairs, rfc3339

SPEC_VERSION = "1.0"
CONTENT_TYPE = "application/json"
TRACE_HEADERS = ("traceparent", "tracestate")


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """An event's CloudEvents attributes. ``source`` is a URI reference; ``time`` is aware."""

    id: str
    source: str
    type: str
    time: datetime | None = None
    content_type: str = CONTENT_TYPE

    def to_headers(self) -> HeaderPairs:
        """Header pairs, UTF-8 text each."""
        time = () if self.time is None else (("ce_time", rfc3339(self.time).encode()),)
        return (
            ("ce_specversion", SPEC_VERSION.encode()),
            ("ce_id", self.id.encode()),
            ("ce_source", self.source.encode()),
            ("ce_type", self.type.encode()),
            *time,
            ("content-type", self.content_type.encode()),
        )

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> CloudEvent | None:
        """Read them back; None when an attribute that CloudEvents requires is missing or of another version.

        Headers are optional on input, so a record without them is an ordinary one. A malformed time reads as none.
        """
        texts = {name: value.decode("utf-8", errors="replace") for name, value in headers if value is not None}
        required = [texts.get(name) for name in ("ce_id", "ce_source", "ce_type")]
        if texts.get("ce_specversion") != SPEC_VERSION or not all(required):
            return None
        content_type = texts.get("content-type", CONTENT_TYPE)
        return cls(texts["ce_id"], texts["ce_source"], texts["ce_type"], _time(texts.get("ce_time")), content_type)


def trace_headers(headers: Iterable[tuple[str, bytes | None]]) -> HeaderPairs:
    """The trace context to carry through, bytes untouched; the last of each name counts."""
    if not headers:
        return ()
    found = {name: value for name, value in headers if name in TRACE_HEADERS and value is not None}
    return tuple(found.items())


def _time(text: str | None) -> datetime | None:
    try:
        time = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if time is None or time.tzinfo is None else time.astimezone(UTC)
