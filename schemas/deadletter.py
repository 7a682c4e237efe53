"""Dead letters: the closed list of reasons, and the headers that say what went wrong.

A dead letter is the original record, untouched, plus these headers. ``__dlq.errors.*`` are the names that Kafka's own
share-group dead-letter queues use (KIP-1191), so that their tools can read ours; ``hangtag.dlq.*`` say the rest.
``hangtag.redrive.*`` are put on a record that a redrive sends through again, so that its events still name the record
that first arrived.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

HeaderPairs = tuple[tuple[str, bytes | None], ...]

ERRORS_PREFIX = "__dlq.errors."
DLQ_PREFIX = "hangtag.dlq."
REDRIVE_PREFIX = "hangtag.redrive."
MAX_MESSAGE_CHARS = 2_000

_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")  # what Kafka allows
_MAX_PARTITION, _MAX_OFFSET = (1 << 31) - 1, (1 << 63) - 1  # as wide as Kafka has them, and the events' ``source``
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS = 253_402_300_799_999  # the last millisecond of the year 9999: the last that RFC 3339 can write


class Reason(StrEnum):
    """Why a record or a picture can never be processed. Closed: adding one changes the contract."""

    NOT_JSON = "not_json"
    SCHEMA_VIOLATION = "schema_violation"
    UNSUPPORTED_VERSION = "unsupported_version"
    TOMBSTONE = "tombstone"
    TOO_LARGE = "too_large"
    NO_USABLE_INPUT = "no_usable_input"
    URL_REFUSED = "url_refused"
    DNS_FAILED = "dns_failed"
    CONNECT_FAILED = "connect_failed"
    HTTP_ERROR = "http_error"
    FETCH_TIMEOUT = "fetch_timeout"
    BODY_TOO_LARGE = "body_too_large"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    TOO_MANY_PIXELS = "too_many_pixels"
    CORRUPT_IMAGE = "corrupt_image"
    DECODE_FAILED = "decode_failed"
    MODEL_FAILED = "model_failed"
    OUTPUT_TOO_LARGE = "output_too_large"
    WORKER_CRASHED = "worker_crashed"


class Stage(StrEnum):
    """Where in the worker it was found."""

    CONSUME = "consume"
    PARSE = "parse"
    FETCH = "fetch"
    DECODE = "decode"
    READ = "read"
    INFER = "infer"
    ENRICH = "enrich"
    PUBLISH = "publish"


def time_of(timestamp_ms: int | None) -> datetime | None:
    """UTC time of a Kafka timestamp; None for none (Kafka writes -1). Times past the year 9999 become its last."""
    if timestamp_ms is None or timestamp_ms < 0:
        return None
    return _EPOCH + timedelta(milliseconds=min(timestamp_ms, _LAST_MS))


def millis_of(time: datetime) -> int:
    """Kafka timestamp in ms of an aware time; the inverse of ``time_of``, exact."""
    return (time - _EPOCH) // timedelta(milliseconds=1)


def asked_millis_of(time: datetime) -> int:
    """The same to ask a broker with, which takes a negative number for something else: -1 for the newest record."""
    return max(0, millis_of(time))


@lru_cache(maxsize=256)
def rfc3339(time: datetime) -> str:
    """The time as RFC 3339 in UTC with ``Z``: milliseconds, or microseconds where there are any."""
    digits = "microseconds" if time.microsecond % 1_000 else "milliseconds"
    return time.astimezone(UTC).isoformat(timespec=digits).removesuffix("+00:00") + "Z"


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where a record first stood."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None


@dataclass(frozen=True, slots=True)
class ValueOmitted:
    """What stands for a value that was too large to produce again: its size in bytes and its digest."""

    size: int
    sha256: str

    @classmethod
    def of(cls, value: bytes) -> ValueOmitted:
        """Describe ``value``."""
        return cls(len(value), hashlib.sha256(value).hexdigest())

    def to_header(self) -> bytes:
        """A small JSON object."""
        return json.dumps({"size": self.size, "sha256": self.sha256}, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class DeadLetterHeaders:
    """The headers of one dead letter, typed. ``model_revision`` is None when no model was loaded yet."""

    source: SourcePosition
    group: str
    message: str
    reason: Reason
    stage: Stage
    attempts: int
    worker_version: str
    model_revision: str | None
    failed_at: datetime
    value_omitted: ValueOmitted | None = None

    def to_headers(self) -> HeaderPairs:
        """Header pairs, UTF-8 text each; what is not known is left out."""
        source, omitted = self.source, self.value_omitted
        happened_at = time_of(source.timestamp_ms)
        pairs = {
            "__dlq.errors.topic": source.topic,
            "__dlq.errors.partition": str(source.partition),
            "__dlq.errors.offset": str(source.offset),
            "__dlq.errors.group": self.group,
            "__dlq.errors.message": self.message[:MAX_MESSAGE_CHARS],
            "hangtag.dlq.reason": self.reason.value,
            "hangtag.dlq.stage": self.stage.value,
            "hangtag.dlq.attempts": str(self.attempts),
            "hangtag.dlq.worker_version": self.worker_version,
            "hangtag.dlq.model_revision": self.model_revision,
            "hangtag.dlq.failed_at": rfc3339(self.failed_at),
            "hangtag.dlq.timestamp": None if happened_at is None else rfc3339(happened_at),
        }
        written = tuple((name, _encode(text)) for name, text in pairs.items() if text is not None)
        return written if omitted is None else (*written, ("hangtag.dlq.value_omitted", omitted.to_header()))

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> DeadLetterHeaders:
        """Read them back. Raises ValueError naming the header that is missing or malformed."""
        texts = _texts(headers)
        return cls(
            source=_position(texts, ERRORS_PREFIX, DLQ_PREFIX + "timestamp"),
            group=_text(texts, "__dlq.errors.group"),
            message=_text(texts, "__dlq.errors.message"),
            reason=Reason(_text(texts, "hangtag.dlq.reason")),
            stage=Stage(_text(texts, "hangtag.dlq.stage")),
            attempts=_integer(texts, "hangtag.dlq.attempts"),
            worker_version=_text(texts, "hangtag.dlq.worker_version"),
            model_revision=texts.get("hangtag.dlq.model_revision"),
            failed_at=_time(texts, "hangtag.dlq.failed_at"),
            value_omitted=_omitted(texts.get("hangtag.dlq.value_omitted")),
        )


@dataclass(frozen=True, slots=True)
class RedriveHeaders:
    """What a redrive puts on the record it sends through again: where it first stood, and its failures so far."""

    source: SourcePosition
    attempts: int

    def to_headers(self) -> HeaderPairs:
        """Header pairs, UTF-8 text each; an unknown time is left out."""
        happened_at = time_of(self.source.timestamp_ms)
        pairs = (
            ("topic", self.source.topic),
            ("partition", str(self.source.partition)),
            ("offset", str(self.source.offset)),
            ("attempts", str(self.attempts)),
            ("timestamp", None if happened_at is None else rfc3339(happened_at)),
        )
        return tuple((REDRIVE_PREFIX + name, _encode(text)) for name, text in pairs if text is not None)

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> RedriveHeaders:
        """Read them back. Raises ValueError naming the header that is missing or malformed."""
        texts = _texts(headers)
        position = _position(texts, REDRIVE_PREFIX, REDRIVE_PREFIX + "timestamp")
        return cls(position, _integer(texts, REDRIVE_PREFIX + "attempts"))


def strip_trip_headers(headers: Iterable[tuple[str, bytes | None]]) -> HeaderPairs:
    """The headers the record arrived with first: without what dead-lettering and redrives added."""
    prefixes = (ERRORS_PREFIX, DLQ_PREFIX, REDRIVE_PREFIX)
    return tuple((name, value) for name, value in headers if not name.startswith(prefixes))


def earlier_trip(headers: Iterable[tuple[str, bytes | None]]) -> RedriveHeaders | None:
    """Where a record that comes again first stood, and how often it failed; None for a record that is new.

    A redrive's own headers count first, then those of a dead letter that some other tool copied back. Headers
    that are incomplete or malformed say nothing.
    """
    texts = _texts(headers)
    return _trip(texts, REDRIVE_PREFIX, REDRIVE_PREFIX) or _trip(texts, ERRORS_PREFIX, DLQ_PREFIX)


def _trip(texts: dict[str, str], place_prefix: str, prefix: str) -> RedriveHeaders | None:
    try:
        position = _position(texts, place_prefix, prefix + "timestamp")
        attempts = _integer(texts, prefix + "attempts") if prefix + "attempts" in texts else 1
    except ValueError:
        return None
    return RedriveHeaders(position, attempts)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", errors="backslashreplace")


def _texts(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Header name to text; the last of a name wins, as in Kafka's own ``lastHeader``."""
    return {name: value.decode("utf-8", errors="replace") for name, value in headers if value is not None}


