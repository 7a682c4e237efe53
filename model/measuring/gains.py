"""What a calibration on other listings would change: which of them are accepted, before and after, and how many of
these are right. Thresholds of both are asked about the same listings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from model.calibrate import Outcomes, is_shown, threshold_for
from model.labels import WORDS
from model.pool import SIDES

_STATED = "_stated"

BySide = Mapping[str, Outcomes]


@dataclass(frozen=True, slots=True)
class Accepted:
    """Listings that a threshold accepts, and how many of these are right."""

    rows: int
    right: int

    def contradicts(self, target: float) -> bool:
        """Do they show, at 95 % confidence, that the threshold does not reach its target precision?"""
        return self.right < self.rows if target >= 1 else is_shown(self.right, self.rows, 1 - target)


@dataclass(frozen=True, slots=True)
class Change:
    """What a calibration does to one attribute of listings whose words state a value (``stated``), or state none.

    ``before`` and ``after``: those of ``rows`` listings that are accepted with picture and title, by the thresholds
    that were there and by those that the listings buy. ``is_kept``: the old ones stay.
    """

    attribute: str
    stated: bool
    rows: int
    before: Accepted
    after: Accepted
    is_kept: bool

    @property
    def words(self) -> str:
        """One line."""
        kind = "where words state one" if self.stated else "where words state none"
        told = f"{self.attribute} {kind}, {self.rows:,} listings: accepted {_told(self.before, self.rows)} before"
        after = _told(self.after, self.rows)
        return f"{told}; kept, new thresholds would accept {after}" if self.is_kept else f"{told}, {after} now"


def changes_of(
    names: Sequence[str],
    bought: Mapping[str, BySide],
    before: Mapping[str, BySide],
    after: Mapping[str, BySide],
    targets: Mapping[str, float],
) -> Iterator[Change]:
    """Of attributes ``names`` that share weights, so that all of them are kept or none. ``bought``: the outcomes that
    the old thresholds are found from; ``before`` and ``after``: how the listings did, by old scores and by new ones.

    Old thresholds are kept where the listings cannot tell, or where the new ones would accept fewer of them, or on one
    side none, and they do not contradict the old ones.
    """
    for stated in (True, False):
        found = [
            _change(name, bought.get(name, {}), before[name], after[name], targets[name], stated=stated)
            for name in names
            if name in after and name in before
        ]
        measured = [one for one in found if one.rows]
        is_kept = any(one.is_kept for one in measured)
        yield from (replace(one, is_kept=is_kept) for one in measured)


def keys_of(outcomes: Mapping[str, object], *, stated: bool) -> list[str]:
    """Sides of listings whose words state a value, or of the others."""
    return [key for key in outcomes if (key == WORDS or key.endswith(_STATED)) == stated]


def _change(name: str, bought: BySide, before: BySide, after: BySide, target: float, *, stated: bool) -> Change:
    suffix = _STATED if stated else ""
    fused = f"fused{suffix}"
    sides = [f"{side}{suffix}" for side in SIDES] + ([WORDS] if stated else [])
    old = {key: _accepted(before.get(key), _bar(bought, key, target)) for key in sides}
    new = {key: _accepted(after.get(key), _bar(after, key, target)) for key in sides}

    def is_loss(key: str) -> bool:
        least = old[key].rows if key == fused else min(1, old[key].rows)
        return new[key].rows < least and not old[key].contradicts(target)

    rows = len(after[fused].scores) if fused in after else 0
    return Change(name, stated, rows, old[fused], new[fused], any(map(is_loss, sides)))


def _bar(bought: BySide, key: str, target: float) -> float | None:
    """The threshold of a side; of listings that state a value that of the others, where nothing says more."""
    if key.endswith(_STATED) and not any(other.endswith(_STATED) for other in bought):
        key = key.removesuffix(_STATED)
    own = bought.get(key)
    return None if own is None else threshold_for(own, target)


def _accepted(outcomes: Outcomes | None, bar: float | None) -> Accepted:
    if outcomes is None or bar is None:
        return Accepted(0, 0)
    above = outcomes.scores >= bar
    return Accepted(int(above.sum()), int(outcomes.right[above].sum()))


# ---- shown ----------------------------------------------------------------------------------------------------------


def changes_table(changes: Sequence[Change]) -> str:
    """Markdown."""
    head = "| Attribute | Words state a value | Listings | Accepted before | Accepted by new thresholds | |"
    lines = [
        f"| {one.attribute} | {'yes' if one.stated else 'no'} | {one.rows:,} | {_told(one.before, one.rows)} "
        f"| {_told(one.after, one.rows)} | {'kept as it was' if one.is_kept else 'new'} |"
        for one in changes
    ]
    return "\n".join([head, "|---|---|---|---|---|---|", *lines])


def _told(one: Accepted, rows: int) -> str:
    share = f"{one.rows / rows:.1%}" if rows else "0.0%"
    return f"{share} ({one.right:,} of {one.rows:,} right)" if one.rows else "none"
