"""Pure: what a shadow run says otherwise than the live results, tag by tag.

Two events are held against each other when they come from the same input record. Of a tag only what was accepted
counts: its top value. ``same`` and ``changed``: both sides accepted one; ``gained``: only the shadow did; ``lost``:
only the live side did; ``neither``: nobody did.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Source = tuple[str, int, int]  # topic, partition and offset of the input record
Values = Mapping[str, "Value"]


class Change(enum.Enum):
    """What became of one tag of one listing."""

    SAME = "same"
    CHANGED = "changed"
    GAINED = "gained"
    LOST = "lost"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Value:
    """A tag's top value as accepted; ``text`` None: nothing was."""

    text: str | None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What one side says of one input record."""

    listing_id: str
    revision: str
    values: Values


@dataclass(frozen=True, slots=True)
class Example:
    """One listing whose tag differs."""

    listing_id: str
    live: Value
    shadow: Value


@dataclass(slots=True)
class Comparison:
    """Counts by tag, and a few examples of each kind of difference; ``num_examples`` of each at most."""

    num_examples: int
    num_compared: int = 0
    num_without_live: int = 0
    counts: dict[str, Counter[Change]] = field(default_factory=dict)
    examples: dict[tuple[str, Change], list[Example]] = field(default_factory=dict)
    revisions: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))

    def add(self, live: Told, shadow: Told) -> None:
        """Hold two results of one input record against each other."""
        self.num_compared += 1
        for revisions, told in zip(self.revisions, (live, shadow), strict=True):
            revisions.add(told.revision)
        for name, new in shadow.values.items():
            old = live.values.get(name, Value(None))
            change = judge(old, new)
            self.counts.setdefault(name, Counter())[change] += 1
            kept = self.examples.setdefault((name, change), [])
            if change not in (Change.SAME, Change.NEITHER) and len(kept) < self.num_examples:
                kept.append(Example(shadow.listing_id, old, new))

    def rows(self) -> Iterator[dict[str, Any]]:
        """One per tag: how many of each."""
        for name, counts in sorted(self.counts.items()):
            yield {"tag": name, **{change.value: counts[change] for change in Change}}


def judge(live: Value, shadow: Value) -> Change:
    """What became of a tag."""
    if live.text is None:
        return Change.NEITHER if shadow.text is None else Change.GAINED
    if shadow.text is None:
        return Change.LOST
    return Change.SAME if live.text == shadow.text else Change.CHANGED


def told_of(event: Mapping[str, Any]) -> tuple[Source, Told] | None:
    """What an event of any of the three kinds says; None for one without a source record."""
    at = event["source"]
    if at is None:
        return None
    values = dict(_values(event))
    return (at["topic"], at["partition"], at["offset"]), Told(event["listing_id"], event["model"]["revision"], values)


def _values(event: Mapping[str, Any]) -> Iterable[tuple[str, Value]]:
    if "category" in event:
        yield "category", _top(event["category"])
        for name, tag in event["attributes"].items():
            yield name, _top(tag)
    elif "scene" in event:
        yield "scene", _top(event["scene"])
    elif "prices" in event:
        prices = sorted(f"{one['amount']} {one['currency'] or '?'}" for one in event["prices"])
        yield "prices", Value(", ".join(prices) or None)
        yield "title in the picture", Value(event["title"])


def _top(tag: Mapping[str, Any]) -> Value:
    if tag["status"] != "accepted" or not tag["values"]:
        return Value(None)
    best = tag["values"][0]
    return Value(best["value"], best["score"])
