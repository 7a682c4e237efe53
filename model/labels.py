"""Vocabularies, thresholds, weights: which values the heads score, in which order, and from which score they count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from model.honesty import AS_IT_IS, Curve, curve_of

Side = Literal["fused", "image", "text"]

# Values of an attribute that training had too few labels of: heads need an output, and this one is no answer. It is
# always the likeliest, no label is it, and neither words nor tags ever say it.
UNTAUGHT = ("",)

FOUND_IN_TITLES = ("material",)  # the training data's labels of it

# Product types that say little: drawers into which a marketplace puts what has no type of its own. A chair may be
# labelled ``home`` or ``furniture`` as well as ``chair``; which one it was is often chance.
CATCH_ALL = frozenset(
    {
        "abis_drugstore", "accessory", "auto_accessory", "baby_product", "biss", "computer_add_on", "fineother",
        "food_service_supply", "furniture", "grocery", "hardware", "health_personal_care", "home",
        "home_bed_and_bath", "home_furniture_and_decor", "janitorial_supply", "kitchen", "luggage", "office_products",
        "outdoor_living", "pet_supplies", "safety_supply", "sporting_goods", "tools", "wireless_accessory",
    }
)  # fmt: skip

WORDS = "words"  # beside sides: one value stated outright, and nothing else known
STRANGE = 0.5  # strangeness beyond which no promise bought on pictures like those of training holds
DEFAULT_STATED = 4.0
DEFAULT_DOUBT = 0.05


@dataclass(frozen=True, slots=True)
class Threshold:
    """Scores, 0-1, at which an attribute's top value counts; None: the precision target cannot be reached, never.

    ``fused`` makes a tag ``accepted``; ``image`` and ``text`` do when only that side is there, and say when it is sure
    enough to agree or differ. ``when_stated``: those for listings whose words state a value outright; its ``image`` is
    for pictures and such words without a title that the model can read. None: no others. ``words`` is for a value
    that words state outright where there is no picture, and no title that the model can read.
    """

    fused: float | None
    image: float | None
    text: float | None
    when_stated: Threshold | None = None
    words: float | None = None

    @property
    def is_in_reach(self) -> bool:
        """Is a tag with picture and title accepted at any score?"""
        return self.fused is not None or (self.when_stated is not None and self.when_stated.is_in_reach)


@dataclass(frozen=True, slots=True)
class Bought:
    """What a precision ``target`` costs: the share of calibration rows, which are like those of training, whose top
    value is accepted. ``stated``: of those whose words state a value outright; None: there were none.
    """

    target: float
    stated: float | None
    silent: float | None

    @property
    def is_in_reach(self) -> bool:
        """Is anything accepted at all?"""
        return bool(self.stated or self.silent)

    def __str__(self) -> str:
        kinds = (("words state one", self.stated), ("words state none", self.silent))
        told = ", ".join(f"{share:.0%} where {kind}" for kind, share in kinds if share is not None)
        return f"{told or 'nothing'} at {self.target:g}"


@dataclass(frozen=True, slots=True)
class Labels:
    """What a checkpoint scores: ``values[attribute]`` in the order of ``Scores``, and each attribute's thresholds.

    Attributes are ``category``, ``product_type``, ``color``, ``material`` and ``scene``. ``stated[attribute][side]``:
    the weight of a value that words state outright, in the exponent; ``doubts[attribute]``: what is said conflicts with
    the pictures where they alone give it a lower probability than this; ``curves[attribute]``: see ``curve``, by side,
    for listings whose words state a value with ``_stated`` behind it. ``unproven_scenes``: those that too
    few calibration rows showed to say how often they are right: they are never accepted. ``beyond``: as
    `model.beyond` has it.
    """

    values: Mapping[str, tuple[str, ...]]
    thresholds: Mapping[str, Threshold]
    stated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    doubts: Mapping[str, float] = field(default_factory=dict)
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)
    bought: Mapping[str, Bought] = field(default_factory=dict)
    unproven_scenes: frozenset[str] = frozenset()
    beyond: float = 1.0

    def curve(self, attribute: str, side: Side, *, stated: bool) -> Curve:
        """What makes the top value's score honest; the score itself where nobody measured it."""
        return curve_of(self.curves.get(attribute, {}), side, stated=stated)

    def curve_of_words(self, attribute: str) -> Curve:
        """The same for a value that words state, where nothing else is known."""
        return self.curves.get(attribute, {}).get(WORDS, AS_IT_IS)

    def stated_weight(self, attribute: str, side: str) -> float:
        """The weight of a stated value beside the scores of ``side``."""
        return self.stated.get(attribute, {}).get(side, DEFAULT_STATED)

    def doubt(self, attribute: str) -> float:
        """See the class."""
        return self.doubts.get(attribute, DEFAULT_DOUBT)
