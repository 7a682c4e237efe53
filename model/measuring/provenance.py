"""Whose listings a checkpoint learned from, in words that whoever has their file can check."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from model.config import ModelConfig
from model.training.dataset import Row
from model.weights import digest_of

OWN_NAME = "hangtag-own"


def provenance_of(data: Path) -> str:
    """Name, digest and age of a file of listings; of a folder its name. The same file always gives the same words."""
    if not data.is_file():
        return f"the folder `{data.name}`"
    changed = datetime.fromtimestamp(data.stat().st_mtime, UTC).date()
    return f"`{data.name}` (SHA-256 {digest_of(data)[:16]}…, last changed {changed.isoformat()})"


def is_own(rows: Iterable[Row]) -> bool:
    """Are they a team's own listings, not the shipped checkpoint's data?"""
    return any(row.source == "catalogue" for row in rows)


def name_of(given: str, rows: Iterable[Row]) -> str:
    """What a checkpoint is called: under the shipped one's name goes only what learned from its data."""
    return OWN_NAME if given == ModelConfig().name and is_own(rows) else given
