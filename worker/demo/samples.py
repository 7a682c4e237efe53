"""The sample listings: real goods with their pictures, and broken records of every kind. Package data, read-only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
PLACEHOLDER = "{host}"
RESULTS = "results"

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """One input record of the demo. ``expects`` is ``results`` or the reason of the dead letter it should become."""

    key: bytes
    value: bytes | None
    headers: Headers
    expects: str
    note: str


def load_samples(num: int | None, base_url: str) -> list[Sample]:
    """The sample records, their picture URLs under ``base_url`` (``http://127.0.0.1:PORT``, no slash at the end).

    ``num`` None: all of them. Fewer than there are: an even spread. More: they repeat, under new listing ids.
    Raises ValueError when ``num`` is below 1.
    """
    if num is not None and num < 1:
        raise ValueError(f"the number of listings is {num}; it must be 1 or more")
    rows = list(_rows())
    wanted = len(rows) if num is None else num
    if wanted < len(rows):
        return [_sample(rows[index * len(rows) // wanted], 0, base_url) for index in range(wanted)]
    return [_sample(rows[index % len(rows)], index // len(rows), base_url) for index in range(wanted)]


def load_pictures() -> dict[str, bytes]:
    """Every sample picture, JPEG bytes by file name."""
    return {path.name: path.read_bytes() for path in sorted((DATA / "pictures").glob("*.jpg"))}


def _rows() -> Iterator[Mapping[str, Any]]:
    for line in (DATA / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        yield json.loads(line)


def _sample(row: Mapping[str, Any], lap: int, base_url: str) -> Sample:
    suffix = f"-r{lap + 1}" if lap else ""
    return Sample(
        key=(row["key"] + suffix).encode(),
        value=_value(row, suffix, base_url),
        headers=tuple((name, text.encode()) for name, text in row.get("headers", {}).items()),
        expects=row["expects"],
        note=row.get("note", ""),
    )


def _value(row: Mapping[str, Any], suffix: str, base_url: str) -> bytes | None:
    if "value" not in row:
        raw: str | None = row["raw"]
        return None if raw is None else raw.encode()
    value = dict(row["value"])
    value["listing_id"] += suffix
    if "image_urls" in value:
        value["image_urls"] = [url.replace(PLACEHOLDER, base_url, 1) for url in value["image_urls"]]
    return json.dumps(value, ensure_ascii=False).encode()
