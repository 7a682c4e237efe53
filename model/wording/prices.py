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
from model.wording.price_units import per_after
from model.wording.price_words import begins_saving, is_no_price

PRICES_VERSION = "10"
_BARE_FORM = 0.5  # a number with cents and no sign
_UNIT_FORM = 0.85  # a number with cents and a unit, and no sign
_BY_FEED = 0.97  # a reading that the feed states too
_MAX_PRICES = 50
_MAX_FORMS = 4 * _MAX_PRICES  # amounts of one picture that are looked at, prices or not
_LETTER = re.compile(r"[^\W\d_]")

_STRUCK = re.compile(
    r"\b(?:was|statt|uvp|rrp|msrp|instead of|reg\.?|regular|list price|antes|avant|au lieu de"
    r"|vorher|bisher|ancien prix|precio anterior)\b|原价|定价|市场价|吊牌价|划线价",
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
    """All prices in the pictures, in reading order; ``image`` and ``line`` say where.

    The event loop waits for this, so it is bounded: at most 50 prices, of those lines of each picture that state its
    first 200 amounts.
    """
    found: list[Price] = []
    for image, text in enumerate(texts):
        if len(found) >= _MAX_PRICES:
            break
        if text is not None:
            found += _in_picture(text.lines, image, hints)
    return found[:_MAX_PRICES]


def _in_picture(lines: Sequence[TextLine], image: int, hints: PriceHints) -> list[Price]:
    forms = _forms_of(lines)
    lines = lines[: len(forms)]
    if any(form.currencies for line in forms for form in line):
        forms = [one or _crossed_alone(line) for one, line in zip(forms, lines, strict=True)]
    forms = _with_units(forms, lines)
    here = [
        price
        for index, (line, one) in enumerate(zip(lines, forms, strict=True))
        for price in _in_line(line, one, image, index, hints)
    ]
    return _as_sales(_with_shared_currency(here))


@dataclass(frozen=True, slots=True)
class _Stated:
    """A price; what currencies its sign may mean; and whether it was seen to have a line through it."""

    price: Price
    currencies: tuple[str, ...]
    is_crossed: bool


def _forms_of(lines: Sequence[TextLine]) -> list[list[PriceForm]]:
    """What each line states, up to the line with the last amount that is looked at."""
    found: list[list[PriceForm]] = []
    num_forms = 0
    for line in lines:
        if num_forms >= _MAX_FORMS:
            break
        found.append(_forms(line))
        num_forms += len(found[-1])
    return found


def _forms(line: TextLine) -> list[PriceForm]:
    """What the line states. Beside a price with a sign a crossed-out amount is an old price, whose sign is hidden."""
    forms = find_forms(line.text)
    return forms + _crossed(line, forms) if any(form.currencies for form in forms) else forms


def _with_units(forms: Sequence[list[PriceForm]], lines: Sequence[TextLine]) -> list[list[PriceForm]]:
    """``1€99`` and below it ``le kg``: a line of nothing but a unit belongs to the price that ends the line before."""
    found = [list(line) for line in forms]
    for here, line, below in zip(found, lines, lines[1:], strict=False):
        if here and here[-1].per is None and here[-1].end == len(line.text.rstrip()) and _LETTER.search(below.text):
            per, end = per_after(below.text, 0)
            if per is not None and end == len(below.text.rstrip()):
                here[-1] = replace(here[-1], per=per)
    return found


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
    """The prices of one line; the words between two amounts belong to the second. What is no price is left out."""
    ordered = sorted(forms, key=lambda one: one.start)
    end, old = 0, None
    for place, form in enumerate(ordered):
        before, is_last = line.text[end : form.start], place + 1 == len(ordered)
        after = line.text[form.end :] if is_last else line.text[form.end : ordered[place + 1].start]
        end = form.end
        if is_no_price(before, "" if begins_saving(after) and not is_last else after, is_first=place == 0):
            old = None
            continue
        price = _price(form, line, (image, index), (before, after if is_last else ""), hints)
        if old is not None and not before.strip() and _is_lower(price, old):
            price = replace(price, kind="sale")
        yield _Stated(price, form.currencies, _is_crossed(form, line))
        old = price


def _is_lower(price: Price, old: Price) -> bool:
    """``£35.00 £17.50``: side by side and falling, the second is what is asked now."""
    kinds = {price.kind, old.kind}
    return kinds == {"regular"} and price.currency == old.currency and Decimal(price.amount) < Decimal(old.amount)


def _is_crossed(form: PriceForm, line: TextLine) -> bool:
    return any(start < form.end and form.start < end for start, end in line.struck)


def _price(form: PriceForm, line: TextLine, place: tuple[int, int], words: tuple[str, str], hints: PriceHints) -> Price:
    """``place``: of picture and line; ``words``: before and behind it."""
    currency, is_inferred = _currency(form, hints)
    clarity = 1.0 if form.currencies or _is_money(form, line) else _UNIT_FORM if form.per else _BARE_FORM
    best, *rest = _ranked(form, currency, hints)
    is_struck = bool(_STRUCK.search(words[0])) or _is_crossed(form, line)
    return Price(
        amount=_plain(best.amount),
        currency=currency,
        currency_inferred=is_inferred,
        kind=_kind(form, " ".join(words), is_struck=is_struck),
        per=form.per,
        struck_out=is_struck,
        image=place[0],
        line=place[1],
        score=round(line.score * clarity * best.score, 4),
        alternatives=tuple(
            PriceAlternative(_plain(other.amount), currency, round(line.score * clarity * other.score, 4))
            for other in rest
        ),
    )


def _is_money(form: PriceForm, line: TextLine) -> bool:
    """``99,-``: no sign, but only money is written so."""
    return line.text[form.end - 1] in "-–—"


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
