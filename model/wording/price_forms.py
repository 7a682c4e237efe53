"""How prices are written: a sign or code and a number, in any locale's way. Pure and linear in the line's length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from model.wording.currencies import CODES, SIGNS, THREE_DECIMALS, WITHOUT_CENTS, candidates

_MAX_CHARACTERS = 300
_GAP = "[ \u00a0\u202f]"
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"  # cents without a point, as the reader writes them
_NUMBER = rf"\d{{1,9}}(?:(?:[.,'’]|{_GAP}(?=\d{{2,3}}(?!\d)))\d{{1,3}}){{0,4}}(?:[.,]?[{RAISED}]{{2}})?"
_WORDS = sorted(
    (sign for sign in SIGNS if sign[0].isalpha() and sign.isascii() and "$" not in sign), key=len, reverse=True
)
_MARKS = sorted((sign for sign in SIGNS if sign not in _WORDS), key=len, reverse=True)
_CODE = "|".join(sorted(CODES))
_WORD = "|".join(re.escape(word) for word in _WORDS)
_SIGN = "|".join(re.escape(mark) for mark in _MARKS) + rf"|(?<![\w-])(?:{_WORD}|{_CODE})(?![A-Za-z])"
_AFTER_SIGN = "|".join(re.escape(mark) for mark in _MARKS) + rf"|(?:{_WORD}|{_CODE})(?![A-Za-z])"
_DASH = "[-–—]"
_TAIL = rf"(?:[.,]?{_DASH}(?!\d)|\.)?"
_PRICE = re.compile(
    rf"(?P<before>{_SIGN})\s?(?P<first>{_NUMBER})(?:[.,]{_DASH}+)?(?![\d{RAISED}])"
    rf"|(?<![\d.,])(?P<second>{_NUMBER})(?:{_TAIL}\s?)(?P<after>(?:{_AFTER_SIGN}))"
    rf"(?:(?!\s?[\d{RAISED}])|(?=\s?{_NUMBER}\s?(?P=after)(?!\s?\d)))"  # "17,95 € 10,99 €": each before its sign
)
_TO = re.compile(rf"\s?(?:{_DASH}|to|bis|~|～)\s?(?P<number>{_NUMBER})(?![\d{RAISED}%])(?![.,]\d)")
_FROM = re.compile(rf"(?<![\w.,'’+/-])(?P<number>{_NUMBER})\s?(?:{_DASH}|to|bis|~|～)\s?$")
_PRICE_WORD = (
    r"(?:was|now|only|from|sale|price|rrp|msrp|uvp|statt|nur|jetzt|ab|prix|solde|antes|ahora|reg(?:\.|ular)?|special)"
)
_BARE = re.compile(
    rf"^\s*(?:{_PRICE_WORD}[:\s]\s*)?"
    rf"(?P<number>\d{{1,6}}(?:[.,'’]\d{{3}}){{0,2}}(?:[.,]\d{{2}}|[.,]?[{RAISED}]{{2}}))\s*$",
    re.IGNORECASE,
)
_LOOSE = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:[.,'’]\d{3})+|\d{0,3})[.,]\d{2}(?![\d%])")
_UNSIGNED = re.compile(r"(?<![\d.,'’/])(?P<number>\d{1,4}[.,]\d{2})(?=\s?(?:/|per\b|pro\b|je\b))")
_PER = re.compile(
    r"\s*/\s*$"
    r"|\s*(?:/|per\b|pro\b|je\b|par\b|por\b|al\b|每)\s*(?P<per>1?00\s?g|1?00\s?ml|kg|g|lb|oz|l|ml|m²|m2|m|stk|st|pc|piece|each|unit|个|件"
    r"|[1I|](?=\s*$))(?![A-Za-z\d])",
    re.IGNORECASE,
)
_TO_PLAIN = str.maketrans(RAISED, "0123456789")
_FEWEST_FORINTS = 100  # "6 Ft" is a length


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a number: the amount, and how likely that reading is, 0-1."""

    amount: Decimal
    score: float


@dataclass(frozen=True, slots=True)
class PriceForm:
    """A price as written: possible currencies (empty: no sign), readings best first, and the unit it is per."""

    currencies: tuple[str, ...]
    readings: tuple[Reading, ...]
    per: str | None
    start: int
    end: int


def find_forms(text: str) -> list[PriceForm]:
    """All prices that a line states, in order."""
    text = text[:_MAX_CHARACTERS]
    found = list(_signed(text))
    if not found:
        found = list(_unsigned(text))
    if not found and (bare := _BARE.match(text)):
        found = [PriceForm((), tuple(read_number(bare["number"], None)), None, *bare.span("number"))]
    return sorted(found, key=lambda form: form.start)


