"""How many pieces a listing sells, where words say so: ``pack of 6``, ``6-pack``, ``set of 4``, ``6er Pack``.

One alone is not a pack: ``pack of 1`` states the value 1, a title without such words states nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MAX_COUNT = 10_000
_CHINESE = {"两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "十": 10}
_WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "eight": 8, "ten": 10, "twelve": 12, "dozen": 12, "pair": 2,
}  # fmt: skip
_PIECES = "packs?|pk|er[- ]?pack|er[- ]?set|teilig|count|ct|pcs?|pieces?|stück|pièces|piezas|unidades|uds"
_PAIRS = r"pairs?|paar|paires|pares"  # but a shoe rack for nine pairs is one
_MEASURE_WORDS = "件套|[件个只片支包条块双根盒]装|[件个只片支条双根把块张瓶袋粒盒卷]"
_NUMBER = rf"(?P<count>\d{{1,5}}|{'|'.join(_WORDS)})"
_FORMS = (
    (rf"\b(?P<count>\d{{1,5}})\s?-?\s?(?:{_PAIRS})\b(?!\s(?:shoe|of legs))", 1.0),
    (rf"\b(?:pack|set|box|case|bundle|lot)\s+(?:of|à|de|mit|von)\s+{_NUMBER}\b", 1.0),
    (rf"\b{_NUMBER}\s?-?\s?(?:{_PIECES})\b", 1.0),
    (rf"\b(?:lot|paquete|juego|confezione|set)\s+(?:de|da|di)\s+{_NUMBER}\b", 1.0),
    (rf"(?P<count>(?<![\d.x])\d{{1,5}}|[{''.join(_CHINESE)}])\s?(?:{_MEASURE_WORDS})(?=\W|$)", 0.9),
    (r"\b(?P<count>\d{1,3})\s?x\s?(?=\d+(?:[.,]\d+)?\s?(?:ml|l|g|kg|oz|cl)\b)", 0.9),
)  # fmt: skip
_HINT = re.compile(rf"\d|[{''.join(_CHINESE)}]|{'|'.join(_WORDS)}")  # most texts without a count are told at once
_PATTERNS = tuple((re.compile(form), score) for form, score in _FORMS)


@dataclass(frozen=True, slots=True)
class Pack:
    """A count as a plain decimal, where it stands, how surely it is one."""

    value: str
    start: int
    end: int
    score: float


def find_packs(text: str) -> list[Pack]:
    """All counts that ``text`` (lower case) states, in order; of forms that overlap the first counts."""
    found: list[Pack] = []
    for one in _matches(text) if _HINT.search(text) else ():
        if not any(one.start < other.end and other.start < one.end for other in found):
            found.append(one)
    return sorted(found, key=lambda pack: pack.start)


def _matches(text: str) -> Iterator[Pack]:
    for pattern, score in _PATTERNS:
        for match in pattern.finditer(text):
            said = match["count"]
            count = _WORDS.get(said) or _CHINESE.get(said) or int(said)
            if 1 <= count <= _MAX_COUNT:
                yield Pack(str(count), match.start(), match.end(), score)
