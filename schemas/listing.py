"""``listing.created.v1``: the event that comes in, and the one way to read it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, Strict

from schemas.base import Event, SchemaError, UtcTime, describe_value, load_json
from schemas.deadletter import Reason

LISTING_CREATED = "listing.created.v1"
MAX_VALUE_BYTES = 1 << 20
MAX_IMAGES = 8
MAX_URL_CHARS = 4_096
MAX_TYPE_CHARS_SHOWN = 64

ImageUrl = Annotated[str, Field(max_length=MAX_URL_CHARS)]


class Price(BaseModel):
    """What the seller asks: a plain decimal as text, and an ISO 4217 code."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    amount: Annotated[str, Field(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]


class ListingCreated(Event):
    """A new listing. Unknown fields are ignored; types are strict; URLs are judged one by one when fetched."""

    model_config = ConfigDict(
        extra="ignore",
        json_schema_extra={
            "anyOf": [
                {"required": ["title"], "properties": {"title": {"pattern": "\\S"}}},
                {"required": ["image_urls"], "properties": {"image_urls": {"minItems": 1}}},
            ]
        },
    )

    event_type: ClassVar[str] = LISTING_CREATED

    listing_id: Annotated[str, Field(min_length=1, max_length=128)]
    title: Annotated[str, Field(max_length=1_000)] = ""
    description: Annotated[str, Field(max_length=20_000)] | None = None
    image_urls: Annotated[tuple[ImageUrl, ...], Strict(False), Field(max_length=MAX_IMAGES)] = ()
    language: (
        Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$", examples=["pt-BR"])] | None
    ) = None
    price: Price | None = None
    attributes: dict[str, str] | None = None
    created_at: UtcTime | None = None


def parse_listing(
    value: bytes | None, headers: Iterable[tuple[str, bytes | None]] = (), *, max_bytes: int = MAX_VALUE_BYTES
) -> ListingCreated:
    """Read one input value. Raises SchemaError with one of the reasons ``tombstone``, ``too_large``,
    ``unsupported_version``, ``not_json``, ``schema_violation`` and ``no_usable_input``, and nothing else.
    """
    if value is None:
        raise SchemaError(Reason.TOMBSTONE, "the record has no value; a listing needs one")
    if len(value) > max_bytes:
        raise SchemaError(Reason.TOO_LARGE, f"the value is {len(value):,} bytes, the limit is {max_bytes:,}")
    _check_version(headers)
    found = load_json(value)
    if not isinstance(found, dict):
        detail = f"the value must be an object; found {describe_value(found)}"
        raise SchemaError(Reason.SCHEMA_VIOLATION, detail)
    return _check_usable(ListingCreated.from_object(found))


def _check_version(headers: Iterable[tuple[str, bytes | None]]) -> None:
    """Headers are optional: without ``ce_type`` it is v1. The last of several counts, as for Kafka's own clients."""
    seen = [value for name, value in headers if name == "ce_type" and value is not None]
    if not seen or seen[-1] == LISTING_CREATED.encode():
        return
    shown = seen[-1][:MAX_TYPE_CHARS_SHOWN].decode("utf-8", errors="replace")
    detail = f"ce_type is {shown!r}; supported: {LISTING_CREATED!r}, or no ce_type at all, which means the same"
    raise SchemaError(Reason.UNSUPPORTED_VERSION, detail)


def _check_usable(listing: ListingCreated) -> ListingCreated:
    if listing.title.strip() or listing.image_urls:
        return listing
    detail = "title is blank and image_urls is empty; a listing needs a title or a picture"
    raise SchemaError(Reason.NO_USABLE_INPUT, detail)
