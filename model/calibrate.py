"""Scores to probabilities, and probabilities to thresholds.

Pools are fitted on rows their experts were not trained on. A threshold is bought with a target precision by
fixed-sequence testing with two starts (Angelopoulos et al., "Learn then Test", 2021): from a strict score down, each is
kept while an exact binomial test says that precision reaches the target; the first that fails ends it. Starts share
the 5 % that the promise may fail. It holds for listings like those of the calibration rows, and for no others.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp, lgamma, log

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import log_softmax, nll_loss, softplus

from model.fusion import Logits
from model.honesty import AS_IT_IS, Curve
from model.labels import WORDS, Bought, Side, Threshold
from model.minimise import minimise
from model.pool import SIDES, Pool, Weights, experts_of, pooled

MIN_POOL_ROWS = 50  # to fit a set of weights on
_ERROR = 0.05
_STARTS = ((0.05, 0.01), (0.2, 0.04))  # shares of the rows, and of the error: the second seldom fails where it starts
_STEPS = 200
_LEAST_SCORE = 1e-4  # what is beyond would draw the curve
_CURVE_PULL = 2.0  # towards no curve at all, as much as a few rows
_SHIFT_PULL = 10.0  # of a value's own shift towards none: chosen out of fold, by how likely the right answers are
_PARTS = 5  # of the families: the shifts of four are for scores of the fifth
_LEAST_RISE = 0.3  # so that what is hardly believed stays so, where there were no such rows
_UNFITTED_STATED = 3.0  # where no row states anything: by judgement

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How the top value of an attribute did on calibration rows: its score, and whether it was right."""

    scores: Floats  # (N,)
    right: Bools  # (N,)

    def joined(self, other: Outcomes) -> Outcomes:
        """These rows and others."""
        return Outcomes(np.concatenate([self.scores, other.scores]), np.concatenate([self.right, other.right]))


@dataclass(frozen=True, slots=True)
class Judged:
    """Outcomes whose scores are still to be made honest, with the top values, and the families of their rows."""

    outcomes: Outcomes
    values: Words  # (N,)
    families: Ints  # (N,)

    def joined(self, other: Judged) -> Judged:
        """These rows and others, whose families have numbers of the same kind."""
        values, families = (self.values, other.values), (self.families, other.families)
        return Judged(self.outcomes.joined(other.outcomes), np.concatenate(values), np.concatenate(families))

    def chosen(self, rows: Bools) -> Judged:
        """Only some of the rows."""
        own = Outcomes(self.outcomes.scores[rows], self.outcomes.right[rows])
        return Judged(own, self.values[rows], self.families[rows])

    def honest(self, curve: Curve) -> Outcomes:
        """With scores that keep their word."""
        return Outcomes(curve.of(self.outcomes.scores, self.values.tolist()), self.outcomes.right)


@dataclass(frozen=True, slots=True)
class Fitting:
    """Rows to fit a pool on. ``stated``: (N, V) how surely the words state each value, 0 where they do not.
    ``renamed``: (N,) bool, where the label is another name for what they state (`model.scoring.Scorer.fitting`).
    """

    logits: Logits
    labels: torch.Tensor  # (N,)
    stated: torch.Tensor
    renamed: torch.Tensor

    def chosen(self, rows: torch.Tensor) -> Fitting:
        """Only some of the rows: (N,) bool or indices."""
        logits = {name: one[rows] for name, one in self.logits.items()}
        return Fitting(logits, self.labels[rows], self.stated[rows], self.renamed[rows])

    def joined(self, other: Fitting) -> Fitting:
        """These rows and others."""
        logits = {name: torch.cat([one, other.logits[name]]) for name, one in self.logits.items()}
        pairs = (self.labels, other.labels), (self.stated, other.stated), (self.renamed, other.renamed)
        return Fitting(logits, *(torch.cat(pair) for pair in pairs))


