"""Figures of product types that say little (`model.labels.CATCH_ALL`), and of those that can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.labels import CATCH_ALL
from model.measuring.figures import figures_of

Ints = npt.NDArray[np.int64]


def apart(
    by_side: Mapping[str, npt.NDArray[np.float32]], truth: Ints, families: Ints, names: Sequence[str]
) -> dict[str, Any]:
    """Figures by side, catch-all labels and others apart: scores (N, V) of ``names``; ``truth``, ``families`` (N,)."""
    is_catch_all = np.array([name in CATCH_ALL for name in names])[truth]
    chosen = {"catch_all": is_catch_all, "telling": ~is_catch_all}
    return {
        kind: {side: figures_of(scores[rows], truth[rows], families[rows]) for side, scores in by_side.items()}
        for kind, rows in chosen.items()
        if rows.any()
    }
