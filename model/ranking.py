"""Score vectors as rankings: of each only as much is sorted as a tag says of it. Pure.

Equal scores stand in the order of the vocabulary, however a value is found: a tag's first value and what it would be
without one side must not differ by that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.types import Vector

Ranking = dict[str, float]  # value -> score
Leader = tuple[str, float]  # the first of a ranking


def best_of(values: Sequence[str], scores: Vector, most: int) -> Ranking:
    """The ``most`` best of ``values``, by their ``scores`` (V,), best first; equal ones in the order of ``values``."""
    if most == 1:
        leader = leader_of(values, scores)
        return {} if leader is None else dict((leader,))
    best = (-scores).argsort(kind="stable")[:most]
    return dict(zip(map(values.__getitem__, best.tolist()), scores[best].tolist(), strict=True))


def leader_of(values: Sequence[str], scores: Vector) -> Leader | None:
    """The first of ``best_of``, at a fifth of its cost; None where there are no values."""
    if not len(scores):
        return None
    place = int(scores.argmax())
    return values[place], float(scores[place])


def first_of(ranking: Mapping[str, float]) -> Leader | None:
    """The best value of a ranking that words may have changed; of equal ones the one that it names first."""
    value = max(ranking, key=ranking.__getitem__, default=None)
    return None if value is None else (value, ranking[value])
