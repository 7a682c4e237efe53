"""How prices are written: a sign or code and a number, in any locale's way. Pure and linear in the line's length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from model.currencies import CODES, SIGNS, THREE_DECIMALS, WITHOUT_CENTS, candidates

_MAX_CHARACTERS = 300
_GAP = "[ \u00a0\u202f]"
_NUMBER = rf"\d{{1,9}}(?:(?:[.,'’]|{_GAP}(?=\d{{2,3}}(?!\d)))\d{{1,3}}){{0,4}}"
_SIGN = "|".join(re.escape(sign) for sign in sorted(SIGNS, key=len, reverse=True))
_CODE = "|".join(sorted(CODES))
_TAIL = r"(?:[.,][-–—])?"
_PRICE = re.compile(
    rf"(?:(?P<before>{_SIGN}|\b(?:{_CODE}))\s?(?P<first>{_NUMBER}){_TAIL}"
    rf"|(?<![\d.,])(?P<second>{_NUMBER}){_TAIL}\s?(?P<after>(?:{_SIGN}|(?:{_CODE})\b)))(?![\d])"
)
_BARE = re.compile(r"^\s*(?P<number>\d{1,6}(?:[.,'’]\d{3}){0,2}[.,]\d{2})\s*$")
_PER = re.compile(
    r"\s*(?:/|per\b|pro\b|je\b|par\b|por\b|al\b|每)\s*(?P<per>1?00\s?g|1?00\s?ml|kg|g|lb|oz|l|ml|m²|m2|m|stk|st|pc|piece|each|unit|个|件)",
    re.IGNORECASE,
)


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
    if not found and (bare := _BARE.match(text)):
        found = [PriceForm((), tuple(read_number(bare["number"], None)), None, *bare.span("number"))]
    return found


def has_price(text: str) -> bool:
    """Does the line state a price, sign included?"""
    return next(_signed(text[:_MAX_CHARACTERS]), None) is not None


def _signed(text: str) -> Iterator[PriceForm]:
    for match in _PRICE.finditer(text):
        currencies = candidates(match["before"] or match["after"])
        readings = tuple(read_number(match["first"] or match["second"], currencies[0]))
        per = _PER.match(text, match.end())
        if readings:
            yield PriceForm(currencies, readings, per["per"].lower().replace(" ", "") if per else None, *match.span())


def read_number(text: str, currency: str | None) -> list[Reading]:
    """What a number may mean, best first. ``1.299`` is a thousand and some, or one and some: both are given."""
    parts = re.split(rf"([.,'’]|{_GAP})", text)
    digits, separators = parts[0::2], parts[1::2]
    if not separators:
        return [Reading(Decimal(digits[0]), 1.0)]
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