def fit_pool(rows: Fitting, masked: Fitting | None = None, before: Pool | None = None) -> Pool:
    """The weights that make the labels likeliest. ``masked``: the same listings with titles that state nothing.

    Pictures and words alone are asked of listings whose titles the experts cannot read, seldom those of this catalogue.
    How it names things is not known to them, nor can one weight say it: rows whose label is another name for what is
    stated would teach mistrust of all words, so they are left out there, if others are left.

    A set of weights with fewer than ``MIN_POOL_ROWS`` rows stays as it was ``before``.
    """
    is_stated = rows.stated.amax(dim=1) > 0
    silent, stated = rows.chosen(~is_stated), rows.chosen(is_stated)
    if masked is not None:
        silent = silent.joined(masked)
    if len(silent.labels) >= MIN_POOL_ROWS or before is None:
        quiet = {side: _fit_side(silent, side, with_stated=False) for side in SIDES}
    else:
        quiet = dict(before.silent)
    if len(stated.labels) >= MIN_POOL_ROWS:
        plain = stated.chosen(~stated.renamed)
        beside = plain if len(plain.labels) >= MIN_POOL_ROWS else stated
        rows_of = {side: beside if side == "image" else stated for side in SIDES}
        told = {side: _fit_side(one, side, with_stated=True) for side, one in rows_of.items()}
    elif before is not None:
        told = dict(before.stated)
    else:
        told = {side: Weights(one.experts, _UNFITTED_STATED) for side, one in quiet.items()}
    return Pool(quiet, told, before.beyond if before is not None else 1.0)


def _fit_side(rows: Fitting, side: Side, *, with_stated: bool) -> Weights:
    count = len(experts_of(side, rows.logits))
    if not len(rows.labels):
        return Weights((1.0,) * count)

    def loss(raw: torch.Tensor) -> torch.Tensor:
        weights = softplus(raw)
        scores = pooled(rows.logits, side, weights[:count])
        if with_stated:
            scores = scores + weights[count] * rows.stated
        return nll_loss(log_softmax(scores, dim=1), rows.labels)

    found = softplus(minimise(torch.zeros(count + with_stated), loss)).tolist()
    return Weights(tuple(found[:count]), found[count] if with_stated else 0.0)


def fit_logistic(features: torch.Tensor, truth: torch.Tensor) -> tuple[float, ...]:
    """Weights and, last, the offset of a logistic regression: features (N, F), truth (N,) of 0 and 1."""

    def loss(raw: torch.Tensor) -> torch.Tensor:
        found = features @ raw[:-1] + raw[-1]
        return torch.nn.functional.binary_cross_entropy_with_logits(found, truth)

    return tuple(minimise(torch.zeros(features.shape[1] + 1), loss).tolist())


def fit_curve(judged: Judged, *, by_value: bool = True, shape: Curve | None = None) -> Curve:
    """The curve that makes it likeliest which top values were right (see `model.honesty`). ``by_value``: with a shift
    for each value; ``shape``: a curve of which all but these stay.
    """
    right = torch.from_numpy(judged.outcomes.right).float()
    if len(right) < MIN_POOL_ROWS:
        return shape or AS_IT_IS
    names = np.unique(judged.values) if by_value else np.zeros(0, np.str_)
    named = torch.from_numpy((judged.values[:, None] == names).astype(np.float32))  # (N, V) which value a row answers
    inside = torch.from_numpy(judged.outcomes.scores).clamp(_LEAST_SCORE, 1 - _LEAST_SCORE)
    features = torch.stack([inside.log(), -torch.log1p(-inside), torch.ones_like(inside)])
    as_it_is = torch.tensor([1.0, 1.0, 0.0])
    kept = torch.tensor([shape.rise, shape.fall, shape.shift]) if shape is not None else None

    def bent(raw: torch.Tensor) -> torch.Tensor:
        return torch.cat([_LEAST_RISE + softplus(raw[:2]), raw[2:3]]) if kept is None else kept

    def loss(raw: torch.Tensor) -> torch.Tensor:
        odds = bent(raw) @ features + named @ raw[3:]
        pull = _CURVE_PULL * (bent(raw) - as_it_is).square().sum() + _SHIFT_PULL * raw[3:].square().sum()
        return torch.nn.functional.binary_cross_entropy_with_logits(odds, right) + pull / len(right)

    found = minimise(torch.zeros(3 + len(names)), loss)
    shifts = {str(name): round(shift, 3) for name, shift in zip(names, found[3:].tolist(), strict=True)}
    rise, fall, shift = bent(found).tolist()
    return Curve(rise, fall, shift, shifts)


