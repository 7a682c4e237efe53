"""Sizes in words: value, unit and system, found and written one way. Linear time on any input."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"[0-9]{1,5}(?:[.,][0-9]{1,3})?"
_UNITS = {
    "mm": "mm|millimet(?:er|re)s?", "cm": "cm|centimet(?:er|re)s?|zentimeter|厘米|公分", "m": "m|met(?:er|re)s?|米",
    "in": "in|inch|inches|zoll|\"|''|”|″|英寸|寸", "ft": "ft|feet|foot|′",
    "ml": "ml|millilit(?:er|re)s?|毫升", "cl": "cl", "l": "l|lit(?:er|re)s?|升",
    "floz": r"fl\.?\s?oz", "gal": "gal|gallons?", "qt": "qt|quarts?",
    "oz": "oz|ounces?", "lb": "lbs?|pounds?", "kg": "kg|kilograms?|kilos?|公斤|千克", "g": "g|grams?|gramm|克",
}  # fmt: skip
_UNIT = "|".join(sorted((f"(?:{words})" for words in _UNITS.values()), key=len, reverse=True))
_END = r"(?!\w)"
_START = r"(?<![\w.,])(?<![0-9][/-])"  # the 2 of 1/2 inch and the 6 of 4-6 cm are not the size

_BY = r"(?:\s?[x×*]\s?|[\s-]by[\s-])"
_DIMENSIONS = re.compile(
    rf"{_START}({_NUMBER})\s?({_UNIT})?{_BY}({_NUMBER})\s?({_UNIT})?(?:{_BY}({_NUMBER}))?[\s-]?({_UNIT}){_END}",
    re.IGNORECASE,
)
_PREPOSITION = r"(?!(?<=in)[\s-]\w)"  # "2 in 1", "set of 2 in black"; inches are "12 in." or "12 in, "
_NETWORK = r"(?![2-6]G\b)"  # a 5G phone does not weigh five grams
_HEIGHT = r"(?:(?<=[\"”″])[hwdl])?"  # 35"h
_MEASURE = re.compile(
    rf"{_START}(?-i:{_NETWORK})({_NUMBER})(?:\s|-)?({_UNIT}){_PREPOSITION}{_HEIGHT}{_END}", re.IGNORECASE
)
_SHOE_NUMBER = r"[0-9]{1,2}(?:[.,]5)?"
_WIDTH = r"(?:\s(?:[a-e]{1,3}|[bd]\(m\)|m|medium|wide|narrow|regular))?"  # 8 B(M) US
_SYSTEM_FIRST = re.compile(rf"\b((?i:UK|EU|US)|FR|IT|JP|CN|AU)[\s:]?(?:size\s)?({_SHOE_NUMBER})(?![\w.,]\w|\w|-pack)")
_SYSTEM_LAST = re.compile(rf"(?<![\w.,])({_SHOE_NUMBER}){_WIDTH}\s?(UK|EU|US|AU)\b", re.IGNORECASE)
_LETTERS = r"XXS|XS|S|M|L|XL|XXL|XXXL|[2-6]XL"
_NAMED = re.compile(
    rf"\b(?:size|größe|gr\.|taille|talla|taglia|尺码|尺寸)\s?[:=]?\s?({_LETTERS}|[0-9]{{1,3}}(?:[.,]5)?){_END}",
    re.IGNORECASE,
)
_BARE_LETTERS = re.compile(
    r"(?<![\w'’.&-])(?<![0-9]\s)(?<!(?i:iphone)\s)(XS|xxs|XXS|(?i:[2-6]?XL|XXX?L))(?![\w'’&-])"  # no Pixel 3 XL, iPhone XS
    r"|(?<=,\s)([SML])(?=\s{0,2}(?:[,()]|$))"
)
_WORDS = re.compile(r"\b(extra[- ]small|x-small|small|medium|extra[- ]large|x-large|large|one size)\b")
_BED = "twin xl|twin|single|full|double|queen|california king|king"
_BEDS = re.compile(
    rf"\b({_BED})(?=\s(?:size|bed|mattress|sheet|headboard|platform|duvet|comforter))|(?<=[,/-]\s)({_BED})(?=\s{{0,2}}(?:[,/(]|-\s|$))"
)
_WORD_VALUES = {
    "extra small": "XS", "extra-small": "XS", "x-small": "XS", "small": "S", "medium": "M", "large": "L",
    "extra large": "XL", "extra-large": "XL", "x-large": "XL", "one size": "one size",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """A size at code points ``[start, end)``. ``score``: how sure the form alone makes it, 0-1."""

    value: str
    label: str
    score: float
    start: int
    end: int


def find_sizes(text: str) -> list[Size]:
    """All sizes that ``text`` states, in order; where forms overlap the more explicit one counts."""
    found: list[Size] = []
    taken = bytearray(len(text))
    for one in (*_dimensions(text), *_systems(text), *_named(text), *_measures(text), *_words(lowered(text))):
        if not any(taken[one.start : one.end]):
            taken[one.start : one.end] = b"\1" * (one.end - one.start)
            found.append(one)
    return sorted(found, key=lambda size: size.start)


def lowered(text: str) -> str:
    """``text`` in lower case, character by character: positions stay. (Only the dotted capital I would become two.)"""
    return text.replace("İ", "i").lower()


def canonical_unit(text: str) -> str:
    """The unit's short name. Raises KeyError for words that are no unit."""
    for unit, words in _UNITS.items():
        if re.fullmatch(words, text.strip(), re.IGNORECASE):
            return unit
    raise KeyError(text)


