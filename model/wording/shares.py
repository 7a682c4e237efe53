"""Percentages beside values: of ``95% cotton, 5% elastane`` what there is most of is what is stated."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from model.wording.tokens import Stated

_LOOK = 24  # characters before and after a value's word
_WHOLE = 100.0
_SHARED = frozenset(("material",))  # attributes whose values a thing has shares of
_NUMBER = r"([0-9]{1,3}(?:[.,][0-9]{1,2})?)\s?%"
_BEFORE = re.compile(rf"(?<![0-9.,]){_NUMBER}(?:\s?(?:de|di|d'|of|aus|organic|recycled|bio|pure|reine|coton bio))?\s?$")
_AFTER = re.compile(rf"\s?[:(]?\s?{_NUMBER}")


def largest(text: str, found: Sequence[Stated]) -> list[Stated]:
    """``found`` in ``text``, in their order, without those of which there is less than of another, or than of what is
    left to say. Shares that make up one whole are compared with each other: shell and lining are two.
    """
    if "%" not in text:
        return list(found)
    by_attribute: dict[str, list[Stated]] = defaultdict(list)
    for one in found:
        if one.attribute in _SHARED:
            by_attribute[one.attribute].append(one)
    lesser = {id(one) for own in by_attribute.values() for one in _lesser(text, own)}
    return [one for one in found if id(one) not in lesser]


def _lesser(text: str, found: Sequence[Stated]) -> Iterator[Stated]:
    whole: list[tuple[float, Stated]] = []
    for share, one in _shares(text, found):
        if sum(other for other, _ in whole) + share > _WHOLE:
            yield from _below(whole)
            whole = []
        whole.append((share, one))
    yield from _below(whole)


def _below(whole: Sequence[tuple[float, Stated]]) -> Iterator[Stated]:
    shares = [share for share, _ in whole]
    most = max([*shares, _WHOLE - sum(shares)])
    return (one for share, one in whole if share < most)


def _shares(text: str, found: Sequence[Stated]) -> Iterator[tuple[float, Stated]]:
    """All numbers stand before their word, or all behind, as beside the first."""
    before = [(_BEFORE.search(text[max(0, one.start - _LOOK) : one.start]), one) for one in found]
    first = next((place for place, (match, _) in enumerate(before) if match), None)
    after = [(_AFTER.match(text, one.end, one.end + _LOOK), one) for one in found]
    behind = next((place for place, (match, _) in enumerate(after) if match), None)
    chosen = after if first is None or (behind is not None and behind < first) else before
    return ((float(match[1].replace(",", ".")), one) for match, one in chosen if match)
