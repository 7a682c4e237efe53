"""Scores that keep their word: of top values with a score of 0.8 eight in ten are right.

A pool weighs its experts so that the labels are likeliest, which leaves the top value's score bent where labels are
noisy: too sure in the middle, too humble at the ends. Beta calibration (Kull, Silva Filho and Flach, 2017) bends it
back, by a curve for each side, fitted on rows that the experts had not seen. Curves rise, so no ranking changes, and
neither does which listings a precision target accepts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

import numpy as np
import numpy.typing as npt

_LEAST = 1e-6

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Curve:
    """Log-odds of a score ``p`` made honest: ``rise * log p - fall * log(1 - p) + shift``; neither of the first two is
    negative.
    """

    rise: float = 1.0
    fall: float = 1.0
    shift: float = 0.0

    def at(self, score: float) -> float:
        """One score, 0-1."""
        inside = min(max(score, _LEAST), 1 - _LEAST)
        return 1 / (1 + exp(-(self.rise * log(inside) - self.fall * log(1 - inside) + self.shift)))

    def of(self, scores: npt.NDArray[np.floating]) -> Floats:
        """``at`` each of the scores."""
        inside = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
        odds = self.rise * np.log(inside) - self.fall * np.log1p(-inside) + self.shift
        return np.asarray(1 / (1 + np.exp(-odds)), np.float32)


AS_IT_IS = Curve()


def curve_of(curves: Mapping[str, Curve], side: str, *, stated: bool) -> Curve:
    """The side's own; where words state a value that with ``_stated`` behind its name, if there is one, as with
    thresholds.
    """
    quiet = curves.get(side, AS_IT_IS)
    return curves.get(f"{side}_stated", quiet) if stated else quiet


def honest(ranking: Mapping[str, float], curve: Curve) -> dict[str, float]:
    """Values and scores with the best one's made honest; the others make room, or become as much less sure as it."""
    if curve == AS_IT_IS or not ranking:
        return dict(ranking)
    name = max(ranking, key=ranking.__getitem__)
    top = ranking[name]
    if top <= 0:
        return dict(ranking)
    told = curve.at(top)
    share = min(told / top, (1 - told) / max(1 - top, _LEAST))
    return {value: told if value == name else min(score * share, told) for value, score in ranking.items()}


def honest_leader(leader: tuple[str, float], curve: Curve) -> tuple[str, float]:
    """``honest`` of a ranking's best value alone."""
    value, score = leader
    return value, (score if score <= 0 or curve == AS_IT_IS else curve.at(score))


def honest_rows(scores: Floats, curve: Curve) -> Floats:
    """``honest`` of every row of (N, V)."""
    if curve == AS_IT_IS or not scores.size:
        return scores
    lines, best = np.arange(len(scores)), scores.argmax(axis=1)
    top = np.maximum(scores[lines, best], _LEAST)
    told = curve.of(top)
    share = np.minimum(told / top, (1 - told) / np.maximum(1 - top, _LEAST))
    found = np.minimum(scores * share[:, None], told[:, None])
    found[lines, best] = told
    return np.asarray(found, np.float32)
