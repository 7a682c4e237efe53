"""Listings as a reference model takes them: small pictures, and titles that a reader turns into numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from model.geometry import Framing
from model.reference.outputs import Group
from model.reference.words import Reader
from model.training.dataset import Row, Split, family_share
from model.training.picture_files import digests_of, load_small

WATCHED_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Listings:
    """Rows as tensors; ``labels`` by group, -1 where nothing is known."""

    pixels: torch.Tensor  # (N, S, S, 3) uint8
    titles: tuple[str, ...]
    labels: tuple[torch.Tensor, ...]
    has_title: torch.Tensor

    def batch(self, rows: torch.Tensor, reader: Reader) -> tuple[torch.Tensor, ...]:
        """What the network's ``forward`` takes."""
        ids, lengths = reader([self.titles[row] for row in rows.tolist()])
        return self.pixels[rows], ids, lengths, torch.ones(len(rows), dtype=torch.bool), self.has_title[rows]


def load_listings(rows: Sequence[Row], groups: Sequence[Group], side: int, log: Callable[[str], None]) -> Listings:
    """Rows with their pictures of ``side`` × ``side`` pixels. Raises ModelError naming pictures that cannot be used."""
    digests_of([row.image for row in rows], log)
    pixels = np.zeros((len(rows), side, side, 3), np.uint8)
    for place, row in enumerate(rows):
        pixels[place] = load_small(row.image, Framing(side))
        if place % 2000 == 0:
            log(f"pictures {place:,} of {len(rows):,}")
    titles = tuple(row.title for row in rows)
    labels = tuple(group.labels(rows) for group in groups)
    return Listings(torch.from_numpy(pixels), titles, labels, torch.tensor([bool(title) for title in titles]))


def labelled_rows(rows: Sequence[Row], groups: Sequence[Group], split: Split, max_rows: int = 0) -> list[Row]:
    """Titled rows of a split with a label that some output stands for, at most ``max_rows`` of them (0: all), drawn
    family by family by a hash of the names.
    """
    titled = [row for row in rows if row.split == split and row.title]
    known = torch.stack([group.labels(titled) >= 0 for group in groups]).any(dim=0)
    labelled = [row for row, is_known in zip(titled, known.tolist(), strict=True) if is_known]
    if not max_rows or len(labelled) <= max_rows:
        return labelled
    return sorted(labelled, key=lambda row: family_share(f"drawn {row.family}"))[:max_rows]


def is_watched(rows: Sequence[Row]) -> torch.Tensor:
    """(N,) bool: rows of the tenth of all families that is held out to say when to stop."""
    return torch.tensor([family_share(f"watched {row.family}") < WATCHED_SHARE for row in rows])
