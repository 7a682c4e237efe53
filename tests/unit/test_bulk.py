"""Listings from files: JSON lines and Parquet, here and behind URLs."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from schemas.listing import parse_listing
from worker.errors import FatalError
from worker.replays.bulk import key_of, open_input


def line(number: int) -> bytes:
    """One listing."""
    return json.dumps({"listing_id": f"listing-{number}", "title": "oak table"}).encode()


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    """Whatever depth, plain or gzipped; blank lines are no listings; what jobs leave beside is no input."""
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "2.jsonl.gz").write_bytes(gzip.compress(line(2) + b"\n\n" + line(3)))
    (tmp_path / "a.ndjson").write_bytes(line(0) + b"\r\n" + line(1) + b"\n")
    (tmp_path / "_SUCCESS.json").write_bytes(b"")
    (tmp_path / ".a.jsonl").write_bytes(b"hidden")
    (tmp_path / "notes.txt").write_bytes(b"hello")
    found = open_input(str(tmp_path))
    assert list(found.listings()) == [line(number) for number in range(4)]
    assert list(open_input(str(tmp_path / "a.ndjson")).listings()) == [line(0), line(1)]


def test_a_broken_line_is_the_workers_business(tmp_path: Path) -> None:
    """It is handed on as it stands, and ends as a dead letter like any other."""
    (tmp_path / "a.jsonl").write_bytes(line(0) + b"\n{not json\n" + line(1))
    assert list(open_input(str(tmp_path)).listings()) == [line(0), b"{not json", line(1)]


def test_parquet_rows_are_listings(tmp_path: Path) -> None:
    """Lists, structs, maps, decimals, times and nulls come out as the contract has them."""
    price = pa.struct([("amount", pa.decimal128(10, 2)), ("currency", pa.string())])
    table = pa.table(
        {
            "listing_id": ["a", "b"],
            "title": ["oak table", None],
            "image_urls": pa.array([[], ["https://example.org/1.jpg"]], pa.list_(pa.string())),
            "price": pa.array([{"amount": Decimal("19.90"), "currency": "EUR"}, None], price),
            "attributes": pa.array([[("color", "red")], None], pa.map_(pa.string(), pa.string())),
            "created_at": pa.array([datetime(2026, 1, 2, 3, 4, 5), None], pa.timestamp("us")),
            "day": pa.array([date(2026, 1, 2), None], pa.date32()),
        }
    )
    parquet.write_table(table, tmp_path / "part-0.parquet")
    first, second = [parse_listing(value) for value in open_input(str(tmp_path)).listings()]
    assert (first.listing_id, first.title, first.attributes) == ("a", "oak table", {"color": "red"})
    assert first.price is not None and (first.price.amount, first.price.currency) == ("19.90", "EUR")
    assert first.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (second.listing_id, second.title, second.price) == ("b", "", None)
    assert second.image_urls == ("https://example.org/1.jpg",)


def test_a_url_is_opened_by_its_driver() -> None:
    """fsspec's in-process store stands for s3:// here: the same calls, folder or file."""
    drive = fsspec.filesystem("memory")
    drive.pipe({"/history/2.jsonl": line(1), "/history/1.jsonl": line(0), "/history/readme.md": b""})
    assert list(open_input("memory://history").listings()) == [line(0), line(1)]
    assert list(open_input("memory://history/2.jsonl").listings()) == [line(1)]
    with pytest.raises(FatalError, match=r"no file there ends in .jsonl"):
        open_input("memory://nothing")


def test_trouble_is_told_in_an_operators_words(tmp_path: Path) -> None:
    """Missing places, unknown drives, damaged files."""
    with pytest.raises(FatalError, match="no such file or folder"):
        open_input(str(tmp_path / "gone"))
    with pytest.raises(FatalError, match="no file there ends in"):
        open_input(str(tmp_path))
    with pytest.raises(FatalError, match=r"odd:// cannot be read.*hangtag\[bulk\]"):
        open_input("odd://bucket/key")
    whole = gzip.compress(line(0) * 1000)
    for damaged in (whole[:-20], whole[:12] + b"\xff" * 20 + whole[32:]):
        (tmp_path / "bad.jsonl.gz").write_bytes(damaged)
        with pytest.raises(FatalError, match=r"bad.jsonl.gz cannot be read"):
            list(open_input(str(tmp_path)).listings())


def test_another_file_is_another_input(tmp_path: Path) -> None:
    """A load must not go on with what it did not begin with."""
    (tmp_path / "a.jsonl").write_bytes(line(0))
    before = open_input(str(tmp_path)).digest
    assert open_input(str(tmp_path)).digest == before
    (tmp_path / "a.jsonl").write_bytes(line(0) + line(1))
    changed = open_input(str(tmp_path)).digest
    (tmp_path / "b.jsonl").write_bytes(line(0))
    assert len({before, changed, open_input(str(tmp_path)).digest}) == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"listing_id": "a", "created_at": "2026-01-02T03:04:05Z"}', (b"a", 1767323045000)),
        (b'{"listing_id": "a", "created_at": "2026-01-02T03:04:05"}', (b"a", None)),
        (b'{"listing_id": "a", "created_at": "9999-01-02T03:04:05Z"}', (b"a", None)),
        (b'{"listing_id": 5}', (None, None)),
        (b'{"listing_id": "\\ud800"}', (None, None)),
        (b"[1]", (None, None)),
        (b"{not json", (None, None)),
    ],
)
def test_a_record_gets_key_and_time_of_its_listing(value: bytes, expected: tuple[bytes | None, int | None]) -> None:
    """As far as they can be told; a time to come is none, brokers refuse it."""
    assert key_of(value) == expected


@given(st.binary(max_size=200))
def test_any_bytes_have_a_key_or_none(value: bytes) -> None:
    """Nothing that stands in a file can stop the load."""
    key, at = key_of(value)
    assert key is None or isinstance(key, bytes)
    assert at is None or at >= 0
