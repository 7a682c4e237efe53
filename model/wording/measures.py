"""Lengths, volumes and weights in words: a number and a unit, or sides and a unit, written one way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_LENGTHS = {
    "mm": "mm|millimet(?:er|re)s?|毫米", "cm": "cm|centimet(?:er|re)s?|zentimeter|centímetros?|厘米|公分",
    "m": "m|met(?:er|re)s?|mètres?|metros?|米",
    "in": "in|inch|inches|zoll|pouces?|pulgadas?|\"|''|”|″|英寸|寸", "ft": "ft|feet|foot|fuß|pieds?|pies|′|'(?![\\w'])",
    "yd": "yds?|yards?", "mil": "mils?",
}  # fmt: skip
_UNITS = _LENGTHS | {
    "ml": "ml|millilit(?:er|re)s?|mililitros?|毫升", "cl": "cl|centilitres?", "l": "l|lt|ltr|lit(?:er|re)s?|litros?|升",
    "floz": r"fl\.?\s?oz|fluid ounces?", "gal": "gal|gallons?", "qt": "qt|quarts?", "pt": "pints?",
    "oz": "oz|ounces?", "lb": "lbs?|pounds?", "kg": "kg|kgs|kilograms?|kilos?|公斤|千克",
    "g": "g|gr|gm|grs|grams?|gramm|grammes?|gramos?|克",
}  # fmt: skip
_WEIGHTS = frozenset(("lb", "kg", "oz", "g"))


def _any_of(units: dict[str, str]) -> str:
    return "|".join(sorted((f"(?:{words})" for words in units.values()), key=len, reverse=True))


_UNIT, _LENGTH = _any_of(_UNITS), _any_of(_LENGTHS)
_NUMBER = r"(?:[0-9]{1,3}[\s-][1-9][0-9]?/[1-9][0-9]?(?![\d/])|[1-9][0-9]?/[1-9][0-9]?(?![\d/])|[0-9]{1,5}(?:[.,][0-9]{1,3})?[¼½¾]?)"
_END = r"(?!\w)"
# The 2 of 1/2 inch and the 6 of 4-6 cm are not the size. A comma may stand right before one, as in "black,1/4 inch".
_START = r"(?<![\w.])(?<![0-9][,/-])(?<![0-9]\s[/-])"

_BY = r"(?:\s?[x×*]\s?|[\s-]by[\s-])"
_AXIS = r"(?:\s?\(?[hwdltb]\)?(?![a-z]))?"  # 48" w x 18" d; 56l x 38w in
_SIDE = rf"({_NUMBER})(?:[\s-]?({_LENGTH}))?{_AXIS}"
_DIMENSIONS = re.compile(rf"{_START}{_SIDE}{_BY}{_SIDE}(?:{_BY}{_SIDE})?(?:\s({_LENGTH}))?(?![\w/])", re.IGNORECASE)
_NO_SIDES = re.compile(  # 6 x 500 ml, 10 x 42 binoculars: not how long and wide
    rf"\s?(?:{_UNIT}|[x×%]|pcs|packs?|packungen|plates|plats|pi[eè]ces|piezas|stück|binoc|monoc|zoom|magnif|drive|usb|grid|rgb){_END}|\s?(?:binoc|monoc|magnif)",
    re.IGNORECASE,
)
_MAX_SIDE = 400  # without a unit, sides beyond are pixels or model numbers, but for those of ...
_PREPOSITION = r"(?!(?<=in)[\s-]\w)"  # "2 in 1", "set of 2 in black"; inches are "12 in." or "12 in, "
_NETWORK = r"(?![2-6]G\b|(?i:2[.,]4\s?g|[2-6]g(?=\s(?:phone|lte|wi-?fi|network|smartphone|mobile|router|sim)))\b)"  # a 5G phone does not weigh five grams
_HEIGHT = r"(?:(?<=[\"”″'])[hwdl])?"  # 35"h
_MEASURE = re.compile(
    rf"{_START}(?-i:{_NETWORK})({_NUMBER})(?:\s|-)?({_UNIT}){_PREPOSITION}{_HEIGHT}{_END}", re.IGNORECASE
)
_BEARS = re.compile(  # what goods bear, not what they weigh
    r"(?:up to|max\.?|maximum|holds?|supports?|resistance|load|bears?|bis|bis zu|jusqu['’]à|jusqu['’]a|hasta|承重|capacity(?: of)?)[\s:(]*(?:[\d.,]+\s?(?:lbs?|kg)?\s?-\s?)?$",
    re.IGNORECASE,
)
_IS_BORNE = re.compile(
    r"[\s-]*(?:(?:weight|load|maximum|max|bearing|carrying)\s)*(?:capacity|load|limit|break|breaking|strength|resistance|tension|test|max)\b",
    re.IGNORECASE,
)
_LOOK_BACK = 32  # characters before a weight
_FRACTIONS = {"¼": ".25", "½": ".5", "¾": ".75"}


@dataclass(frozen=True, slots=True)
class Measure:
    """``numbers`` as plain decimals, ``unit`` by its short name, "" where none is said, at ``[start, end)``."""

    numbers: tuple[str, ...]
    unit: str
    start: int
    end: int


def find_dimensions(text: str) -> Iterator[Measure]:
    """Two or three sides, in order. Sides in different units are left to be read as measures of their own."""
    for match in _DIMENSIONS.finditer(text):
        numbers = tuple(canonical_number(match[group]) for group in (1, 3, 5) if match[group])
        said = [canonical_unit(match[group]) for group in (2, 4, 6, 7) if match[group]]
        if len(set(said)) == 1:
            yield Measure(numbers, said[0], *match.span())
        elif not said and _are_sides(numbers, text, match.start(), match.end()):
            yield Measure(numbers, "", *match.span())


def find_measures(text: str) -> Iterator[Measure]:
    """A number and a unit, in order; not loads and strengths."""
    for match in _MEASURE.finditer(text):
        unit = canonical_unit(match[2])
        if unit in _WEIGHTS and _is_borne(text, match.start(), match.end()):
            continue
        yield Measure((canonical_number(match[1]),), unit, *match.span())


def canonical_unit(text: str) -> str:
    """The unit's short name. Raises KeyError for words that are no unit."""
    found = _SHORT_NAMES.get(text.strip().lower())
    if found is not None:
        return found
    for unit, words in _UNITS.items():
        if re.fullmatch(words, text.strip(), re.IGNORECASE):
            return unit
    raise KeyError(text)


