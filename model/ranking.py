"""Score vectors as rankings: of each only as much is sorted as a tag says of it. Pure."""

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
    """The best value of a ranking that words may have changed; of equal ones the first by name."""
    first = min([(-score, value) for value, score in ranking.items()], default=None)
    return None if first is None else (first[1], -first[0])
