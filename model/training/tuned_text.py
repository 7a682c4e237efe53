"""An encoder's last layers twice: as they came, and tuned on titles.

Both vectors of a title stand one after the other. What came with the encoder reads words that no listing of the
training data has; what was tuned knows what a shop wants to know. Experts take the one that serves them (see
`model.fusion`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.utils.rnn import pad_sequence

from model.text import TextTower, TunedLayers
from model.training.tune import Course, Draw, Plan, tune
from model.training.tuned_heads import TunedHeads

PLAN = Plan(head_epochs=10, epochs=4, batch=32, rate=2e-4)
_MASKED_SHARE = 0.2  # of the titles in a step, their telling words hidden
_CHUNK = 64

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class States:
    """What the layers that stay as they are give for titles: (T, D) fp16 each."""

    def __init__(self, tower: TextTower, titles: Sequence[str], num_tuned: int) -> None:
        tokens = tower.token_ids([title or "-" for title in titles])
        order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        self._states = [torch.empty(0)] * len(tokens)
        with torch.inference_mode():
            for start in range(0, len(order), _CHUNK):
                rows = order[start : start + _CHUNK]
                found = tower.lower_states([tokens[row] for row in rows], num_tuned)
                for row, states in zip(rows, found, strict=True):
                    self._states[row] = states[: len(tokens[row])].half()

    @property
    def lengths(self) -> list[int]:
        """(N,) tokens of each title."""
        return [len(one) for one in self._states]

    def __len__(self) -> int:
        return len(self._states)

    def __getitem__(self, row: int) -> torch.Tensor:
        return self._states[row]

    def vectors(self, tuned: TunedLayers) -> Floats:
        """(N, D) what tuned layers make of all titles, rounded as the cache rounds them."""
        order = sorted(range(len(self)), key=lambda row: len(self._states[row]))
        found = np.zeros((len(self), self._states[0].shape[1]), np.float32)
        with torch.inference_mode():
            for start in range(0, len(order), _CHUNK):
                rows = order[start : start + _CHUNK]
                found[rows] = tuned(*padded([self[row] for row in rows])).numpy()
        return found.astype(np.float16).astype(np.float32)


def padded(states: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """(T, D) each to (B, T, D), as wide as the longest, and (B, T), 1 where a token stands."""
    mask = pad_sequence([torch.ones(len(one)) for one in states], batch_first=True)
    return pad_sequence([one.float() for one in states], batch_first=True), mask


def tune_text(
    last: TunedLayers, states: tuple[States, States], heads: TunedHeads, vectors: torch.Tensor, course: Course
) -> None:
    """Fit an encoder's last layers and the heads on them. ``states``: of titles as they are, and without telling words;
    ``vectors`` (N, D): of titles as they are, by the layers as they came.
    """
    plain, masked = states

    def take(rows: Ints, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        hide = draw.random(len(rows)) < _MASKED_SHARE
        return padded([(masked if hidden else plain)[row] for row, hidden in zip(rows.tolist(), hide, strict=True)])

    tune(last, heads, take, vectors, course)
