"""Which file a checkpoint's figures come from, in words that whoever has the file can check."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path


def provenance_of(data: Path) -> str:
    """Name, digest and age of a file of listings; of a folder its name. The same file always gives the same words."""
    if not data.is_file():
        return f"the folder `{data.name}`"
    with data.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    changed = datetime.fromtimestamp(data.stat().st_mtime, UTC).date()
    return f"`{data.name}` (SHA-256 {digest[:16]}…, last changed {changed.isoformat()})"
