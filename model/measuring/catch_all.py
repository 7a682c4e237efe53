"""Product types that say little: drawers into which a marketplace puts what has no type of its own.

A chair may be labelled ``home`` or ``furniture`` as well as ``chair``; which one it was is often chance. So figures
count them apart. What is left are types that a picture or a title can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from model.measuring.figures import figures_of

CATCH_ALL = frozenset(
    {
        "abis_drugstore", "accessory", "auto_accessory", "baby_product", "biss", "computer_add_on", "fineother",
        "food_service_supply", "furniture", "grocery", "hardware", "health_personal_care", "home",
        "home_bed_and_bath", "home_furniture_and_decor", "janitorial_supply", "kitchen", "luggage", "office_products",
        "outdoor_living", "pet_supplies", "safety_supply", "sporting_goods", "tools", "wireless_accessory",
    }
)  # fmt: skip

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
