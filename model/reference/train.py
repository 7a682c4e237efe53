"""Trains a reference model end to end: cross-entropy of each group of outputs, Adam (Kingma and Ba 2015).

Training stops when a tenth of the training families, held out, is foretold no better for ``patience`` passes; the best
pass counts. Test rows are used once, for the figures. Same seed and data, same network; a killed run begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from model.errors import ModelError
from model.reference.card import card_of
from model.reference.checkpoint import Reference, begin, finish, save, to_half_and_back
from model.reference.listings import Listings, is_watched, labelled_rows, load_listings
from model.reference.measure import measure_rows
from model.reference.outputs import hand_out
from model.training.catalogue import rows_of
from model.training.preset import Preset
from model.training.progress import Meter, ShowProgress, silent
from model.training.resume import refuse_taken
from model.training.trained_on import save_trained_on

Log = Callable[[str], None]


def train_reference(
    data: Path,
    out: Path,
    preset: Preset,
    *,
    seed: int = 0,
    epochs: int | None = None,
    log: Log = lambda _: None,
    progress: ShowProgress = silent,
) -> Mapping[str, Any]:
    """Write a reference model to the folder ``out``, and give its figures. Raises ModelError when data is missing."""
    refuse_taken(out)
    config = preset.reference
    rows = rows_of(data, log)
    groups = hand_out(config.heads, [row for row in rows if row.split == "train" and row.title])
    used = labelled_rows(rows, groups, "train", config.max_rows)
    watched = is_watched(used)
    if not len(used) or watched.all() or not watched.any():
        raise ModelError(f"{data} has too few labelled training listings with a title to hold some out and learn")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    found = begin(config, groups, [row.title for row in used])
    listings = load_listings(used, groups, config.side, log)
    passes, patience = epochs or preset.epochs, 0 if epochs else preset.patience
    _Fitting(found, listings, watched, log).run(passes, patience, Meter(passes, progress))
    to_half_and_back(found.network)
    figures = measure_rows(found, rows, log)
    save(out, found)
    save_trained_on(out, rows)
    finish(out, card_of(found, len(used), figures))
    return figures


class _Fitting:
    """One run over the passes."""

    def __init__(self, found: Reference, listings: Listings, watched: torch.Tensor, log: Log) -> None:
        self._found, self._listings, self._log = found, listings, log
        self._network = found.network
        self._seen, self._watched = (~watched).nonzero()[:, 0], watched.nonzero()[:, 0]
        slow = self._network.pretrained()
        known = {id(parameter) for parameter in slow}
        fresh = [parameter for parameter in self._network.parameters() if id(parameter) not in known]
        config = found.config
        groups = [
            {"params": fresh, "lr": config.learning_rate},
            {"params": slow, "lr": config.pretrained_learning_rate},
        ]
        # Fused: in one go over each parameter, where the plain one goes over it a dozen times.
        self._optimiser = torch.optim.Adam([group for group in groups if group["params"]], fused=True)

    def run(self, passes: int, patience: int, meter: Meter) -> None:
        """All passes, or until ``patience`` of them gained nothing (0: never); the best one's weights stay."""
        best, least, weights = 0, float("inf"), self._weights()
        for number in range(1, passes + 1):
            meter.begin(f"pass {number} of {passes}")
            loss, watched = self._pass(), self._watch()
            meter.step()
            self._log(f"pass {number} of {passes}: loss {loss:.3f}, held out {watched:.3f}")
            if watched < least:
                best, least, weights = number, watched, self._weights()
            if patience and number - best >= patience:
                break
        self._network.load_state_dict(weights)
        self._network.eval()

    def _pass(self) -> float:
        self._network.train()
        losses = []
        for rows in self._seen[torch.randperm(len(self._seen))].split(self._found.config.batch):  # type: ignore[no-untyped-call]
            if len(rows) < 2:  # a batch norm needs two
                continue
            pixels, *others = self._listings.batch(rows, self._found.reader)
            turned = torch.where((torch.rand(len(rows)) < 0.5)[:, None, None, None], pixels.flip(2), pixels)
            loss = self._loss(self._network(turned, *others), rows)
            self._optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self._optimiser.step()
            losses.append(float(loss.detach()))
        return sum(losses) / max(1, len(losses))

    def _watch(self) -> float:
        self._network.eval()
        losses = []
        with torch.inference_mode():
            for rows in self._watched.split(self._found.config.batch):  # type: ignore[no-untyped-call]
                outputs = self._network(*self._listings.batch(rows, self._found.reader))
                losses.append(float(self._loss(outputs, rows)) * len(rows))
        return sum(losses) / len(self._watched)

    def _loss(self, outputs: Mapping[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
        losses = []
        for group, labels in zip(self._found.groups, self._listings.labels, strict=True):
            wanted = labels[rows]
            if (wanted >= 0).any():
                losses.append(cross_entropy(group.scores(outputs), wanted, ignore_index=-1))
        return torch.stack(losses or [next(iter(outputs.values())).sum() * 0]).sum()

    def _weights(self) -> dict[str, torch.Tensor]:
        return {name: one.detach().clone() for name, one in self._network.state_dict().items()}
