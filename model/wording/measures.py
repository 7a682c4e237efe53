"""Lengths, volumes and weights in words: a number and a unit, or sides and a unit, written one way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

_LENGTHS = {
    "mm": "mm|millimet(?:er|re)s?|millimetri|毫米",
    "cm": "cm|centimet(?:er|re)s?|centimètres?|zentimeter|centímetros?|centimetri|厘米|公分",
    "m": "m|met(?:er|re)s?|mètres?|metros?|metri|米",
    "in": "in|inch|inches|zoll|pouces?|pulgadas?|pollici|polegadas?|cali|\"|''|”|″|英寸|寸", "ft": "ft|feet|foot|fuß|pieds?|pies|′|'(?![a-wyz0-9_'])",
    "yd": "yds?|yards?", "mil": "mils?",
}  # fmt: skip
_UNITS = _LENGTHS | {
    "ml": "ml|millilit(?:er|re)s?|mililitros?|millilitri|毫升", "cl": "cl|centilitres?", "l": "l|lt|ltr|lit(?:er|re)s?|litros?|litri|litrów|升",
    "floz": r"fl\.?\s?oz|fluid ounces?", "gal": "gal|gallons?", "qt": "qt|quarts?", "pt": "pints?",
    "oz": "oz|ounces?", "lb": "lbs?|pounds?", "kg": "kg|kgs|kilograms?|kilos?|chili|quilos?|公斤|千克",
    "g": "g|gr|gm|grs|grams?|gramm|grammes?|gramos?|grammi|gramas?|克",
}  # fmt: skip
_WEIGHTS = frozenset(("lb", "kg", "oz", "g"))


def _any_of(units: dict[str, str]) -> str:
    return "|".join(sorted((f"(?:{words})" for words in units.values()), key=len, reverse=True))


_UNIT, _LENGTH = _any_of(_UNITS), _any_of(_LENGTHS)
_NUMBER = r"(?:[0-9]{1,3}[\s-][1-9][0-9]?/[1-9][0-9]?(?![\d/])|[1-9][0-9]?/[1-9][0-9]?(?![\d/])|[0-9]{1,5}(?:[.,][0-9]{1,3})?(?:\s?[¼½¾])?|[¼½¾]|\.[0-9]{1,2})"
_END = r"(?![^\W\u3400-\u9fff])"
# The 2 of 1/2 inch and the 6 of 4-6 cm are not the size. A comma may stand right before one, as in "black,1/4 inch".
_APART = r"(?<![0-9][,/-])(?<![0-9]\s[/-])"
# In Chinese nothing stands between a word and a number.
_START = rf"(?:(?<![\w.])|(?<=[\u3400-\u9fff])){_APART}"

_BY = r"(?:\s?[x×*]\s?|[\s-]by[\s-])"
# 48" w x 18" d; 56l x 38w in; the l of 330ml is no axis.
_AXIS = r"(?:(?:\s|(?<![a-z]))([hwdltb])(?![a-z])|\s?\([hwdltb]\))?"
_SIDE = rf"({_NUMBER})(?:[\s-]?({_LENGTH}))?{_AXIS}"
_SIDES = rf"{_SIDE}{_BY}{_SIDE}(?:{_BY}{_SIDE})?(?:\s({_LENGTH}))?(?![\w/])"
_DIMENSIONS, _MORE_SIDES = re.compile(_START + _SIDES, re.IGNORECASE), re.compile(_SIDES, re.IGNORECASE)
_NUMBERS, _UNIT_GROUPS, _AXES = (1, 4, 7), (2, 5, 8, 10), (3, 6, 9)  # groups
_COUNTED = re.compile(  # set of 2 x 45 cm
    r"\b(?:set|(?:multi)?pack|lot|box|case|bundle|pair)s?\s(?:of|de|à|da|von|mit)\s$", re.IGNORECASE
)
_FEET = r"(?:['’′](?!['’′])|\s?(?:ft|feet|foot)\b\.?)"
_INCHES = r"\s?(?:[\"”″]|['’′]{2}|in(?:ch(?:es)?)?\b(?![\s-]?[0-9]))"
_FEET_HINT = re.compile(r"[0-9]\s?(?:['’′]|f(?:ee|oo)?t)", re.IGNORECASE)
_FEET_SIDE = (  # 5'10", 6ft 6in, 8', 5'6
    rf"([0-9]{{1,2}}){_FEET}(?:[\s-]?([0-9]{{1,2}}(?:\.[0-9])?)(?:{_INCHES}|(?<=['’′][0-9])|(?<=['’′][0-9]{{2}})))?(?:\s?[wld]\b)?"
)
_FEET_AND_INCHES = re.compile(
    rf"{_START}{_FEET_SIDE}(?:{_BY}{_FEET_SIDE}(?:{_BY}{_FEET_SIDE})?)?(?![\w.]\w|\w)", re.IGNORECASE
)
_MARKED_SIDE = rf"([HWDLTBP]|[hwdl](?=[0-9]))\s?:?\s?({_NUMBER})(?:\s?((?i:{_LENGTH}))(?![a-z]))?"
_BETWEEN = r"(?:(\s?[x×*]\s?)|\s?/\s?|,?\s)"
_MARKED_SIDES = re.compile(  # H180 x W80 x D30 cm; W32 L34; W32L34
    rf"(?<![\w.&'’-]){_MARKED_SIDE}(?:{_BETWEEN}|(?<=[0-9])(?=L)){_MARKED_SIDE}(?:{_BETWEEN}{_MARKED_SIDE})?(?![\w/])"
)
_PARTED_SIDES = re.compile(  # 120 / 80 / 75 cm
    rf"{_START}([0-9]{{1,4}})\s?/\s?([0-9]{{1,4}})\s?/\s?([0-9]{{1,4}})\s?(cm|mm){_END}", re.IGNORECASE
)
_NO_SIDES = re.compile(  # 6 x 500 ml, 10 x 42 binoculars: not how long and wide
    rf"\s?(?:{_UNIT}|[x×%]|pcs|packs?|packungen|plates|plats|pi[eè]ces|piezas|stück|binoc|monoc|zoom|magnif|drive|usb|grid|rgb){_END}|\s?(?:binoc|monoc|magnif)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"-|\.\w")  # but a full stop ends a sentence
_MAX_SIDE = 400  # without a unit, sides beyond are pixels or model numbers, but for those of ...
# "2 in 1", "2in 1", "set of 2 in black"; inches are "12in", "12 in." or "12 in, ".
_PREPOSITION = r"(?!(?<=[\s-]in)[\s-]\w)(?!(?<=in)[\s-][0-9])"
_NETWORK = r"(?![2-6]G\b|3M(?=[\u3400-\u9fff])|(?i:2[.,]4\s?g|[2-6]g(?=\s(?:phone|lte|wi-?fi|network|smartphone|mobile|router|sim)))\b)"  # a 5G phone does not weigh five grams
_HEIGHT = r"(?:(?<=[\"”″'])[hwdl])?"  # 35"h
_MEASURE = re.compile(
    rf"(?:(?<![\w.])|(?<=[\u3400-\u9fff])|(?<=[0-9][x×*])(?<![a-z][0-9][x×*])){_APART}(?-i:{_NETWORK})({_NUMBER})(?:\s|-)?({_UNIT}){_PREPOSITION}{_HEIGHT}{_END}",
    re.IGNORECASE,
)
_BEARS = re.compile(  # what goods bear, not what they weigh
    r"(?:up to|max(?:\.|imum)?(?:\s(?:user|rider|body))?(?:\s(?:weight|load))?|holds?|supports?|resistance|load|bears?|bis|bis zu|jusqu['’]à|jusqu['’]a|hasta|承重|capacity(?: of)?)[\s:(]*(?:[\d.,]+\s?(?:lbs?|kg)?\s?-\s?)?$",
    re.IGNORECASE,
)
_IS_BORNE = re.compile(
    r"[\s-]*(?:(?:weight|load|maximum|max|bearing|carrying)\s)*(?:capacity|load|limit|break|breaking|strength|resistance|tension|test|max)\b",
    re.IGNORECASE,
)
_LOOK_BACK = 32  # characters before a weight
_FAR = frozenset(("m", "ft"))
_REACHES = re.compile(  # how far something works, not how long it is; 3 m for three months
    r"\b(?:range|reichweite|portée|alcance|distance|ships?\s(?:from\s\w+\s)?in|delivery\sin)(?:\s(?:of|up to|bis zu|bis|de))?[\s:]*$",
    re.IGNORECASE,
)
_IS_REACHED = re.compile(
    r"[\s/-]*(?:water[\s-]?(?:proof|resist)|wasserdicht|étanche|sumergible|(?:wireless\s)?(?:range|distance)\b|reichweite|防水)",
    re.IGNORECASE,
)
_MEMORIES = frozenset(("16", "32", "64", "128", "256", "512"))
_HAS_MEMORY = re.compile(
    r"\b(?:phone|iphone|smartphone|handy|galaxy|redmi|xiaomi|huawei|honor|ipad|tablet|ram|ssd|usb|micro\s?sd)\b"
    r"|红米|小米|华为|荣耀|苹果|手机|平板|内存|硬盘",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}\.[0-9]{2}0")  # 1.500 ml, as in German
_IN_THOUSANDS = frozenset(("g", "ml", "mm"))  # nobody weighs a thousandth of a gram but in a number like 31.103
_FRACTIONS = {"¼": ".25", "½": ".5", "¾": ".75"}


@dataclass(frozen=True, slots=True)
class Measure:
    """``numbers`` as plain decimals, ``unit`` by its short name, "" where none is said, at ``[start, end)``."""

    numbers: tuple[str, ...]
    unit: str
    start: int
    end: int


def find_dimensions(text: str) -> Iterator[Measure]:
    """Two or three sides, by form. Sides in different units are left to be read as measures of their own, but for feet
    and inches, which are also one length: in inches."""
    if _FEET_HINT.search(text):
        yield from _feet_and_inches(text)
    yield from _marked_sides(text)
    for match in _PARTED_SIDES.finditer(text) if "/" in text else ():
        sides = [int(match[group]) for group in (1, 2, 3)]
        if sides != sorted(sides):  # else three lengths to choose from
            yield Measure(tuple(map(str, sides)), match[4].lower(), *match.span())
    for match in _DIMENSIONS.finditer(text):
        one = _more_sides(match, text) if _COUNTED.search(text[max(0, match.start() - 16) : match.start()]) else match
        sides_found = _sides(one, text) if one is not None else None
        if sides_found is not None:
            yield sides_found


def _more_sides(match: re.Match[str], text: str) -> re.Match[str] | None:
    """What follows the count of a set that was taken for a side."""
    return _MORE_SIDES.match(text, match.start(_NUMBERS[1]))


def _sides(match: re.Match[str], text: str) -> Measure | None:
    said = [canonical_unit(match[group]) for group in _UNIT_GROUPS if match[group]]
    axes = [match[group].lower() for group in _AXES if match[group]]
    if axes == ["l"]:
        return None  # 12 x 1 l: litres
    numbers = _numbers(match, _NUMBERS, said[0] if said else "")
    if len(set(said)) == 1 or (not said and _are_sides(numbers, text, match.start(), match.end())):
        return Measure(numbers, said[0] if said else "", *match.span())
    return None


def _numbers(match: re.Match[str], groups: tuple[int, ...], unit: str) -> tuple[str, ...]:
    return tuple(number_of(match[group], unit) for group in groups if match[group])


def _feet_and_inches(text: str) -> Iterator[Measure]:
    for match in _FEET_AND_INCHES.finditer(text):
        pairs = [(match[group], match[group + 1] or "0") for group in (1, 3, 5) if match[group]]
        if any(match[group] for group in (2, 4, 6)) and all(float(inches) < 12 for _, inches in pairs):
            numbers = tuple(f"{12 * int(feet) + float(inches):g}" for feet, inches in pairs)
            yield Measure(numbers, "in", *match.span())


def _marked_sides(text: str) -> Iterator[Measure]:
    """Sides each after its letter, in the order in which they stand."""
    for match in _MARKED_SIDES.finditer(text):
        marks = [match[group] for group in (1, 5, 9) if match[group]]
        said = [canonical_unit(match[group]) for group in (3, 7, 11) if match[group]]
        unit = said[0] if said else ""
        numbers = _numbers(match, (2, 6, 10), unit)
        is_one_thing = len(marks) == 3 or bool(match[4]) or marks == ["W", "L"] or len(said) == len(marks)
        is_sound = len(set(marks)) == len(marks) and len(set(said)) <= 1
        if is_one_thing and is_sound and (unit or max(map(float, numbers)) <= _MAX_SIDE):
            yield Measure(numbers, unit, *match.span())


def find_measures(text: str) -> Iterator[Measure]:
    """A number and a unit, in order; not loads and strengths, nor how far something works, nor memory."""
    for match in _MEASURE.finditer(text):
        unit = canonical_unit(match[2])
        if _is_improper(match[1]):
            continue  # a wetsuit of 3/2 mm
        if unit in _WEIGHTS and _is_borne(text, match.start(), match.end()):
            continue
        if unit in _FAR and _is_far(text, match.start(), match.end()):
            continue
        if unit == "g" and match[1] in _MEMORIES and _HAS_MEMORY.search(text):
            continue
        yield Measure((number_of(match[1], unit),), unit, *match.span())


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
        text = text[:-1].rstrip() + _FRACTIONS[text[-1]]
    whole, comma, rest = text.partition(",")
    if len(rest) == 3 and comma and whole.strip("0"):
        text = whole + rest
    whole, dot, rest = text.replace(",", ".").partition(".")
    rest = rest.rstrip("0")
    return (whole.lstrip("0") or "0") + (f".{rest}" if dot and rest else "")


def number_of(text: str, unit: str) -> str:
    """As `canonical_number`, but a point before three digits parts the thousands of small units: ``1.500 ml``."""
    return text.replace(".", "") if unit in _IN_THOUSANDS and _THOUSANDS.fullmatch(text) else canonical_number(text)


def _is_improper(number: str) -> bool:
    above, stroke, below = number.partition("/")
    return bool(stroke) and above.isdigit() and int(above) >= int(below)


def _fraction(text: str) -> str:
    whole, _, part = text.replace("-", " ").rpartition(" ")
    above, below = part.split("/")
    return f"{float(int(whole or 0) + Fraction(int(above), int(below))):.4f}".rstrip("0").rstrip(".")


def _are_sides(numbers: tuple[str, ...], text: str, start: int, end: int) -> bool:
    """Do numbers without a unit say how long and wide something is?"""
    if any(float(number) > _MAX_SIDE for number in numbers) or _NO_SIDES.match(text, end):
        return False
    return not text[:start].endswith(("#", "-", "/")) and not _GOES_ON.match(text, end)


def _is_far(text: str, start: int, end: int) -> bool:
    return bool(_REACHES.search(text[max(0, start - _LOOK_BACK) : start]) or _IS_REACHED.match(text, end))


def _is_borne(text: str, start: int, end: int) -> bool:
    return bool(_BEARS.search(text[max(0, start - _LOOK_BACK) : start]) or _IS_BORNE.match(text, end))


_SHORT_NAMES = {
    word: unit for unit, words in _UNITS.items() for word in words.split("|") if not re.search(r"[(?\\]", word)
}
