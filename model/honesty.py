"""Scores that keep their word: of top values with a score of 0.8 eight in ten are right.

A pool weighs its experts so that the labels are likeliest, which leaves the top value's score bent where labels are
noisy: too sure in the middle, too humble at the ends. Beta calibration (Kull, Silva Filho and Flach, 2017) bends it
back, by a curve for each side, fitted on rows that the experts had not seen. Some values keep their word better than
others, as nothing looks like them or their labels are seldom wrong: each shifts the curve of the answers that name it
(Gupta and Ramdas, "Top-label calibration", 2022). Which value comes first does not change; which listings a precision
target accepts does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np
import numpy.typing as npt

_LEAST = 1e-6

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Curve:
    """Log-odds of a score ``p`` made honest: ``rise * log p - fall * log(1 - p) + shift``; neither of the first two is
    negative. ``shifts``: by value, what is added where it is the one that comes first; 0 for those that it lacks.
    """

    rise: float = 1.0
    fall: float = 1.0
    shift: float = 0.0
    shifts: Mapping[str, float] = field(default_factory=dict)

    def at(self, score: float, value: str) -> float:
        """One score, 0-1, of a value that comes first."""
        inside = min(max(score, _LEAST), 1 - _LEAST)
        shift = self.shift + self.shifts.get(value, 0.0)
        return 1 / (1 + exp(-(self.rise * log(inside) - self.fall * log(1 - inside) + shift)))

    def of(self, scores: npt.NDArray[np.floating], values: Sequence[str]) -> Floats:
        """``at`` each of the scores, and the value that it is of."""
        inside = np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)
        own = np.array([self.shifts.get(value, 0.0) for value in values])
        odds = self.rise * np.log(inside) - self.fall * np.log1p(-inside) + self.shift + own
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
    told = curve.at(top, name)
    share = min(told / top, (1 - told) / max(1 - top, _LEAST))
    return {value: told if value == name else min(score * share, told) for value, score in ranking.items()}


def honest_leader(leader: tuple[str, float], curve: Curve) -> tuple[str, float]:
    """``honest`` of a ranking's best value alone."""
    value, score = leader
    return value, (score if score <= 0 or curve == AS_IT_IS else curve.at(score, value))


def honest_rows(scores: Floats, curve: Curve, values: Sequence[str]) -> Floats:
    """``honest`` of every row of (N, V), which are scores of these ``values``."""
    if curve == AS_IT_IS or not scores.size:
        return scores
    lines, best = np.arange(len(scores)), scores.argmax(axis=1)
    top = np.maximum(scores[lines, best], _LEAST)
    told = curve.of(top, [values[place] for place in best])
    share = np.minimum(told / top, (1 - told) / np.maximum(1 - top, _LEAST))
    found = np.minimum(scores * share[:, None], told[:, None])
    found[lines, best] = told
    return np.asarray(found, np.float32)
