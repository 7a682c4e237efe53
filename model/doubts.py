"""What is doubted of a listing: a value that its pictures hardly give, and that its title is the pictures'.

Both are measured by the pools' scores: whoever fits pools anew measures these anew as well.
"""

from __future__ import annotations

import numpy as np
import torch

from model.association import Sides, pair_features
from model.calibrate import MIN_POOL_ROWS, fit_logistic
from model.scoring import Scored

_SAID = ("color", "material")  # what words state are the very values that are scored
# Of training listings whose words are right: these are called conflicts. Of others it may be half as many again, and
# conflicts that are none in more than 3 of 100 listings would be looked at by nobody.
_DOUBTED_SHARE = 0.02


def doubt_of(scored: Scored, name: str) -> float | None:
    """What pictures give at least to the value that the words state, but for the few listings that may be doubted
    wrongly. Where too few state one: to the true value. None where no true value is known.
    """
    seen, truth = scored.seen[name], scored.truth[name]
    rows, said = scored.stating_one(name) if name in _SAID else (truth >= 0, truth)
    rows &= truth >= 0
    if rows.sum() < MIN_POOL_ROWS:
        rows, said = truth >= 0, truth
    return float(np.quantile(seen[rows, said[rows]], _DOUBTED_SHARE)) if rows.any() else None


def fit_association(sides: Sides, types: torch.Tensor, seed: int) -> tuple[float, ...]:
    """Own titles against as many of other listings, half of those of the same product type: ``types`` (N,)."""
    count = len(types)
    own = torch.arange(count)
    others = torch.cat([_others(types, seed, same_type=False), _others(types, seed, same_type=True)])
    features = torch.cat([pair_features(sides, own, own)] * 2 + [pair_features(sides, own.repeat(2), others)])
    truth = torch.cat([torch.ones(2 * count), torch.zeros(2 * count)])
    return fit_logistic(features, truth)


def _others(types: torch.Tensor, seed: int, *, same_type: bool) -> torch.Tensor:
    """(N,) for each row another one, drawn with the seed; of the same type where there is one."""
    generator = np.random.default_rng(seed)
    count = len(types)
    drawn = (np.arange(count) + generator.integers(1, count, count)) % count
    if same_type:
        for value in np.unique(types.numpy()):
            shuffled = generator.permutation(np.flatnonzero(types.numpy() == value))
            drawn[shuffled] = np.roll(shuffled, 1) if len(shuffled) > 1 else drawn[shuffled]
    return torch.from_numpy(drawn)
