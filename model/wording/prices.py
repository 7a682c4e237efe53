"""Prices read in pictures: amount, currency, kind, and what else the same characters might mean.

Score = the line's score x how clear the form is. A sign that several currencies share (`$`, `¥`, `kr`) names none by
itself: the listing's own currency settles it, or its language, or its title, and it is marked as inferred. The feed's
amount, where there is one, decides between readings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from model.types import Price, PriceAlternative, ReadText, TextLine
from model.wording.currencies import currency_in_title, currency_of
from model.wording.price_forms import PriceForm, Reading, find_forms, find_loose

PRICES_VERSION = "4"
_BARE_FORM = 0.5  # a number with cents and no sign
_UNIT_FORM = 0.85  # a number with cents and a unit, and no sign
_BY_FEED = 0.97  # a reading that the feed states too
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
    """What the listing itself says that helps to read a price. ``feed_amount``: in ``feed_currency``."""

    title: str
    language: str | None
    feed_currency: str | None
    feed_amount: Decimal | None = None


def find_prices(texts: Sequence[ReadText | None], hints: PriceHints) -> list[Price]:
    """All prices in the pictures, in reading order; ``image`` and ``line`` say where. At most 50."""
    found: list[Price] = []
    for image, text in enumerate(texts):
        if text is not None:
            forms = [_forms(line) for line in text.lines]
            if any(form.currencies for line in forms for form in line):
                forms = [one or _crossed_alone(line) for one, line in zip(forms, text.lines, strict=True)]
            here = [
                price
                for index, (line, one) in enumerate(zip(text.lines, forms, strict=True))
                for price in _in_line(line, one, image, index, hints)
            ]
            found += _as_sales(_with_shared_currency(here))
    return found[:_MAX_PRICES]


@dataclass(frozen=True, slots=True)
class _Stated:
    """A price; what currencies its sign may mean; and whether it was seen to have a line through it."""

    price: Price
    currencies: tuple[str, ...]
    is_crossed: bool


def _forms(line: TextLine) -> list[PriceForm]:
    """What the line states. Beside a price with a sign a crossed-out amount is an old price, whose sign is hidden."""
    forms = find_forms(line.text)
    return forms + _crossed(line, forms) if any(form.currencies for form in forms) else forms


def _crossed(line: TextLine, forms: Sequence[PriceForm]) -> list[PriceForm]:
    """Amounts outside ``forms`` with a line through them."""
    return [form for form in find_loose(line.text, forms) if _is_crossed(form, line)]


def _crossed_alone(line: TextLine) -> list[PriceForm]:
    """A line's amount with a line through it, and behind it at most one character: its sign, read as anything."""
    found = _crossed(line, ())
    return found if found and found[0].start == 0 and len(line.text.replace(" ", "")) <= found[0].end + 1 else []


def _in_line(
    line: TextLine, forms: Sequence[PriceForm], image: int, index: int, hints: PriceHints
) -> Iterator[_Stated]:
    """The prices of one line; the words between two prices belong to the second."""
    end = 0
    for form in sorted(forms, key=lambda one: one.start):
        price = _price(form, line, image, index, line.text[end : form.start], hints)
        yield _Stated(price, form.currencies, _is_crossed(form, line))
        end = form.end


def _is_crossed(form: PriceForm, line: TextLine) -> bool:
    return any(start < form.end and form.start < end for start, end in line.struck)


def _price(form: PriceForm, line: TextLine, image: int, index: int, before: str, hints: PriceHints) -> Price:
    currency, is_inferred = _currency(form, hints)
    clarity = 1.0 if form.currencies else _UNIT_FORM if form.per else _BARE_FORM
    best, *rest = _ranked(form, currency, hints)
    is_struck = bool(_STRUCK.search(before)) or _is_crossed(form, line)
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


def _ranked(form: PriceForm, currency: str | None, hints: PriceHints) -> list[Reading]:
    """The form's readings, best first: one that the feed states as well goes before the others."""
    readings = list(form.readings)
    if hints.feed_amount is None or currency is None or currency != hints.feed_currency:
        return readings
    first = readings[0].amount
    possible = [*readings, Reading(first / 100, 0.0)] if first == int(first) and first >= 100 else readings
    agreed = next((one for one in possible if one.amount == hints.feed_amount), None)
    if agreed is None:
        return readings
    others = [replace(one, score=round(one.score * (1 - _BY_FEED), 4)) for one in readings if one is not agreed]
    return [Reading(agreed.amount, max(_BY_FEED, agreed.score)), *others]


def _with_shared_currency(stated: Sequence[_Stated]) -> list[Price]:
    """Prices of one picture: one without a sign is in the currency that all others say.

    So is a crossed-out one whose sign says another: no old price is in another currency than the new, and lines through
    signs make others of them.
    """
    sure = {one.price.currency for one in stated if one.currencies and not one.price.currency_inferred}
    plain = {one.price.currency for one in stated if one.currencies and not one.is_crossed}
    return [_in_currency(one, plain if one.is_crossed and plain else sure) for one in stated]


def _in_currency(stated: _Stated, others: set[str | None]) -> Price:
    if len(others) != 1 or None in others:
        return stated.price
    (currency,) = others
    if currency is None or currency in stated.currencies:
        return stated.price
    if stated.currencies and not stated.is_crossed:
        return stated.price
    return replace(stated.price, currency=currency, currency_inferred=True)


def _as_sales(prices: Sequence[Price]) -> list[Price]:
    """Prices of one picture: the lower ones beside a struck one are sale prices."""
    struck = [Decimal(price.amount) for price in prices if price.struck_out]
    if not struck:
        return list(prices)
    highest = max(struck)
    return [
        replace(price, kind="sale")
        if price.kind == "regular" and not price.struck_out and Decimal(price.amount) < highest
        else price
        for price in prices
    ]


def _kind(form: PriceForm, text: str, *, is_struck: bool) -> Literal["regular", "sale", "unit"]:
    if form.per is not None:
        return "unit"
    return "sale" if _SALE.search(text) and not is_struck else "regular"


def _currency(form: PriceForm, hints: PriceHints) -> tuple[str | None, bool]:
    """The currency, and whether it was inferred rather than written."""
    if len(form.currencies) == 1:
        return form.currencies[0], False
    said = (hints.feed_currency, currency_of(hints.language), currency_in_title(hints.title))
    fit = (one for one in said if one is not None and (not form.currencies or one in form.currencies))
    currency = next(fit, None)
    return currency, currency is not None


def _plain(amount: Decimal) -> str:
    return format(amount, "f")
