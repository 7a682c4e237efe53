"""Prices read in pictures: amount, currency, kind, and what else the same characters might mean.

Score = the line's score x how clear the form is. A sign that several currencies share is settled by the listing's own
currency, then by its language, and marked as inferred; without either the likeliest is given, inferred as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from model.currencies import currency_of
from model.price_forms import PriceForm, find_forms
from model.types import Price, PriceAlternative, ReadText, TextLine

PRICES_VERSION = "1"
_BARE_FORM = 0.5  # a number with cents and no sign
_GUESSED_CURRENCY = 0.8
_MAX_PRICES = 50

_STRUCK = re.compile(
    r"\b(?:was|statt|uvp|rrp|msrp|instead of|reg\.?|regular|list price|antes|avant|au lieu de)\b|原价|定价",
    re.IGNORECASE,
)
_SALE = re.compile(
    r"\b(?:sale|now|only|offer|special|deal|angebot|jetzt|nur|soldes?|promo|oferta|ahora|aktion)\b|特价|现价|促销|优惠|活动价",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PriceHints:
    """What the listing itself says that helps to read a price."""

    title: str
    language: str | None
    feed_currency: str | None


def find_prices(texts: Sequence[ReadText | None], hints: PriceHints) -> list[Price]:
    """All prices in the pictures, in reading order; ``image`` and ``line`` say where. At most 50."""
    found = [
        price
        for image, text in enumerate(texts)
        if text is not None
        for index, line in enumerate(text.lines)
        for price in _in_line(line, image, index, hints)
    ]
    return found[:_MAX_PRICES]


def _in_line(line: TextLine, image: int, index: int, hints: PriceHints) -> Iterator[Price]:
    """The prices of one line; the words between two prices belong to the second."""
    end = 0
    for form in find_forms(line.text):
        yield _price(form, line, image, index, line.text[end : form.start], hints)
        end = form.end


def _price(form: PriceForm, line: TextLine, image: int, index: int, before: str, hints: PriceHints) -> Price:
    currency, is_inferred = _currency(form, hints)
    clarity = 1.0 if form.currencies else _BARE_FORM
    if is_inferred and len(form.currencies) > 1 and currency == form.currencies[0] and not _hinted(hints):
        clarity *= _GUESSED_CURRENCY
    best, *rest = form.readings
    is_struck = bool(_STRUCK.search(before))
    return Price(
        amount=_plain(best.amount),
        currency=currency,
        currency_inferred=is_inferred,
        kind=_kind(form, before + line.text[form.end :], is_struck=is_struck),
        per=form.per,
        struck_out=is_struck,
        image=image,
        line=index,
        score=round(line.score * clarity * best.score, 4),
        alternatives=tuple(
            PriceAlternative(_plain(other.amount), currency, round(line.score * clarity * other.score, 4))
            for other in rest
        ),
    )


def _kind(form: PriceForm, text: str, *, is_struck: bool) -> Literal["regular", "sale", "unit"]:
    if form.per is not None:
        return "unit"
    return "sale" if _SALE.search(text) and not is_struck else "regular"


def _currency(form: PriceForm, hints: PriceHints) -> tuple[str | None, bool]:
    """The currency, and whether it was inferred rather than written."""
    if len(form.currencies) == 1:
        return form.currencies[0], False
    hinted = _hinted(hints)
    if not form.currencies:
        return hinted, hinted is not None
    return (hinted if hinted in form.currencies else form.currencies[0]), True


def _hinted(hints: PriceHints) -> str | None:
    return hints.feed_currency or currency_of(hints.language)


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
