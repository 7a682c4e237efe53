"""Fine-tunes the image tower's last stages on listings, beneath heads that are thrown away afterwards.

ImageNet teaches a network to look past colour and to tell dogs apart; listings teach its last stages what a shop wants to
know. The first stages stay as they are, so what they see is computed once per view of a picture (as it is, mirrored, two
crops) and kept in files; an epoch then costs a quarter of a full one. Batch normalisation keeps ImageNet's statistics: a
batch of listings has too few kinds of picture to take others. Losses: cross-entropy of every attribute that a row knows,
with smoothed labels (Szegedy et al. 2016), and InfoNCE between pictures and title vectors (Radford et al. 2021).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy, normalize

from model.dataset import Row
from model.image import ImageTower
from model.stages import VIEWS, Halves, Views, features_of

_BATCH = 64
_TOWER_RATE = 6e-4
_HEAD_RATE = 2e-3
_SMOOTHING = 0.1
_HIDDEN = 384
_JOINT = 128
_PHOTO_SHARE = 1 / 3  # of the photos without a title, drawn anew for every epoch: there are many of few kinds
_WEIGHTS = {"product_type": 1.0, "color": 1.0, "material": 0.5, "scene": 0.3}
_CONTRAST = 0.5

Log = Callable[[str], None]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lessons:
    """What the tower is taught, row by row. ``labels[name]`` holds -1 where nothing is known."""

    colors: torch.Tensor  # (N, Dc) colour histograms
    titles: torch.Tensor  # (N, Dt) vectors of the text tower
    has_title: npt.NDArray[np.bool_]  # (N,) a title of its own
    labels: Mapping[str, torch.Tensor]
    sizes: Mapping[str, int]  # values per attribute


def tune(
    tower: ImageTower, views: Views, lessons: Lessons, rows: Ints, *, epochs: int, seed: int, cache: Path, log: Log
) -> ImageTower:
    """A copy of ``tower`` whose last stages have seen ``rows``; from ``cache`` if the same was made before."""
    path = cache / f"tuned-{_digest(views, lessons, rows, epochs, seed)}.safetensors"
    tuned = copy.deepcopy(tower)
    halves = Halves(tuned)
    if path.is_file():
        halves.last.load_state_dict(load_file(path))
        return tuned
    torch.manual_seed(seed)
    _fit(halves.last, views, lessons, rows, epochs, np.random.default_rng(seed), log)
    cache.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in halves.last.state_dict().items()}, path)
    return tuned


def _digest(views: Views, lessons: Lessons, rows: Ints, epochs: int, seed: int) -> str:
    found = hashlib.sha256(f"{views.key} {epochs} {seed} {_TOWER_RATE} {_WEIGHTS}".encode())
    found.update(rows.tobytes())
    for name in sorted(lessons.labels):
        found.update(lessons.labels[name][rows].numpy().tobytes())
    return found.hexdigest()[:16]


# ---- the fit --------------------------------------------------------------------------------------------------------


def _fit(
    last: nn.Module,
    views: Views,
    lessons: Lessons,
    rows: Ints,
    epochs: int,
    draw: np.random.Generator,
    log: Log,
) -> None:
    heads = _Heads(lessons, views.num_features)
    last.requires_grad_(True)
    steps = _num_rows(lessons, rows) // _BATCH
    groups = [
        {"params": list(last.parameters()), "lr": _TOWER_RATE, "weight_decay": 0.01},
        {"params": list(heads.parameters()), "lr": _HEAD_RATE, "weight_decay": 0.05},
    ]
    optimiser = torch.optim.AdamW(groups)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, [_TOWER_RATE, _HEAD_RATE], total_steps=epochs * steps, pct_start=0.15
    )
    for epoch in range(epochs):
        total = 0.0
        for batch in _batches(lessons, rows, draw):
            loss = _loss(heads, last(views.drawn(batch, draw)), lessons, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) / steps
        log(f"tuning: epoch {epoch + 1} of {epochs}, loss {total:.3f}")
    last.requires_grad_(False)


def _num_rows(lessons: Lessons, rows: Ints) -> int:
    titled = int(lessons.has_title[rows].sum())
    return titled + round((len(rows) - titled) * _PHOTO_SHARE)


def _batches(lessons: Lessons, rows: Ints, draw: np.random.Generator) -> list[Ints]:
    titled, photos = rows[lessons.has_title[rows]], rows[~lessons.has_title[rows]]
    some = draw.choice(photos, round(len(photos) * _PHOTO_SHARE), replace=False)
    order = draw.permutation(np.concatenate([titled, some]))
    return [order[start : start + _BATCH] for start in range(0, len(order) - _BATCH + 1, _BATCH)]


def _loss(heads: _Heads, features: torch.Tensor, lessons: Lessons, batch: Ints) -> torch.Tensor:
    vectors, logits = heads(features, lessons.colors[batch])
    losses = []
    for name, weight in _WEIGHTS.items():
        labels = lessons.labels[name][batch]
        known = labels >= 0
        if bool(known.any()):
            losses.append(weight * cross_entropy(logits[name][known], labels[known], label_smoothing=_SMOOTHING))
    titled = torch.from_numpy(lessons.has_title[batch])
    losses.append(_CONTRAST * heads.contrast(vectors[titled], lessons.titles[batch][titled]))
    return torch.stack(losses).sum()


class _Heads(nn.Module):
    """What stands on the tower while it is tuned: pictures' features and colours to logits and to the titles' space."""

    def __init__(self, lessons: Lessons, width: int) -> None:
        super().__init__()
        num_colors, text_dim = lessons.colors.shape[1], lessons.titles.shape[1]
        self.norm = nn.LayerNorm(width)
        self.seen = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, _HIDDEN))
        self.colors = nn.Sequential(nn.Dropout(0.1), nn.Linear(num_colors, _HIDDEN, bias=False))
        self.end = nn.Sequential(nn.GELU(), nn.Dropout(0.4))
        self.heads = nn.ModuleDict(
            {name: nn.Linear(_HIDDEN, lessons.sizes[name]) for name in _WEIGHTS if name != "scene"}
        )
        self.scene = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, lessons.sizes["scene"]))
        self.picture = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, _JOINT))
        self.picture_colors = nn.Linear(num_colors, _JOINT, bias=False)
        self.title = nn.Sequential(nn.Dropout(0.1), nn.Linear(text_dim, _JOINT))
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, features: torch.Tensor, colors: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        features = self.norm(features)
        hidden = self.end(self.seen(features) + self.colors(colors))
        logits = {name: cast(nn.Linear, head)(hidden) for name, head in self.heads.items()}
        vectors = normalize(self.picture(features) + self.picture_colors(colors), dim=1)
        return vectors, {**logits, "scene": self.scene(features)}

    def contrast(self, vectors: torch.Tensor, titles: torch.Tensor) -> torch.Tensor:
        """InfoNCE in both directions: vectors (B, J), title vectors (B, Dt) of the same rows."""
        if len(vectors) < 2:
            return vectors.sum() * 0
        scores = self.log_scale.clamp(max=4.6).exp() * vectors @ normalize(self.title(titles), dim=1).T
        own = torch.arange(len(scores))
        return 0.5 * (cross_entropy(scores, own) + cross_entropy(scores.T, own))


__all__ = ["VIEWS", "Lessons", "features_of", "tune"]


def tuned_features(tower: ImageTower, views: Views, rows: Sequence[Row]) -> npt.NDArray[np.float32]:
    """(N, Di) what a tuned tower sees in the rows' pictures as they are."""
    return features_of(Halves(tower), views, len(rows))
