"""What comes in: every value either is a listing or says why it is not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.base import SchemaError
from schemas.deadletter import Reason
from schemas.listing import LISTING_CREATED, MAX_VALUE_BYTES, ListingCreated, Price, parse_listing

FULL: dict[str, Any] = {
    "listing_id": "L1",
    "title": "Chaise en chêne 🪑",
    "description": "Solid oak.",
    "image_urls": ["https://img.test/a.jpg", "not a url"],
    "language": "fr-FR",
    "price": {"amount": "19.90", "currency": "EUR"},
    "attributes": {"color": "brown"},
    "created_at": "2025-01-31T12:00:00+02:00",
}

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from([*FULL, "unknown"])


def as_value(**changed: Any) -> bytes:
    """A whole listing with some fields changed; ``...`` takes a field away."""
    fields = {name: found for name, found in {**FULL, **changed}.items() if found is not ...}
    return json.dumps(fields, ensure_ascii=False).encode()


def refusal(value: bytes | None, headers: tuple[tuple[str, bytes | None], ...] = ()) -> SchemaError:
    """The error that ``value`` must raise."""
    with pytest.raises(SchemaError) as caught:
        parse_listing(value, headers)
    return caught.value


def test_a_full_listing_is_read() -> None:
    """Every field of the contract arrives, the time in UTC; URLs that cannot work are left for the fetch to refuse."""
    assert parse_listing(as_value()) == ListingCreated(
        listing_id="L1",
        title="Chaise en chêne 🪑",
        description="Solid oak.",
        image_urls=("https://img.test/a.jpg", "not a url"),
        language="fr-FR",
        price=Price(amount="19.90", currency="EUR"),
        attributes={"color": "brown"},
        created_at=datetime(2025, 1, 31, 10, tzinfo=UTC),
    )


@pytest.mark.parametrize("value", [b'{"listing_id":"1","title":"x"}', b'{"listing_id":"1","image_urls":["https://a"]}'])
def test_a_title_or_a_picture_is_enough(value: bytes) -> None:
    """Everything but the id may be absent, as long as there is a title or a picture."""
    assert parse_listing(value).listing_id == "1"


def test_unknown_fields_are_ignored() -> None:
    """A newer sender may say more, at any level."""
    seen = parse_listing(as_value(novelty=[1, 2], price={"amount": "1", "currency": "EUR", "net": True}))
    assert seen.price == Price(amount="1", currency="EUR")
    assert not hasattr(seen, "novelty")


def test_optional_fields_may_be_null() -> None:
    """Many serializers write null for what is not there."""
    seen = parse_listing(as_value(description=None, language=None, price=None, attributes=None, created_at=None))
    assert (seen.description, seen.language, seen.price, seen.attributes, seen.created_at) == (None,) * 5


def test_the_last_of_duplicate_keys_counts() -> None:
    """Duplicate keys are legal JSON."""
    assert parse_listing(b'{"listing_id":"1","title":"a","title":"b"}').title == "b"


def test_a_byte_order_mark_is_skipped() -> None:
    """Files written on Windows begin with one."""
    assert parse_listing(b"\xef\xbb\xbf" + as_value()).listing_id == "L1"


def test_no_value_is_a_tombstone() -> None:
    """A null value is told apart from a bad one."""
    assert refusal(None).reason is Reason.TOMBSTONE


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"   ",
        b"\xff\xfe{}",
        '{"listing_id": "é"}'.encode("latin-1"),
        '{"listing_id": "1"}'.encode("utf-16"),
        as_value()[:-5],
        as_value() + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"listing_id":"1","title":"x","n":NaN}',
        b'{"listing_id":"1","title":"x","n":-Infinity}',
        b'{"listing_id":"1","title":"\\ud83e"}',
        b"{'listing_id': '1'}",
    ],
)
def test_what_is_not_json_says_so(value: bytes) -> None:
    """Truncated, nested without end, not UTF-8, half a surrogate pair, NaN: one reason, with the value's size."""
    error = refusal(value)
    assert error.reason is Reason.NOT_JSON
    assert f"{len(value):,} bytes" in error.detail


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"listing_id": ...}, "listing_id: required"),
        ({"listing_id": ""}, "listing_id"),
        ({"listing_id": 7}, "listing_id"),
        ({"listing_id": "x" * 129}, "129 characters"),
        ({"title": None}, "found null"),
        ({"title": "x" * 1_001}, "1000 characters"),
        ({"title": ["x"]}, "array of 1 items"),
        ({"description": "x" * 20_001}, "20,001 characters"),
        ({"image_urls": ["https://a"] * 9}, "8 items"),
        ({"image_urls": "https://a"}, "image_urls"),
        ({"image_urls": [None]}, "image_urls.0"),
        ({"image_urls": ["https://a/" + "x" * 4_096]}, "4,106 characters"),
        ({"language": "en_US"}, "language"),
        ({"price": "19.90"}, "price"),
        ({"price": {"amount": 19.9, "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "1,5", "currency": "EUR"}}, "price.amount"),
        ({"price": {"amount": "19.90", "currency": "eur"}}, "price.currency"),
        ({"attributes": {"color": 1}}, "attributes"),
        ({"attributes": []}, "array of 0 items"),
        ({"created_at": "yesterday"}, "RFC 3339"),
        ({"created_at": "2025-01-31"}, "RFC 3339"),
        ({"created_at": "2025-01-31T12:00:00"}, "RFC 3339"),
        ({"created_at": "2025-01-31T12:00:00.000000"}, "UTC offset"),
        ({"created_at": "1738324800"}, "RFC 3339"),
        ({"created_at": 1738324800}, "created_at"),
        ({"created_at": "0001-01-01T00:00:00+02:00"}, "years 1 to 9999"),
    ],
)
def test_a_broken_field_is_named_with_its_limit(changed: dict[str, Any], named: str) -> None:
    """The detail is enough to find the sender's mistake."""
    error = refusal(as_value(**changed))
    assert error.reason is Reason.SCHEMA_VIOLATION
    assert named in error.detail


@pytest.mark.parametrize(
    ("value", "kind"), [(b"[]", "array"), (b'"x"', "string"), (b"null", "null"), (b"1", "number 1")]
)
def test_the_top_must_be_an_object(value: bytes, kind: str) -> None:
    """Legal JSON of another kind is a schema violation."""
    error = refusal(value)
    assert error.reason is Reason.SCHEMA_VIOLATION
    assert kind in error.detail


@pytest.mark.parametrize(
    "changed",
    [
        {"title": "SECRET" * 200},
        {"image_urls": ["https://a/?token=SECRET"] * 9},
        {"image_urls": ["https://a/?token=SECRET" + "x" * 5_000]},
        {"attributes": {"SECRET": 1}},
        {"language": "SECRET!"},
        {"price": {"amount": "SECRET", "currency": "SECRET"}},
        {"created_at": "SECRET"},
    ],
)
def test_a_refusal_repeats_nothing_the_seller_wrote(changed: dict[str, Any]) -> None:
    """Details land in headers and logs: kinds and sizes only."""
    assert "SECRET" not in str(refusal(as_value(**changed)))


def test_many_errors_make_a_short_detail() -> None:
    """The first few are named, the rest counted."""
    error = refusal(as_value(attributes={str(n): n for n in range(1_000)}))
    assert error.detail.endswith("and 997 more")
    assert len(error.detail) < 500


@pytest.mark.parametrize("changed", [{"title": "", "image_urls": []}, {"title": " \n\t", "image_urls": ...}])
def test_neither_title_nor_picture_is_no_usable_input(changed: dict[str, Any]) -> None:
    """A description alone is not enough, nor is a blank title."""
    assert refusal(as_value(**changed)).reason is Reason.NO_USABLE_INPUT


def test_a_large_value_is_refused_before_it_is_parsed() -> None:
    """At the limit it is read; one byte more is ``too_large``, whatever is in it."""
    padded = as_value() + b" " * (MAX_VALUE_BYTES - len(as_value()))
    assert parse_listing(padded).listing_id == "L1"
    error = refusal(padded + b" ")
    assert error.reason is Reason.TOO_LARGE
    assert "1,048,577" in error.detail
    assert "1,048,576" in error.detail


def test_the_size_limit_can_be_set() -> None:
    """The limit is the caller's."""
    with pytest.raises(SchemaError, match="limit is 10"):
        parse_listing(as_value(), max_bytes=10)


@pytest.mark.parametrize("headers", [(), (("ce_type", None),), (("ce_type", LISTING_CREATED.encode()),)])
def test_version_one_is_read_with_or_without_its_header(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """Headers are optional on input."""
    assert parse_listing(as_value(), headers).listing_id == "L1"


@pytest.mark.parametrize("seen", [b"listing.created.v2", b"", b"\xff", b"x" * 1_000_000])
def test_another_version_is_named_beside_the_supported_one(seen: bytes) -> None:
    """The version is looked at before the value, which another version may encode otherwise."""
    error = refusal(b"\x00\x01avro", (("ce_type", seen),))
    assert error.reason is Reason.UNSUPPORTED_VERSION
    assert LISTING_CREATED in error.detail
    assert len(error.detail) < 300
    assert seen[:18].decode(errors="replace") in error.detail


def test_the_last_type_header_counts() -> None:
    """Kafka allows a header twice; its own clients take the last."""
    headers = (("ce_type", b"listing.created.v2"), ("ce_type", b"listing.created.v1"))
    assert parse_listing(as_value(), headers).listing_id == "L1"


def parses_or_refuses(value: bytes) -> None:
    """The property: a usable listing, or a SchemaError; nothing else gets out."""
    try:
        listing = parse_listing(value)
    except SchemaError as error:
        assert error.detail
        assert len(error.detail) < 2_000
    else:
        assert listing.title.strip() or listing.image_urls
        assert parse_listing(listing.to_bytes()) == listing


@given(st.binary(max_size=200))
def test_any_bytes_parse_or_are_refused(value: bytes) -> None:
    """Nothing but SchemaError comes out of arbitrary bytes."""
    parses_or_refuses(value)


@given(JSON_VALUES)
def test_any_json_parses_or_is_refused(found: object) -> None:
    """Nothing but SchemaError comes out of arbitrary JSON, NaN and lone surrogates included."""
    parses_or_refuses(json.dumps(found).encode())


@given(st.dictionaries(FIELDS, JSON_VALUES, max_size=4))
def test_any_damaged_listing_parses_or_is_refused(changed: dict[str, Any]) -> None:
    """Nothing but SchemaError comes out of a listing with any field replaced."""
    parses_or_refuses(json.dumps({**FULL, **changed}).encode())


@given(st.integers(min_value=0, max_value=400), st.binary(min_size=1, max_size=3))
def test_any_flipped_bytes_parse_or_are_refused(place: int, flipped: bytes) -> None:
    """Nothing but SchemaError comes out of a listing damaged on its way."""
    whole = as_value()
    parses_or_refuses(whole[:place] + flipped + whole[place + len(flipped) :])


@given(
    st.builds(
        ListingCreated,
        listing_id=st.text(min_size=1, max_size=128),
        title=st.text(min_size=1, max_size=50).filter(str.strip),
        description=st.none() | st.text(max_size=50),
        image_urls=st.lists(st.text(max_size=30), max_size=8).map(tuple),
        attributes=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
        created_at=st.none() | st.datetimes(timezones=st.timezones()).filter(lambda t: 1 < t.year < 9999),
    )
)
def test_listings_survive_the_wire(listing: ListingCreated) -> None:
    """To bytes and back is the same listing, in compact UTF-8 JSON."""
    wire = listing.to_bytes()
    assert parse_listing(wire) == listing
    assert json.loads(wire.decode("utf-8"))["title"] == listing.title


def test_times_are_written_in_utc_with_z() -> None:
    """RFC 3339, milliseconds unless there are finer digits."""
    listing = parse_listing(as_value(created_at="2025-01-31T12:00:00.123456+05:30"))
    assert json.loads(listing.to_bytes())["created_at"] == "2025-01-31T06:30:00.123456Z"
    assert json.loads(parse_listing(as_value()).to_bytes())["created_at"] == "2025-01-31T10:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59+00:00"),
        ("2016-12-31T23:59:60.25Z", "2016-12-31T23:59:59.250000+00:00"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59+00:00"),
        ("2016-12-31T12:00:60Z", None),
        ("2016-12-31T23:59:60+01:00", None),
        ("2016-12-31T23:59:61Z", None),
        ("2016-12-31T23:59:60", None),
        ("0001-01-01T00:59:60+01:00", None),
    ],
)
def test_a_leap_second_is_the_second_before_it(text: str, taken: str | None) -> None:
    """RFC 3339 allows second 60 at the end of a day in UTC; Python's clock has none. Elsewhere it is a mistake."""
    value = as_value(created_at=text)
    if taken is None:
        with pytest.raises(SchemaError, match="RFC 3339"):
            parse_listing(value)
    else:
        assert parse_listing(value).created_at == datetime.fromisoformat(taken)
