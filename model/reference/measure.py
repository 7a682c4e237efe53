"""Figures of a reference model on test rows: each attribute by picture and title, and with either missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.measuring.chosen_rows import choose_rows
from model.measuring.figures import figures_of
from model.measuring.intervals import family_numbers
from model.reference.checkpoint import Reference, load
from model.reference.listings import Listings, labelled_rows, load_listings
from model.training.catalogue import is_catalogue
from model.training.dataset import Row

Log = Callable[[str], None]


def evaluate_reference(
    folder: Path, data: Path, log: Log = lambda _: None, *, all_rows: bool = False, warn: Log = lambda _: None
) -> dict[str, Any]:
    """Figures of the reference model in ``folder`` on the rows that `model.measuring.chosen_rows` chooses."""
    found = load(folder)
    chosen = choose_rows(data, folder, all_rows=all_rows, warn=warn)
    if is_catalogue(data):
        warn(f"{data.name}: {chosen.words}")
    return measure_rows(found, chosen.rows, log)


def measure_rows(found: Reference, rows: Sequence[Row], log: Log) -> dict[str, Any]:
    """Figures on those of ``rows`` that are test rows with a title and a label that an output stands for."""
    used = labelled_rows(rows, found.groups, "test")
    if not used:
        return {"outputs": _outputs(found)}
    listings = load_listings(used, found.groups, found.config.side, log)
    asked = {"fused": _ask(found, listings), "image": _ask(found, listings, title=False)}
    asked["text"] = _ask(found, listings, image=False)
    figures: dict[str, Any] = {"outputs": _outputs(found)}
    families = family_numbers(used)
    for group, labels in zip(found.groups, listings.labels, strict=True):
        known = labels >= 0
        if known.any():
            truth = labels[known].numpy().astype(np.int64)
            figures[group.attribute] = {
                side: figures_of(
                    torch.softmax(group.scores(outputs)[known], dim=1).numpy(), truth, families[known.numpy()]
                )
                for side, outputs in asked.items()
            }
    return figures


def _outputs(found: Reference) -> dict[str, dict[str, int]]:
    claimed = {head: sum(len(g.values) for g in found.groups if g.head == head) for head in found.config.heads}
    return {head: {"outputs": size, "claimed": claimed[head]} for head, size in found.config.heads.items()}


def _ask(found: Reference, listings: Listings, *, image: bool = True, title: bool = True) -> Mapping[str, torch.Tensor]:
    parts = []
    with torch.inference_mode():
        for rows in torch.arange(len(listings.titles)).split(found.config.batch):  # type: ignore[no-untyped-call]
            pixels, ids, lengths, has_image, has_title = listings.batch(rows, found.reader)
            parts.append(found.network(pixels, ids, lengths, has_image & image, has_title & title))
    return {head: torch.cat([part[head] for part in parts]) for head in found.config.heads}
