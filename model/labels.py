"""Vocabularies and thresholds: which values the heads score, in which order, and from which score on they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores, 0-1, at which an attribute's top value counts; None: the precision target cannot be reached, never.

    ``fused`` makes a tag ``accepted``; ``image`` and ``text`` say when that side alone is sure enough to agree or
    differ.
    """

    fused: float | None
    image: float | None
    text: float | None


@dataclass(frozen=True, slots=True)
class Labels:
    """What a checkpoint scores: ``values[attribute]`` in the order of ``Scores``, and each attribute's thresholds.

    Attributes are ``category``, ``product_type``, ``color``, ``material`` and ``scene``.
    """

    values: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, Threshold]