def honest_outcomes(
    judged: Mapping[str, Mapping[str, Judged]],
) -> tuple[dict[str, dict[str, Curve]], dict[str, dict[str, Outcomes]]]:
    """By attribute and side, the curves of what raw scores did; and what came of scores that they made honest, each
    value shifted as rows of other families say, as thresholds must not be judged by rows that the shifts know.

    A value that words state where nothing else is known is not told from others: that is how listings are read which
    are unlike these rows.
    """
    curves = {
        name: {side: fit_curve(one, by_value=side != WORDS) for side, one in sides.items()}
        for name, sides in judged.items()
    }
    told = {
        name: {side: _cross_fitted(one, curves[name][side]) for side, one in sides.items()}
        for name, sides in judged.items()
    }
    return curves, told


def _cross_fitted(judged: Judged, curve: Curve) -> Outcomes:
    """By shifts of other families, a fifth of them at a time. The curve's three other numbers are those of all rows:
    fitted on each part they would differ by its largest family, which puts the parts' scores in a wrong order.
    """
    if not curve.shifts:
        return judged.honest(curve)
    numbers = np.unique(judged.families, return_inverse=True)[1]
    part = np.random.default_rng(0).permutation(numbers.max(initial=-1) + 1)[numbers] % _PARTS
    scores = np.zeros_like(judged.outcomes.scores)
    for own in range(_PARTS):
        rows = part == own
        scores[rows] = judged.chosen(rows).honest(fit_curve(judged.chosen(~rows), shape=curve)).scores
    return Outcomes(scores, judged.outcomes.right)