def canonical_number(text: str) -> str:
    """A plain decimal: ``7,50`` and ``7.5`` are the same; ``1,000`` is a thousand, ``0,500`` is a half."""
    whole, comma, rest = text.partition(",")
    if len(rest) == 3 and comma and whole.strip("0"):
        text = whole + rest
    whole, dot, rest = text.replace(",", ".").partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{rest}" if dot and rest else "")


def _dimensions(text: str) -> list[Size]:
    found = []
    for match in _DIMENSIONS.finditer(text):
        unit = canonical_unit(match[6])
        if any(canonical_unit(match[group]) != unit for group in (2, 4) if match[group]):
            continue  # 1 m x 50 cm: left to be read as two measures
        numbers = [canonical_number(match[group]) for group in (1, 3, 5) if match[group]]
        found.append(Size("x".join(numbers) + unit, " × ".join(numbers) + f" {unit}", 0.95, *match.span()))
    return found


def _measures(text: str) -> list[Size]:
    found = []
    for match in _MEASURE.finditer(text):
        number, unit = canonical_number(match[1]), canonical_unit(match[2])
        found.append(Size(number + unit, f"{number} {unit}", 0.85, *match.span()))
    return found


def _systems(text: str) -> list[Size]:
    found = []
    for match in (*_SYSTEM_FIRST.finditer(text), *_SYSTEM_LAST.finditer(text)):
        system, number = (match[1], match[2]) if match[2][0].isdigit() else (match[2], match[1])
        value = f"{system.upper()} {canonical_number(number)}"
        found.append(Size(value, value, 0.95, *match.span()))
    return found


def _named(text: str) -> list[Size]:
    found = [(match, 0.95) for match in _NAMED.finditer(text)]
    found += [(match, 0.8) for match in _BARE_LETTERS.finditer(text)]
    values = [
        (text.upper() if (text := match[match.lastindex or 1])[-1].isalpha() else canonical_number(text), score, match)
        for match, score in found
    ]
    return [Size(value, value, score, *match.span()) for value, score, match in values]


def _words(text: str) -> list[Size]:
    """Of lowered ``text``."""
    sizes = [
        Size(_WORD_VALUES[match[1]], match[1].capitalize(), 0.65, *match.span()) for match in _WORDS.finditer(text)
    ]
    beds = [
        Size(bed, bed.capitalize(), 0.85, *match.span())
        for match in _BEDS.finditer(text)
        if (bed := match[match.lastindex or 1])
    ]
    return beds + sizes
