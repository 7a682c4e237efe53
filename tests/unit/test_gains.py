"""What a calibration may change: nothing is taken away for want of listings, and what is wrong goes."""

from __future__ import annotations

import numpy as np
import pytest

from model.calibrate import Outcomes
from model.measuring.gains import Change, changes_of, changes_table


def outcomes(count: int, num_wrong: int, least: float = 0.5) -> Outcomes:
    """Scores from 1 down to ``least``; those that are wrong lie evenly among them."""
    right = np.ones(count, np.bool_)
    right[np.linspace(0, count - 1, num_wrong, dtype=np.int64)] = False
    return Outcomes(np.linspace(1, least, count, dtype=np.float32), right)


def change(bought: Outcomes, before: Outcomes, after: Outcomes, name: str = "color") -> Change:
    """Of listings whose words state a value, at a target of 0.95."""
    first, second, third = ({name: {"fused_stated": one}} for one in (bought, before, after))
    (found,) = changes_of([name], first, second, third, {name: 0.95})
    return found


@pytest.mark.parametrize(
    ("before", "after", "is_kept"),
    [
        (outcomes(50, 1), outcomes(50, 0), True),  # nothing can be bought with 50, and the 50 are no proof against
        (outcomes(200, 2), outcomes(200, 0), False),  # as many are accepted, by scores fitted on them
        (outcomes(200, 80), outcomes(200, 80), False),  # two in five are wrong: accepting them has to end
    ],
)
def test_old_thresholds_go_only_for_better_ones_or_when_they_are_wrong(
    before: Outcomes, after: Outcomes, is_kept: bool
) -> None:
    """Too few listings to buy a threshold are no reason to accept nothing; too many errors are."""
    found = change(outcomes(1000, 0), before, after)
    assert found.before.rows == found.rows == len(before.scores)
    assert found.is_kept == is_kept
    assert ("kept" in found.words) == ("kept as it was" in changes_table([found])) == is_kept


def test_attributes_that_share_weights_are_kept_together() -> None:
    """A category's scores are sums of its types': new weights for one are new weights for both."""
    few, many = outcomes(50, 0), outcomes(200, 0)
    told = {"product_type": {"fused": few}, "category": {"fused": many}}
    bought = {name: {"fused": outcomes(1000, 0)} for name in told}
    found = list(changes_of(list(told), bought, told, told, dict.fromkeys(told, 0.95)))
    assert [(one.attribute, one.is_kept) for one in found] == [("product_type", True), ("category", True)]
