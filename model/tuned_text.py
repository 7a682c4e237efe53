"""An encoder's last layers twice: as they came, and tuned on titles.

Both vectors of a title stand one after the other. What came with the encoder reads words that no listing of the
training data has; what was tuned knows what a shop wants to know. Experts take the one that serves them (see
`model.fusion`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.functional import normalize

from model.config import ModelConfig
from model.dataset import Row
from model.errors import ModelError
from model.text import TextTower
from model.tune import Course, Draw, Lessons, Log, Plan, kept, tune
from model.tuned_heads import TunedHeads

NUM_LAYERS = 2  # of six in MiniLM
PLAN = Plan(head_epochs=2, epochs=5, batch=32, rate=2e-4)
_MASKED_SHARE = 0.2
_CHUNK = 64

Ints = npt.NDArray[np.int64]


class States:
    """What the first layers give for titles: (T, D) fp16 each, one after the other in memory."""

    def __init__(self, tower: TextTower, titles: Iterable[str], num_layers: int) -> None:
        own = tower.token_ids([title or "-" for title in titles])
        self._states: list[torch.Tensor] = [torch.empty(0)] * len(own)
        order = sorted(range(len(own)), key=lambda row: len(own[row]))
        with torch.inference_mode():
            for start in range(0, len(order), _CHUNK):
                rows = order[start : start + _CHUNK]
                found = tower.first_states([own[row] for row in rows], num_layers)
                for row, states in zip(rows, found, strict=True):
                    self._states[row] = states[: len(own[row])].half()

    def __getitem__(self, row: int) -> torch.Tensor:
        return self._states[row]
