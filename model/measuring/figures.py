"""Figures of merit: accuracy and its interval, calibration, what is accepted, ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.calibrate import Outcomes, expected_calibration_error, honest_error
from model.measuring.intervals import mean_interval, share_interval

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_NUM_BINS = 15
_NUM_SHOWN = 12


def figures_of(
    scores: Floats,
    truth: Ints,
    families: Ints,
    target: float | None = None,
    thresholds: Floats | None = None,
) -> dict[str, Any]:
    """Figures of one attribute by one side: ``scores`` (N, V), ``truth`` (N,), negative where no value is right;
    ``families``: (N,) see `model.measuring.intervals`.

    ``thresholds`` (N,): what buys the ``target`` precision for each row, infinite where nothing does.
    """
    top, best = scores.argmax(axis=1), np.argsort(-scores, axis=1)[:, :5]
    right, sureness = top == truth, scores.max(axis=1)
    at_truth = np.where(truth >= 0, scores[np.arange(len(truth)), truth], 0.0)
    figures = outcome_figures(Outcomes(sureness, right)) | {
        "interval_95": share_interval(right, families),
        "top_5": round(float((best == truth[:, None]).any(axis=1).mean()), 4),
        "macro_f1": round(macro_f1(top, truth), 4),
        "log_loss": round(float(-np.log(np.maximum(at_truth, 1e-6)).mean()), 4),
    }
    if target is not None and thresholds is not None:
        accepted = sureness >= thresholds
        figures["target"] = target
        figures["coverage_at_target"] = round(float(accepted.mean()), 4)
        figures["precision_at_target"] = round(float(right[accepted].mean()), 4) if accepted.any() else None
        if accepted.any():
            figures["precision_95"] = share_interval(right[accepted], families[accepted])
        if (truth < 0).any():
            figures["unanswerable_accepted"] = round(float(accepted[truth < 0].mean()), 4)
    return figures


def outcome_figures(outcomes: Outcomes) -> dict[str, Any]:
    """Figures of rows of which only the top value's score is known, and whether it was right."""
    scores, right = outcomes.scores, outcomes.right
    return {
        "rows": len(right),
        "accuracy": round(float(right.mean()), 4),
        "calibration_error": round(expected_calibration_error(scores, right), 4),
        "calibration_error_if_honest": round(honest_error(scores), 4),
        "brier": round(float(((scores - right) ** 2).mean()), 4),
    }


def details_of(
    scores: Floats, truth: Ints, values: Sequence[str], wanted: Sequence[str], titles: Sequence[str]
) -> dict[str, Any]:
    """What a page shows of one attribute: reliability, risk and coverage, confusions, labels that can never be
    answered, the surest errors.

    ``values``: names of the columns of ``scores`` (N, V); ``wanted``: (N,) the labels as words.
    """
    top, sureness = scores.argmax(axis=1), scores.max(axis=1)
    right = top == truth
    order = np.argsort(-sureness, kind="stable")
    bins = np.array_split(order[::-1], _NUM_BINS)
    wrong = [int(row) for row in order if not right[row]]
    pairs = Counter((wanted[row], values[top[row]]) for row in wrong if truth[row] >= 0)
    unanswerable = Counter(wanted[row] for row in wrong if truth[row] < 0)
    ends = np.linspace(max(1, len(order) // 20), len(order), 20).astype(int)
    return {
        "reliability": [
            [round(float(sureness[rows].mean()), 4), round(float(right[rows].mean()), 4), len(rows)]
            for rows in bins
            if len(rows)
        ],
        "risk_coverage": [
            [round(float(end) / len(order), 4), round(float(right[order[:end]].mean()), 4)] for end in ends
        ],
        "confusions": [[label, answer, count] for (label, answer), count in pairs.most_common(_NUM_SHOWN)],
        "unanswerable": [[label, count] for label, count in unanswerable.most_common(_NUM_SHOWN)],
        "errors": [
            [titles[row], wanted[row], values[top[row]], round(float(sureness[row]), 4)] for row in wrong[:_NUM_SHOWN]
        ],
    }


def macro_f1(found: Ints, truth: Ints) -> float:
    """Mean F1 over the values that occur."""
    values = []
    for label in np.unique(truth[truth >= 0]):
        hits = int(((found == label) & (truth == label)).sum())
        values.append(2 * hits / (int((found == label).sum()) + int((truth == label).sum())))
    return float(np.mean(values))


def paired_gain(ours: Bools, theirs: Bools, families: Ints) -> dict[str, Any]:
    """By how much ``ours`` (N,) is right more often than ``theirs`` on the same rows, with a bootstrapped interval."""
    difference = ours.astype(np.float64) - theirs
    gain = round(float(difference.mean()), 4)
    return {"rows": len(ours), "gain": gain, "interval_95": mean_interval(difference, families)}


def auroc(positive: Floats, negative: Floats) -> float:
    """The chance that a positive scores above a negative, ties counted half (Mann & Whitney 1947)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    ties = np.searchsorted(ordered, positive, side="right") - below
    return float((below + ties / 2).mean() / len(negative))


def recall_at(pairs: Floats, count: int) -> float:
    """How often a row's own column is among its ``count`` best of ``pairs`` (N, N); ties count against it."""
    own = np.diagonal(pairs)
    ahead = (pairs >= own[:, None]).sum(axis=1) - 1
    return float((ahead < count).mean())
