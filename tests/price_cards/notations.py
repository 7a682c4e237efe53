"""Prices in the ways that shops write them, each with its truth. The same generator gives the same wordings."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from tests.price_cards.wording import Piece, Strike, Truth, Wording, Words, plain

Style = tuple[str, str]  # thousands separator, decimal separator

_ENGLISH, _GERMAN, _FRENCH, _SWISS = (",", "."), (".", ","), (" ", ","), ("'", ".")
_CENTS = ("99", "95", "90", "50", "49", "00", "79", "25", "19", "88")
_SIGNS = {"$": None, "€": "EUR", "£": "GBP", "₹": "INR"}
_PER = {"/kg": "kg", "/100 g": "100g", " per 100 g": "100g", "/l": "l", "/m": "m", " per kg": "kg", "/100 ml": "100ml"}
_WAS = ("", "", "", "Was ", "RRP ")
_NOW = ("", "", "Now ", "Sale ")


def _amount(choose: random.Random, low: int = 1, high: int = 999, *, has_cents: bool = True) -> Decimal:
    """Small amounts are as likely as large ones."""
    whole = round(low * (high / low) ** choose.random())
    return Decimal(f"{whole}.{choose.choice(_CENTS)}") if has_cents else Decimal(whole)


def written(amount: Decimal, style: Style) -> str:
    """``1299.90`` with these separators."""
    return f"{amount:,}".translate({ord(","): style[0], ord("."): style[1]})


def _signed(choose: random.Random, amount: Decimal) -> tuple[str, str | None, str]:
    """Text with a sign before or after as its country does, currency as far as stated, and the sign."""
    sign = choose.choice(("$", "$", "€", "€", "£", "₹"))
    if sign == "€" and choose.random() < 0.7:
        text = f"{written(amount, choose.choice((_GERMAN, _FRENCH)))} €"
    elif sign == "€":
        text = f"€{choose.choice(('', ' '))}{written(amount, choose.choice((_ENGLISH, _GERMAN)))}"
    else:
        text = f"{sign}{written(amount, _ENGLISH)}"
    return text, _SIGNS[sign], sign


def _one(notation: str, text: str, amount: Decimal, currency: str | None, sign: str) -> Wording:
    return Wording(notation, ((plain(text),),), (Truth(str(amount), currency, sign),))


def sign_before(choose: random.Random) -> Wording:
    """``$12.50``."""
    amount, sign = _amount(choose), choose.choice(tuple(_SIGNS))
    return _one("sign before", f"{sign}{choose.choice(('', '', ' '))}{amount}", amount, _SIGNS[sign], sign)


def sign_after(choose: random.Random) -> Wording:
    """``12,50 €``."""
    amount = _amount(choose)
    text = f"{written(amount, _GERMAN)}{choose.choice((' ', ' ', ''))}€"
    return _one("sign after, decimal comma", text, amount, "EUR", "€")


def code(choose: random.Random) -> Wording:
    """``CHF 12.50``, ``12.50 USD``."""
    amount, name = _amount(choose), choose.choice(("USD", "EUR", "GBP", "INR", "CHF", "CAD", "SEK"))
    text = written(amount, _GERMAN if name == "EUR" and choose.random() < 0.5 else _ENGLISH)
    return _one("code", f"{name} {text}" if choose.random() < 0.6 else f"{text} {name}", amount, name, name)


def thousands(choose: random.Random) -> Wording:
    """``1.299,00 €``, ``$1,299.00``."""
    amount = _amount(choose, 1000, 9999, has_cents=choose.random() < 0.7)
    text, currency, sign = _signed(choose, amount)
    return _one("thousands", text, amount, currency, sign)


def spaced_thousands(choose: random.Random) -> Wording:
    """``1 299,00 €``, ``CHF 1'299.00``."""
    amount = _amount(choose, 1000, 29_999)
    if choose.random() < 0.5:
        return _one("thousands by space or apostrophe", f"{written(amount, _FRENCH)} €", amount, "EUR", "€")
    return _one("thousands by space or apostrophe", f"CHF {written(amount, _SWISS)}", amount, "CHF", "CHF")


def east_asian(choose: random.Random) -> Wording:
    """``¥459``, ``￥39.90``, ``599元``."""
    amount = _amount(choose, 9, 4999, has_cents=choose.random() < 0.3)
    text = written(amount, choose.choice((_ENGLISH, ("", "."))))
    sign = choose.choice(("¥", "¥", "￥", "元"))
    return _one(
        "yen, yuan", f"{text}元" if sign == "元" else f"{sign}{text}", amount, "CNY" if sign == "元" else None, sign
    )


def whole(choose: random.Random) -> Wording:
    """``$20``, ``20 €``, ``20,- €``, ``₹499``."""
    amount = _amount(choose, 5, 999, has_cents=False)
    text, currency, sign = choose.choice(
        (
            (f"${amount}", None, "$"), (f"£{amount}", "GBP", "£"), (f"{amount} €", "EUR", "€"), (f"€{amount}", "EUR", "€"),
            (f"₹{amount}", "INR", "₹"), (f"{amount},- €", "EUR", "€"), (f"{amount}.- CHF", "CHF", "CHF"),
        )
    )  # fmt: skip
    return _one("whole amounts", text, amount, currency, sign)


