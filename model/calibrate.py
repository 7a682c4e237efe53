"""Scores to probabilities, and probabilities to thresholds.

Single-sided heads get a temperature (Guo et al. 2017). The published score is a log-linear pool of the three heads'
log-probabilities (Hinton's product of experts, with weights). Both are fitted on rows the heads were not trained on.
A threshold is bought with a target precision: the lowest score at which the rows above it are right that often, with
Wilson's lower bound so that a handful of lucky rows buys nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import log_softmax, nll_loss, softplus

from model.fusion import Logits
from model.labels import Threshold

MIN_ROWS = 20
_Z = 1.0  # one standard error: about 84 % sure
SIDES = ("fused", "image", "text")

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pool:
    """Weights of the three heads' log-probabilities, and the temperatures of the single-sided ones."""

    gated: float
    image: float
    text: float
    image_temperature: float
    text_temperature: float

    def image_alone(self, logits: Logits) -> torch.Tensor:
        """(B, V) probabilities of the picture alone."""
        return torch.softmax(logits.image / self.image_temperature, dim=1)

    def text_alone(self, logits: Logits) -> torch.Tensor:
        """(B, V) probabilities of the title alone."""
        return torch.softmax(logits.text / self.text_temperature, dim=1)

    def fused(self, logits: Logits) -> torch.Tensor:
        """(B, V) probabilities of both together."""
        return torch.softmax(_pooled(logits, self.gated, self.image, self.text), dim=1)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the top value of an attribute did on calibration rows: its score, and whether it was right."""

    scores: Floats  # (N,)
    right: Bools  # (N,)


def fit_pool(logits: Logits, labels: torch.Tensor) -> Pool:
    """Pool and temperatures that make ``labels`` (N,) likeliest. All rows need both sides."""
    image = _minimise(1, lambda raw: nll_loss(log_softmax(logits.image / (softplus(raw[0]) + 0.05), dim=1), labels))
    text = _minimise(1, lambda raw: nll_loss(log_softmax(logits.text / (softplus(raw[0]) + 0.05), dim=1), labels))

    def loss(raw: torch.Tensor) -> torch.Tensor:
        gated, seen, said = softplus(raw)
        return nll_loss(log_softmax(_pooled(logits, gated, seen, said), dim=1), labels)

    weights = softplus(_minimise(3, loss))
    temperatures = [float(softplus(found)[0]) + 0.05 for found in (image, text)]
    return Pool(*(float(weight) for weight in weights), *temperatures)


def threshold_for(outcomes: Outcomes, target: float) -> float | None:
    """Lowest score from which on precision is at least ``target``; None when no score reaches it with ``MIN_ROWS``
    rows.
    """
    order = np.argsort(-outcomes.scores, kind="stable")
    scores, right = outcomes.scores[order], outcomes.right[order]
    best = None
    correct = np.cumsum(right)
    for count in range(MIN_ROWS, len(scores) + 1):
        is_end_of_ties = count == len(scores) or scores[count] < scores[count - 1]
        if is_end_of_ties and wilson_lower(int(correct[count - 1]), count) >= target:
            best = float(scores[count - 1])
    return best


def wilson_lower(correct: int, count: int, z: float = _Z) -> float:
    """Wilson's lower bound (1927) of a share of ``correct`` in ``count``."""
    share = correct / count
    middle = share + z * z / (2 * count)
    spread = z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - spread) / (1 + z * z / count)


def thresholds_of(outcomes: dict[str, Outcomes], target: float) -> Threshold:
    """One attribute's thresholds from its sides' outcomes."""
    found = {side: threshold_for(outcomes[side], target) if side in outcomes else None for side in SIDES}
    return Threshold(found["fused"], found["image"], found["text"])


def expected_calibration_error(scores: Floats, right: Bools, num_bins: int = 15) -> float:
    """Mean gap between score and precision over bins of equal width, weighted by rows (Guo et al. 2017)."""
    bins = np.minimum((scores * num_bins).astype(int), num_bins - 1)
    gaps = [
        abs(scores[bins == one].mean() - right[bins == one].mean()) * (bins == one).mean()
        for one in range(num_bins)
        if (bins == one).any()
    ]
    return float(sum(gaps))


def _pooled(
    logits: Logits, gated: float | torch.Tensor, image: float | torch.Tensor, text: float | torch.Tensor
) -> torch.Tensor:
    return (
        gated * log_softmax(logits.gated, dim=1)
        + image * log_softmax(logits.image, dim=1)
        + text * log_softmax(logits.text, dim=1)
    )


def _minimise(num_parameters: int, loss: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    raw = torch.zeros(num_parameters, requires_grad=True)
    optimiser = torch.optim.LBFGS([raw], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(raw)
        torch.autograd.backward(value)
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return raw.detach()
