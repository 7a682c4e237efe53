"""Fine-tunes a tower's last stages on listings, together with the heads that read them.

The first stages stay as they are, so what they see is computed once; an epoch then costs a fraction of a full one. The
heads alone are fitted first, on the stages as they are, or the first steps would spoil what the stages know (Kumar et
al., "Fine-Tuning can Distort Pretrained Features", 2022).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.training.kept import kept
from model.training.losses import smoothed_cross_entropy
from model.training.tuned_heads import TunedHeads

_SMOOTHING = 0.1
_HEAD_RATE = 2e-3
_DECAY = 0.02
_PHOTO_SHARE = 1 / 3  # of the rows without a title of their own, drawn anew for every epoch: many of few kinds
_ALIKE = 16  # batches that are drawn together and then parted by length
_IMPORTANCE = {"product_type": 1.0, "color": 1.0, "material": 0.5}

Log = Callable[[str], None]
Ints = npt.NDArray[np.int64]
Draw = np.random.Generator
Take = Callable[[Ints, Draw], tuple[torch.Tensor, ...]]  # rows (B,) to what the last stages take


@dataclass(frozen=True, slots=True)
class Plan:
    """How a tower is tuned: passes over the rows for the heads alone, and for all; rows a step; the stages' rate."""

    head_epochs: int
    epochs: int
    batch: int
    rate: float


@dataclass(frozen=True, slots=True)
class Lessons:
    """What a tower is taught, row by row. ``labels[name]`` holds -1 where nothing is known."""

    colors: torch.Tensor  # (N, Dc) colour histograms
    has_title: npt.NDArray[np.bool_]  # (N,) a title of its own
    labels: Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Course:
    """One tuning: what is taught, on which rows, how. ``lengths`` (N,): rows of like length share a step, so that
    little is padded; () is all alike.
    """

    name: str
    lessons: Lessons
    rows: Ints
    plan: Plan
    seed: int
    log: Log
    lengths: Sequence[int] = ()

    @property
    def digest(self) -> str:
        """Of all that the weights depend on but the tower, hex."""
        found = hashlib.sha256(f"{self.name} {self.plan} {self.seed}".encode() + self.rows.tobytes())
        for name in _IMPORTANCE:
            found.update(self.lessons.labels[name][torch.from_numpy(self.rows)].numpy().tobytes())
        return found.hexdigest()[:16]

    def batches(self, draw: Draw) -> list[Ints]:
        """One pass: all rows with a title of their own, and some of the others."""
        is_titled = self.lessons.has_title[self.rows]
        titled, photos = self.rows[is_titled], self.rows[~is_titled]
        some = draw.choice(photos, round(len(photos) * _PHOTO_SHARE), replace=False)
        order, size = draw.permutation(np.concatenate([titled, some])), self.plan.batch
        if self.lengths:
            groups = [order[start : start + _ALIKE * size] for start in range(0, len(order), _ALIKE * size)]
            order = np.concatenate([sorted(group, key=self.lengths.__getitem__) for group in groups])
        batches = [order[start : start + size] for start in range(0, max(1, len(order) - size + 1), size)]
        return [batches[place] for place in draw.permutation(len(batches))]


def tune(last: nn.Module, heads: TunedHeads, take: Take, plain: torch.Tensor, course: Course) -> None:
    """Fit ``heads`` on ``plain`` (N, D), what ``last`` gave as it came; then both. The same course gives the same
    weights.
    """
    plan, draw = course.plan, np.random.default_rng(course.seed)
    last.eval()
    heads.train()
    _run([_group(heads, _HEAD_RATE)], lambda batch: plain[batch], heads, course, plan.head_epochs, draw)
    last.requires_grad_(True)
    groups = [_group(heads, _HEAD_RATE / 4), _group(last, plan.rate)]
    _run(groups, lambda batch: last(*take(batch, draw)), heads, course, plan.epochs, draw)
    last.requires_grad_(False)
    heads.eval()


def _group(module: nn.Module, rate: float) -> dict[str, Any]:
    return {"params": list(module.parameters()), "lr": rate, "weight_decay": _DECAY}


def _run(
    groups: list[dict[str, Any]],
    see: Callable[[Ints], torch.Tensor],
    heads: TunedHeads,
    course: Course,
    epochs: int,
    draw: Draw,
) -> None:
    optimiser = torch.optim.AdamW(groups)
    steps = len(course.batches(np.random.default_rng(0)))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _share(step, epochs * steps))
    for epoch in range(epochs):
        total = 0.0
        for batch in course.batches(draw):
            loss = _loss(heads(see(batch), course.lessons.colors[batch]), course.lessons, batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += float(loss.detach()) / steps
        course.log(f"{course.name}: pass {epoch + 1} of {epochs}, loss {total:.3f}")


def _share(step: int, total: int) -> float:
    """Of the rate: up for a tenth of the steps, then down along a cosine."""
    rise = max(1, total // 10)
    return min((step + 1) / rise, 0.5 * (1 + cos(pi * min(1.0, step / max(1, total)))))


def _loss(logits: Mapping[str, torch.Tensor], lessons: Lessons, batch: Ints) -> torch.Tensor:
    losses = []
    for name, importance in _IMPORTANCE.items():
        losses.append(importance * smoothed_cross_entropy(logits[name], lessons.labels[name][batch], _SMOOTHING))
    return torch.stack(losses).sum()


def fill(path: Path, modules: Mapping[str, nn.Module], make: Callable[[], None]) -> None:
    """Fill ``modules`` from the file at ``path``; where there is none, by ``make``, and write it."""
    both = nn.ModuleDict(modules)

    def compute() -> dict[str, torch.Tensor]:
        make()
        return both.state_dict()

    both.load_state_dict(kept(path, compute))
