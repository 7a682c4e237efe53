"""Which folder is the checkpoint, and which one it is. Imports no torch, so that asking costs nothing."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from model.errors import CheckpointError

SHIPPED = Path(__file__).parent / "checkpoints" / "default"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(@\S+)?")


def locate(checkpoint: str) -> Path:
    """The folder meant by ``model.checkpoint``; empty means the shipped one. Raises CheckpointError."""
    folder = Path(checkpoint) if checkpoint else SHIPPED
    if (folder / "digests.json").is_file():
        return folder
    if not folder.exists() and _HUB_NAME.fullmatch(checkpoint):
        raise CheckpointError(
            f"model.checkpoint={checkpoint!r} is no folder here, and the worker downloads nothing, not from a "
            "model hub either; fetch it beforehand at a pinned commit (40 hex digits, no branch) and give its folder"
        )
    raise CheckpointError(
        f"model.checkpoint={str(folder)!r} is not a checkpoint: it holds no digests.json; "
        "give a folder that 'hangtag train' wrote, or leave it empty for the shipped one"
    )


def digest_of_all(folder: Path) -> str:
    """16 hex digits that change with any file of the checkpoint: a digest over its table of digests, files unread."""
    return hashlib.sha256((folder / "digests.json").read_bytes()).hexdigest()[:16]
