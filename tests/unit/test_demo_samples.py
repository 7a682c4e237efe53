"""The sample set is what the demo promises, and its broken records are broken in the way they claim."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from schemas.base import SchemaError
from schemas.deadletter import Reason
from schemas.listing import ListingCreated, parse_listing
from worker.demo.samples import DATA, RESULTS, Sample, load_pictures, load_samples

HOST = "http://127.0.0.1:1234"
PARSE_REASONS = {"not_json", "schema_violation", "unsupported_version", "tombstone", "no_usable_input"}


def good() -> list[ListingCreated]:
    return [parse_listing(s.value, s.headers) for s in load_samples(None, HOST) if s.expects == RESULTS]


def test_there_are_enough_real_listings() -> None:
    """At least 64 good listings, several with more than one picture, some without picture or title."""
    listings = good()
    assert len(listings) >= 64
    assert sum(len(listing.image_urls) > 1 for listing in listings) >= 5
    assert sum(not listing.image_urls for listing in listings) >= 3
    assert sum(not listing.title for listing in listings) >= 3


def test_titles_repeat() -> None:
    """Some titles come more than once, so that the cache has something to do."""
    counts = Counter(listing.title for listing in good() if listing.title)
    assert sum(count - 1 for count in counts.values()) >= 4


def test_every_good_sample_points_at_a_picture_that_is_there() -> None:
    """A good listing's pictures exist, save those it says are broken, and each shipped picture is used."""
    urls = [url for listing in good() for url in listing.image_urls]
    named = {url.removeprefix(f"{HOST}/pictures/") for url in urls if "/broken/" not in url}
    assert named == set(load_pictures())


def test_every_picture_opens() -> None:
    """Each shipped picture is a whole JPEG."""
    for name, body in load_pictures().items():
        picture = Image.open(io.BytesIO(body))
        picture.load()
        assert picture.format == "JPEG", name


def test_there_are_enough_kinds_of_broken_samples() -> None:
    """At least six different reasons for dead letters, each one from the contract's list."""
    reasons = {s.expects for s in load_samples(None, HOST) if s.expects != RESULTS}
    assert len(reasons) >= 6
    assert reasons <= {reason.value for reason in Reason}


@pytest.mark.parametrize("sample", [s for s in load_samples(None, HOST) if s.expects != RESULTS], ids=lambda s: s.key)
def test_broken_samples_are_refused_where_they_claim(sample: Sample) -> None:
    """What is broken in itself is refused at parsing with its reason; what has a broken picture parses."""
    if sample.expects in PARSE_REASONS:
        with pytest.raises(SchemaError) as refused:
            parse_listing(sample.value, sample.headers)
        assert refused.value.reason.value == sample.expects
    else:
        assert parse_listing(sample.value, sample.headers).image_urls


def test_keys_are_unique_and_name_the_listing() -> None:
    """No two records share a key, even when the set repeats, and each good listing's key is its id."""
    samples = load_samples(400, HOST)
    assert len({s.key for s in samples}) == 400
    for sample in samples:
        if sample.expects == RESULTS:
            assert json.loads(sample.value or b"")["listing_id"].encode() == sample.key


def test_fewer_than_all_are_an_even_spread() -> None:
    """A short run still has good and broken listings, and never more than asked for."""
    samples = load_samples(24, HOST)
    assert len(samples) == 24
    assert {s.expects == RESULTS for s in samples} == {True, False}


@pytest.mark.parametrize("num", [0, -3])
def test_a_senseless_number_is_refused(num: int) -> None:
    """Zero listings or fewer is an error that names the number."""
    with pytest.raises(ValueError, match=str(num)):
        load_samples(num, HOST)


def test_the_placeholder_is_filled_in_everywhere() -> None:
    """No record leaves with the placeholder in it, and private addresses stay as they are."""
    values = [s.value or b"" for s in load_samples(None, HOST)]
    assert not any(b"{host}" in value for value in values)
    assert any(b"http://10.0.0.7/" in value for value in values)


def test_the_set_is_small_and_credited() -> None:
    """Under 3 MB in all, and each source is credited with its licence."""
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 3_000_000
    credit = Path(DATA / "CREDITS.md").read_text(encoding="utf-8")
    for words in ("CC BY 4.0", "CC0 1.0", "Marcus Klasson", "Jitendra Malik", "Open Font License"):
        assert words in credit
