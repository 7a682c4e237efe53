"""Which listings a checkpoint was trained on, so that it is not measured on them: digests, which tell nobody a title.

``trained_on.safetensors`` of a checkpoint holds the first 64 bits of SHA-256 of each training listing (its picture's
bytes and its title) and of each training family's name. Checkpoints that were made before have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file, save

from model.errors import reading
from model.training.dataset import Row

FILE = "trained_on.safetensors"
_BYTES = 8


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """Training listings of a checkpoint, by digest."""

    listings: frozenset[int]
    families: frozenset[int]

    def has(self, row: Row) -> bool:
        """Is the row, or a variant of it, among them? Where the row's own file puts it on a side, variants do not
        count: whoever wrote that knows them better than the first words of a title do.
        """
        if not row.is_split_given and self._has_family(row):
            return True
        return _digest_of_listing(row) in self.listings

    def _has_family(self, row: Row) -> bool:
        return any(digest in self.families for digest in _families([row]))


def save_trained_on(folder: Path, rows: Iterable[Row]) -> None:
    """Write the digests of the training rows among ``rows`` into a checkpoint that is not yet sealed."""
    training = [row for row in rows if row.split == "train"]
    found = {"listings": _sorted(map(_digest_of_listing, training)), "families": _sorted(_families(training))}
    (folder / FILE).write_bytes(save(found))


def load_trained_on(folder: Path) -> TrainedOn | None:
    """What ``save_trained_on`` wrote; None where a checkpoint does not say. Raises CheckpointError."""
    if not (folder / FILE).is_file():
        return None
    with reading(FILE):
        found = load_file(folder / FILE)
        return TrainedOn(*(frozenset(found[name].tolist()) for name in ("listings", "families")))


def _digest_of_listing(row: Row) -> int:
    with row.image.open("rb") as file:
        picture = hashlib.file_digest(file, "sha256").digest()
    return _short(picture + row.title.encode())


def _families(rows: Iterable[Row]) -> Iterator[int]:
    """A picture's path, which stands for a family where there is no title, means nothing in another catalogue."""
    return (_short(row.family.encode()) for row in rows if not f"/{row.image.as_posix()}".endswith(f"/{row.family}"))


def _short(told: bytes) -> int:
    return int.from_bytes(hashlib.sha256(told).digest()[:_BYTES], "little")


def _sorted(digests: Iterable[int]) -> npt.NDArray[np.uint64]:
    return np.array(sorted(set(digests)), np.uint64)