def _text(texts: dict[str, str], name: str) -> str:
    if name not in texts:
        raise ValueError(f"header {name} is missing")
    return texts[name]


def _integer(texts: dict[str, str], name: str, most: int = _MAX_OFFSET) -> int:
    text = _text(texts, name)
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and int(text) <= most):
        raise ValueError(f"header {name} is not a count of at most {most}: {text[:40]!r}")
    return int(text)


def _time(texts: dict[str, str], name: str) -> datetime:
    try:
        time = datetime.fromisoformat(_text(texts, name))
    except ValueError as error:
        raise ValueError(f"header {name} is not an RFC 3339 time: {error}") from error
    if time.tzinfo is None:
        raise ValueError(f"header {name} lacks a UTC offset")
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(f"header {name} is a time outside the years 1 to 9999") from error


def _topic(texts: dict[str, str], name: str) -> str:
    text = _text(texts, name)
    if not _TOPIC.fullmatch(text):
        raise ValueError(f"header {name} is not a topic name: {text[:40]!r}")
    return text


def _position(texts: dict[str, str], prefix: str, timestamp_name: str) -> SourcePosition:
    return SourcePosition(
        topic=_topic(texts, prefix + "topic"),
        partition=_integer(texts, prefix + "partition", _MAX_PARTITION),
        offset=_integer(texts, prefix + "offset"),
        timestamp_ms=millis_of(_time(texts, timestamp_name)) if timestamp_name in texts else None,
    )


def _omitted(text: str | None) -> ValueOmitted | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
        return ValueOmitted(int(found["size"]), str(found["sha256"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError("header hangtag.dlq.value_omitted is not {size, sha256}") from error