def raised_cents(choose: random.Random) -> Wording:
    """``$299⁹⁰`` without a point."""
    amount = _amount(choose, 1, 1999)
    before, cents = str(amount).split(".")
    digits = f"{int(before):,}" if choose.random() < 0.5 else before
    sign, size = choose.choice(tuple(_SIGNS)), choose.uniform(0.42, 0.62)
    pieces = [Piece(digits), Piece(cents, size, is_raised=True)]
    if sign == "€" and choose.random() < 0.5:
        digits = digits.replace(",", ".")
        pieces = [Piece(digits), Piece(cents, size, is_raised=True), Piece(" €")]
    elif choose.random() < 0.35:
        pieces.insert(0, Piece(sign, size, is_raised=True))
    else:
        pieces.insert(0, Piece(sign))
    return Wording(
        "raised cents without a point", ((Words(tuple(pieces)),),), (Truth(str(amount), _SIGNS[sign], sign),)
    )


def sale_pair(choose: random.Random) -> Wording:
    """The regular price struck out, the sale price beside or below it."""
    old = _amount(choose, 10, 900)
    new = (old * Decimal(choose.randint(40, 85)) / 100).quantize(Decimal(1)) + Decimal("0.99")
    state = choose.getstate()
    old_text, currency, sign = _signed(choose, old)
    choose.setstate(state)  # the same sign on the same side
    new_text, _, _ = _signed(choose, new)
    strikes: tuple[Strike, ...] = ("level", "level", "rising", "falling")
    strike = choose.choice(strikes)
    first = plain(old_text, choose.uniform(0.6, 1.0), strike)
    second = plain(choose.choice(_NOW) + new_text)
    rows: tuple[tuple[Words, ...], ...]
    rows = (
        ((first, second),) if choose.random() < 0.4 else choose.choice((((first,), (second,)), ((second,), (first,))))
    )
    truths = (Truth(str(old), currency, sign, is_struck=True), Truth(str(new), currency, sign, "sale"))
    name = "pairs, old price struck level" if strike == "level" else "pairs, old price struck aslant"
    return Wording(name, rows, truths)


def word_pair(choose: random.Random) -> Wording:
    """``Was $29.99 Now $19.99``."""
    old = _amount(choose, 10, 900)
    new = (old * Decimal(choose.randint(40, 85)) / 100).quantize(Decimal(1)) + Decimal("0.99")
    before, after = choose.choice((("Was", "Now"), ("RRP", "Sale"), ("UVP", "Nur"), ("Regular", "Only")))
    sign = "€" if before == "UVP" else choose.choice(tuple(_SIGNS))
    style = _GERMAN if before == "UVP" else _ENGLISH
    first, second = (plain(f"{word} {sign}{written(one, style)}") for word, one in ((before, old), (after, new)))
    truths = (
        Truth(str(old), _SIGNS[sign], sign, is_struck=True),
        Truth(str(new), _SIGNS[sign], sign, "sale"),
    )
    return Wording("pairs in words", ((first,), (second,)), truths)


def unit_price(choose: random.Random) -> Wording:
    """``1.99/kg``, ``€0,89 per 100 g``."""
    amount, (words, per) = _amount(choose, 1, 60), choose.choice(tuple(_PER.items()))
    if choose.random() < 0.4:
        text, currency, sign = str(amount), None, ""
    else:
        text, currency, sign = _signed(choose, amount)
    return Wording(
        "unit prices", ((plain(text + words),),), (Truth(str(amount), currency, sign, kind="unit", per=per),)
    )


def price_range(choose: random.Random) -> Wording:
    """``$10 - $20``, ``10–20 €``."""
    has_cents = choose.random() < 0.5
    low = _amount(choose, 5, 200, has_cents=has_cents)
    high = low + choose.randint(5, 300)
    sign = choose.choice(tuple(_SIGNS))
    dash = choose.choice((" - ", "-", " – ", "–"))
    if sign == "€" and choose.random() < 0.6:
        text = f"{written(low, _GERMAN)}{dash}{written(high, _GERMAN)} €"
    elif choose.random() < 0.75:
        text = f"{sign}{low}{dash}{sign}{high}"
    else:
        text = f"{sign}{low}{dash}{high}"
    truths = tuple(Truth(str(one), _SIGNS[sign], sign) for one in (low, high))
    return Wording("ranges", ((plain(text),),), truths)


NOTATIONS: tuple[Callable[[random.Random], Wording], ...] = (
    sign_before, sign_after, code, thousands, spaced_thousands, east_asian, whole, raised_cents, sale_pair, sale_pair,
    word_pair, unit_price, price_range,
)  # fmt: skip


def names() -> tuple[str, ...]:
    """Every notation's name, in turn."""
    found = (make(random.Random(seed)).notation for make in NOTATIONS for seed in range(20))
    return tuple(dict.fromkeys(found))
