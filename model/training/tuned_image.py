"""A picture tower's last stages, tuned on views of the pictures (see `model.training.stages`).

Batch normalisation keeps ImageNet's statistics: a batch of listings has too few kinds of picture to take others.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from model.training.stages import Views
from model.training.tune import Course, Draw, Plan, tune
from model.training.tuned_heads import TunedHeads

PLAN = Plan(head_epochs=10, epochs=3, batch=64, rate=2e-4)

Ints = npt.NDArray[np.int64]


def tune_image(last: nn.Module, views: Views, heads: TunedHeads, features: torch.Tensor, course: Course) -> None:
    """Fit the last stages and the heads on them. ``features`` (N, D): of the pictures by the stages as they came."""

    def take(rows: Ints, draw: Draw) -> tuple[torch.Tensor, ...]:
        return (views.drawn(rows, draw),)

    tune(last, heads, take, features, course)