def fit_temperature(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """What to divide logits (N, V) by so that the labels (N,) are likeliest (Guo et al. 2017)."""

    def loss(raw: torch.Tensor) -> torch.Tensor:
        return nll_loss(log_softmax(logits / (softplus(raw[0]) + 0.05), dim=1), labels)

    raw = minimise(torch.zeros(1), loss)
    return float(softplus(raw)[0]) + 0.05


# ---- thresholds -----------------------------------------------------------------------------------------------------


def threshold_for(outcomes: Outcomes, target: float) -> float | None:
    """The lowest score at which precision was shown to reach ``target``; None when none was."""
    order = np.argsort(-outcomes.scores, kind="stable")
    scores, wrong = outcomes.scores[order], np.cumsum(~outcomes.right[order], dtype=np.int64)
    starts = _starts(len(scores), target)
    found = [one for first, error in starts if (one := _lowest(scores, wrong, first, target, error)) is not None]
    return min(found, default=None)


def _starts(num_rows: int, target: float) -> tuple[tuple[int, float], ...]:
    """How many of the rows each sequence begins with, and the chance of error that it may take."""
    strict, wide = ((max(_fewest(target, error), ceil(share * num_rows)), error) for share, error in _STARTS)
    return (strict, wide) if strict[0] < wide[0] else ((_fewest(target, _ERROR), _ERROR),)


def _fewest(target: float, error: float) -> int:
    """Rows without one that is wrong, to show the ``target``. None do for a target of 1."""
    return ceil(log(error) / log(target)) if target < 1 else sys.maxsize


def _lowest(scores: Floats, wrong: Ints, first: int, target: float, error: float) -> float | None:
    """What one sequence finds; scores fall, and ``wrong`` counts those that are wrong up to each."""
    best = None
    for count in sorted({round(at) for at in np.linspace(first, len(scores), _STEPS)} if first <= len(scores) else ()):
        at = _last_of_ties(scores, count)
        if not is_shown(int(wrong[at]), at + 1, target, error):
            break
        best = float(scores[at])
    return best


def _last_of_ties(scores: Floats, count: int) -> int:
    """Index of the last row that scores as the ``count``-th does; scores fall."""
    return int(np.searchsorted(-scores, -scores[count - 1], side="right")) - 1


def is_shown(wrong: int, count: int, target: float, error: float = _ERROR) -> bool:
    """Does ``wrong`` in ``count`` show that precision is at least ``target``? Exact, binomial; ``error``: the chance to
    say so where it is not.
    """
    expected = 1 - target
    if wrong >= expected * count:
        return False
    # Loading asks thousands of times. The last term alone, and the most that falling terms can add up to, settle most.
    last = _log_chance(wrong, count, target)
    if last > log(error):
        return False
    if exp(last) <= error * (1 - wrong * target / ((count - wrong + 1) * expected)):
        return True
    ks = np.arange(wrong + 1)
    steps = np.log((count - ks[1:] + 1) / ks[1:]) + log(expected) - log(target)
    logs = count * log(target) + np.concatenate([[0.0], np.cumsum(steps)])
    return bool(np.exp(logs).sum() <= error)


def _log_chance(wrong: int, count: int, target: float) -> float:
    """Logarithm of the binomial probability of just so many, at a precision of ``target``."""
    ways = lgamma(count + 1) - lgamma(wrong + 1) - lgamma(count - wrong + 1)
    return ways + wrong * log(1 - target) + (count - wrong) * log(target)


def thresholds_of(outcomes: Mapping[str, Outcomes], target: float) -> Threshold:
    """One attribute's thresholds from its sides' outcomes; those of listings that state a value end in ``_stated``."""

    def found(suffix: str, when_stated: Threshold | None = None) -> Threshold:
        own = {side: outcomes.get(side + suffix) for side in SIDES}
        bought = {side: threshold_for(one, target) if one is not None else None for side, one in own.items()}
        worded = outcomes.get(WORDS) if not suffix else None
        words = threshold_for(worded, target) if worded is not None else None
        return Threshold(bought["fused"], bought["image"], bought["text"], when_stated, words)

    has_stated = any(side.endswith("_stated") for side in outcomes)
    return found("", found("_stated") if has_stated else None)


def bought_of(outcomes: Mapping[str, Outcomes], target: float, threshold: Threshold) -> Bought:
    """What the target costs on the calibration rows of one attribute, with picture and title, by its ``threshold``; of
    an attribute that pictures alone answer, with the picture.
    """

    def share(key: str, bar: float | None) -> float | None:
        own = outcomes.get(key)
        return None if own is None else float((own.scores >= bar).mean()) if bar is not None else 0.0

    worded = threshold.when_stated.fused if threshold.when_stated is not None else None
    silent = share("fused", threshold.fused) if "fused" in outcomes else share("image", threshold.image)
    return Bought(target, share("fused_stated", worded), silent)


# ---- calibration error ----------------------------------------------------------------------------------------------


def expected_calibration_error(scores: Floats, right: Bools, num_bins: int = 15) -> float:
    """Mean gap between score and precision over bins of equal mass, weighted by rows."""
    return _Bins(scores, num_bins).error(right)


def honest_error(scores: Floats, num_bins: int = 15, num_rounds: int = 200, seed: int = 0) -> float:
    """The 95th percentile of the calibration error that perfectly calibrated scores like these would show."""
    generator = np.random.default_rng(seed)
    bins = _Bins(scores, num_bins)
    rounds = [bins.error(generator.random(len(scores)) < scores) for _ in range(num_rounds)]
    return float(np.quantile(rounds, 0.95))


class _Bins:
    """Rows in bins of equal mass by their scores: put in order once, however often outcomes are drawn."""

    def __init__(self, scores: Floats, num_bins: int) -> None:
        self._order = np.argsort(scores, kind="stable")
        self._scores = scores[self._order].astype(np.float64)
        ends = np.cumsum([len(rows) for rows in np.array_split(self._order, num_bins) if len(rows)])
        self._starts = np.concatenate([[0], ends[:-1]])

    def error(self, right: Bools) -> float:
        """Of outcomes (N,) in the order in which the scores were given."""
        if not len(self._scores):
            return 0.0
        gaps = np.add.reduceat(self._scores - right[self._order], self._starts)
        return float(np.abs(gaps).sum()) / len(self._scores)