def find_loose(text: str, forms: Sequence[PriceForm]) -> list[PriceForm]:
    """Amounts with cents outside ``forms``, without a sign. By themselves they are no prices."""
    text = text[:_MAX_CHARACTERS]
    return [
        PriceForm((), tuple(read_number(match[0], None)), None, *match.span())
        for match in _LOOSE.finditer(text)
        if all(match.end() <= form.start or form.end <= match.start() for form in forms)
    ]


def has_price(text: str) -> bool:
    """Does the line state a price?"""
    return bool(find_forms(text))


def _signed(text: str) -> Iterator[PriceForm]:
    end = 0
    for match in _PRICE.finditer(text):
        currencies = candidates(match["before"] or match["after"])
        readings = tuple(read_number(match["first"] or match["second"], currencies[0]))
        if currencies == ("HUF",) and readings[0].amount < _FEWEST_FORINTS:
            continue
        if match["after"] and (lower := _FROM.search(text, end, match.start())):
            yield from _other_end(lower, currencies, readings[0].amount, is_lower=True)
        per, end = _per(text, match.end())
        yield PriceForm(currencies, readings, per, *match.span())
        if match["before"] and (upper := _TO.match(text, match.end())):
            yield from _other_end(upper, currencies, readings[0].amount, is_lower=False)


def _other_end(
    match: re.Match[str], currencies: tuple[str, ...], amount: Decimal, *, is_lower: bool
) -> Iterator[PriceForm]:
    """The end of a range that has no sign of its own; nothing if the ends are the wrong way round."""
    readings = tuple(read_number(match["number"], currencies[0]))
    if (readings[0].amount < amount) is is_lower and readings[0].amount != amount:
        yield PriceForm(currencies, readings, None, *match.span("number"))


def _unsigned(text: str) -> Iterator[PriceForm]:
    """``1.99/kg``: no sign, but nothing else is written so."""
    for match in _UNSIGNED.finditer(text):
        per, _ = _per(text, match.end())
        if per is not None:
            yield PriceForm((), tuple(read_number(match["number"], None)), per, *match.span("number"))


def _per(text: str, end: int) -> tuple[str | None, int]:
    """The unit after a price, and where it ends. A lone ``1`` there is a misread ``l``, and nothing a lost one."""
    match = _PER.match(text, end)
    if match is None:
        return None, end
    unit = (match["per"] or "l").lower().replace(" ", "")
    return ("l" if unit in ("1", "i", "|") else unit), match.end()


def read_number(text: str, currency: str | None) -> list[Reading]:
    """What a number may mean, best first. ``1.299`` is a thousand and some, or one and some: both are given."""
    if text[-1] in RAISED:
        return _with_raised(text)
    parts = re.split(rf"([.,'’]|{_GAP})", text)
    digits, separators = parts[0::2], parts[1::2]
    if not separators:
        return _without_separators(digits[0], currency)
    last, tail = separators[-1], digits[-1]
    whole = Decimal("".join(digits))
    decimal = Decimal("".join(digits[:-1]) + "." + tail)
    is_mixed = len(set(separators)) > 1
    if last in " \u00a0\u202f'’":
        return [Reading(whole, 0.95)] if len(tail) == 3 else [Reading(decimal, 0.7)]
    if len(tail) != 3:
        return [Reading(decimal, 0.5 if currency in WITHOUT_CENTS else 1.0)]
    if is_mixed and currency in THREE_DECIMALS:
        return [Reading(decimal, 0.9), Reading(whole, 0.1)]
    if len(separators) > 1 or currency in WITHOUT_CENTS:
        return [Reading(whole, 0.98)]
    if currency in THREE_DECIMALS or digits[0] == "0":
        return [Reading(decimal, 0.85), Reading(whole, 0.15)]
    return [Reading(whole, 0.85), Reading(decimal, 0.15)]


def _with_raised(text: str) -> list[Reading]:
    """``1,299⁹⁰``: the raised digits are cents."""
    before, cents = re.sub(r"\D", "", text[:-2]), text[-2:].translate(_TO_PLAIN)
    return [Reading(Decimal(f"{before}.{cents}"), 0.98), Reading(Decimal(before + cents), 0.02)]


def _without_separators(digits: str, currency: str | None) -> list[Reading]:
    """``$29990`` is rarely written so: the point may have been lost."""
    if len(digits) < 5 or currency in WITHOUT_CENTS:
        return [Reading(Decimal(digits), 1.0)]
    return [Reading(Decimal(digits), 0.85), Reading(Decimal(f"{digits[:-2]}.{digits[-2:]}"), 0.15)]
