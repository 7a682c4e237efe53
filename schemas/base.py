"""What all events share: frozen, versioned, strict; to and from compact UTF-8 JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, ValidationError, WithJsonSchema
from pydantic_core import from_json

from schemas.deadletter import Reason, rfc3339

MAX_ERRORS_NAMED = 3


CLOSED = ConfigDict(
    frozen=True,
    strict=True,
    extra="forbid",
    allow_inf_nan=False,
    json_schema_serialization_defaults_required=True,  # readers of an output find every field there
)


class SchemaError(Exception):
    """A value that does not hold to the contract. ``detail`` names field, kind, size and limit, never the content."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.reason = reason
        self.detail = detail


def _to_utc(value: object) -> object:
    """RFC 3339 text or an aware time, as UTC. Anything else is left for pydantic to refuse."""
    if isinstance(value, str):
        value = _parse_time(value)
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise ValueError("a time needs a UTC offset, as in 2025-01-31T12:00:00Z")
    return _in_utc(value)


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a time outside the years 1 to 9999") from error


def _parse_time(text: str) -> datetime:
    shaped = len(text) >= 20 and text[4] == text[7] == "-" and text[10] in "Tt "
    try:
        if shaped and text.isascii():
            is_leap = text[16:19] == ":60"
            time = datetime.fromisoformat(f"{text[:16]}:59{text[19:]}" if is_leap else text)
            if not is_leap or _can_leap(time):
                return time
    except ValueError:
        pass
    raise ValueError("not an RFC 3339 time such as 2025-01-31T12:00:00Z")


def _can_leap(time: datetime) -> bool:
    """A leap second ends a day in UTC. Python's clock has none, so it is taken for the second before it."""
    return time.tzinfo is not None and (_in_utc(time).hour, _in_utc(time).minute) == (23, 59)


UtcTime = Annotated[
    datetime,
    BeforeValidator(_to_utc),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]


class Part(BaseModel):
    """A part of an output event: closed, strict and frozen."""

    model_config = CLOSED


class Event(BaseModel):
    """One event on the wire. ``event_type`` carries the version, as in ``listing.attributes.v1``."""

    model_config = CLOSED

    event_type: ClassVar[str]

    def to_bytes(self) -> bytes:
        """Compact UTF-8 JSON."""
        return self.model_dump_json().encode()

    @classmethod
    def from_bytes(cls, value: bytes) -> Self:
        """Read what ``to_bytes`` wrote. Raises SchemaError (``not_json`` or ``schema_violation``)."""
        return cls.from_object(load_json(value))

    @classmethod
    def from_object(cls, found: object) -> Self:
        """Check parsed JSON against the schema. Raises SchemaError (``schema_violation``)."""
        try:
            return cls.model_validate(found)
        except ValidationError as error:
            raise SchemaError(Reason.SCHEMA_VIOLATION, describe_errors(error, cls)) from error


def load_json(value: bytes) -> Any:
    """Parse JSON; NaN, Infinity, bad UTF-8, lone surrogates and nesting past 200 are refused with ``not_json``."""
    try:
        return from_json(value.removeprefix(b"\xef\xbb\xbf"), allow_inf_nan=False)
    except ValueError as error:
        detail = f"the value of {len(value):,} bytes is not JSON in UTF-8: {error}"
        raise SchemaError(Reason.NOT_JSON, detail) from error


def describe_value(value: object) -> str:
    """Kind and size of a JSON value, without its content."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return f"the number {value!r:.40}"
        case str():
            return f"a string of {len(value):,} characters"
        case Mapping():
            return f"an object of {len(value):,} fields"
        case Sequence():
            return f"an array of {len(value):,} items"
        case _:
            return f"a {type(value).__name__}"


def describe_errors(error: ValidationError, schema: type[BaseModel] | None = None) -> str:
    """What broke the schema: each field, what is allowed, and kind and size of what was found.

    With ``schema``, names in a path that are not the schema's own are shown as ``*``: the sender chose them.
    """
    found = error.errors(include_url=False)
    named = [_describe_error(e["type"], e["loc"], e["msg"], e["input"], schema) for e in found[:MAX_ERRORS_NAMED]]
    more = len(found) - len(named)
    return "; ".join(named) + (f"; and {more:,} more" if more else "")


def _describe_error(
    kind: str, location: tuple[int | str, ...], message: str, found: object, schema: type[BaseModel] | None
) -> str:
    where = ".".join(_known(location, schema)) or "the value"
    if kind == "missing":
        return f"{where}: required, but not there"
    return f"{where}: {message.removeprefix('Value error, ')}; found {describe_value(found)}"


def _known(location: Iterable[int | str], schema: type[BaseModel] | None) -> list[str]:
    if schema is None:
        return [str(part) for part in location]
    names = _field_names(schema)
    return [str(part) if isinstance(part, int) or part in names else "*" for part in location]


@cache
def _field_names(schema: type[BaseModel]) -> frozenset[str]:
    """Names of all fields at any depth; kept, since a flood of bad records asks for it each time."""
    found = schema.model_json_schema()
    parts = [found, *found.get("$defs", {}).values()]
    return frozenset(name for part in parts for name in part.get("properties", {}))