def canonical_number(text: str) -> str:
    """A plain decimal: ``7,50`` and ``7.5`` are the same; ``1,000`` is a thousand, ``0,500`` is a half; ``1 1/4`` is
    1.25.
    """
    if "/" in text:
        return _fraction(text)
    if text[-1] in _FRACTIONS:
        text = text[:-1] + _FRACTIONS[text[-1]]
    whole, comma, rest = text.partition(",")
    if len(rest) == 3 and comma and whole.strip("0"):
        text = whole + rest
    whole, dot, rest = text.replace(",", ".").partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{rest}" if dot and rest else "")


def _fraction(text: str) -> str:
    whole, _, part = text.replace("-", " ").rpartition(" ")
    above, below = part.split("/")
    return f"{float(int(whole or 0) + Fraction(int(above), int(below))):.4f}".rstrip("0").rstrip(".")


def _are_sides(numbers: tuple[str, ...], text: str, start: int, end: int) -> bool:
    """Do numbers without a unit say how long and wide something is?"""
    if any(float(number) > _MAX_SIDE for number in numbers) or _NO_SIDES.match(text, end):
        return False
    return not text[:start].endswith(("#", "-", "/")) and not text[end:].startswith(("-", "."))


def _is_borne(text: str, start: int, end: int) -> bool:
    return bool(_BEARS.search(text[max(0, start - _LOOK_BACK) : start]) or _IS_BORNE.match(text, end))


_SHORT_NAMES = {
    word: unit for unit, words in _UNITS.items() for word in words.split("|") if not re.search(r"[(?\\]", word)
}
