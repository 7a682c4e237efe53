"""What words are worth that state a product type which the heads cannot name: its category, and how surely.

The heads, who never saw such a type, cannot give its category much, so it is given their best score before words raise
it. In a catalogue of many types that is right. One of a few types, or with a drawer such as ``home``, calls a storage
box *home* and the cushion of a chair *chair*: there training listings show that the category of their type is another,
and the words get a share of the best score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from model.calibrate import MIN_POOL_ROWS
from model.fusion import Logits
from model.pool import Pool
from model.scoring import BEYOND, Ints, Scorer, raised

_SHARES = tuple(0.5**power for power in range(9))
_LEAST_GAIN = 4.0  # in log-likelihood, each family counted once: for less, all of the best score it is


def with_beyond(
    scorer: Scorer,
    pools: Mapping[str, Pool],
    logits: Mapping[str, Logits],
    labels: Mapping[str, torch.Tensor],
    stated: Mapping[str, torch.Tensor],
    families: Ints,
) -> Pool:
    """The pool of product types with the share that makes categories of ``labels`` (N,) likeliest, where titles state
    a type beyond the heads: ``stated`` as `Scorer.stated` gives it, ``families`` (N,). As it is with too few such rows.
    """
    pool, known = pools["product_type"], labels["product_type"]
    to_category = torch.from_numpy(scorer.to_category)
    truth = to_category[known.clamp(min=0)]
    rows = (known >= 0) & truth.any(dim=1) & stated[BEYOND].any(dim=1)
    if int(rows.sum()) < MIN_POOL_ROWS:
        return pool
    own = {name: one[rows] for name, one in logits["product_type"].items()}
    scores = pool.scores(own, "fused", stated=True) @ to_category
    said, beyond, right = stated["category"][rows], stated[BEYOND][rows], truth[rows].argmax(dim=1, keepdim=True)
    numbers, sizes = np.unique(families[rows.numpy()], return_inverse=True, return_counts=True)[1:]
    weights = torch.from_numpy(1 / sizes[numbers])

    def likelihood(share: float) -> float:
        found = raised(scores, said, pool.stated["fused"].stated, share * beyond).gather(1, right)[:, 0]
        return float(found.clamp(min=1e-6).log() @ weights.float())

    best = max(_SHARES, key=likelihood)
    return replace(pool, beyond=best) if likelihood(best) - likelihood(1.0) >= _LEAST_GAIN else pool
