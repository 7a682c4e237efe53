"""How prices are written: a sign or code and a number, in any locale's way. Pure and linear in the line's length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from model.wording.currencies import CODES, SIGNS, THREE_DECIMALS, WITHOUT_CENTS, candidates
from model.wording.price_units import per_after, per_before

_MAX_CHARACTERS = 300
_GAP = "[ \u00a0\u202f]"
RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"  # cents without a point, as the reader writes them
_NUMBER = rf"\d{{1,9}}(?:(?:[.,'’]|{_GAP}(?=\d{{2,3}}(?!\d)))\d{{1,3}}){{0,4}}(?:[.,]?[{RAISED}]{{2}})?"
_WORDS = sorted(
    (sign for sign in SIGNS if sign[0].isalpha() and sign.isascii() and "$" not in sign), key=len, reverse=True
)
_MARKS = sorted((sign for sign in SIGNS if sign not in _WORDS), key=len, reverse=True)
_CODE = "|".join(sorted(CODES))
_MARK = "|".join(re.escape(mark) + (r"(?!(?!ồng)\w)" if mark == "đ" else "") for mark in _MARKS)  # "2 đôi" is a count
_WORD = "|".join(re.escape(word) for word in _WORDS)
_SIGN = _MARK + rf"|(?<![\w-])(?:{_WORD}|{_CODE})(?![A-Za-z])"
_AFTER_SIGN = _MARK + rf"|(?:{_WORD}|{_CODE})(?![A-Za-z])"
_DASH = "[-–—]"
_TAIL = rf"(?:[.,]?{_DASH}(?!\d)|\.)?"
_CENTS = rf"(?:\d{{2}}|[{RAISED}]{{2}})"
# "1€99" anywhere; with a blank or another sign only alone in its line: "Pack 6 €12", "iPhone 15$99" are other things.
_NO_CENTS_BEFORE = rf"[\d{RAISED}%]|(?!l[ea]s?\b|lekg)[^\W\d_]|[.,]\d|{_GAP}?[$€£]"
_BETWEEN = rf"(?P<whole>\d{{1,4}})€(?P<cents>{_CENTS})(?!{_NO_CENTS_BEFORE})"
_BETWEEN_ALONE = re.compile(rf"\s*(?P<whole>\d{{1,4}}){_GAP}?(?P<after>[€£$]){_GAP}?(?P<cents>{_CENTS})\s*")
_PRICE = re.compile(
    rf"(?<![\d.,€]){_BETWEEN}"
    rf"|(?P<before>{_SIGN})\s?(?P<first>{_NUMBER})(?:[.,]{_DASH}+)?(?![\d{RAISED}])"
    rf"|(?<![\d.,])(?P<second>{_NUMBER})(?:{_TAIL}\s?)(?P<after>(?:{_AFTER_SIGN}))"
    rf"(?:(?!\s?[\d{RAISED}])|(?=\s?{_NUMBER}\s?(?P=after)(?!\s?\d)))"  # "17,95 € 10,99 €": each before its sign
    rf"|(?<![\d.,])(?P<third>{_NUMBER}(?=€)|\d{{1,6}}[.,]\d{{2}}(?=\s€))\s?€"
    r"(?=\s\d{1,4}(?!\d|[.,]\d{2}|\s?€))"  # "3€ 12 pièces": the number behind is no amount
)
_TO = re.compile(rf"\s?(?:{_DASH}|to|bis|~|～)\s?(?P<number>{_NUMBER})(?![\d{RAISED}%])(?![.,]\d)")
_FROM = re.compile(rf"(?<![\w.,'’+/-])(?P<number>{_NUMBER})\s?(?:{_DASH}|to|bis|~|～)\s?$")
_PRICE_WORD = (
    r"(?:was|now|only|from|sale|price|rrp|msrp|uvp|statt|nur|jetzt|ab|prix|solde|antes|ahora|reg(?:\.|ular)?|special)"
)
_BARE = re.compile(
    rf"^\s*(?:{_PRICE_WORD}[:\s]?\s*){{0,2}}"  # "UVP7.49": blanks are lost in reading
    rf"(?P<number>\d{{1,6}}(?:[.,'’]\d{{3}}){{0,2}}(?:[.,]\d{{2}}|[.,]?[{RAISED}]{{2}}))\s?\*{{0,2}}\s*$",
    re.IGNORECASE,
)
_LOOSE = re.compile(r"(?<![\d.,])\d{1,3}(?:(?:[.,'’]\d{3})+|\d{0,3})[.,]\d{2}(?![\d%])")
_UNSIGNED = re.compile(r"(?<![\d.,'’/])(?P<number>\d{1,4}[.,]\d{2})(?=\s?(?:/|per\b|pro\b|je\b))")
_MONEY_DASH = re.compile(
    rf"(?<![\w.,'’/-])(?P<number>\d{{2,4}}|\d{{1,3}}(?:[.]|{_GAP})\d{{3}})(?:,{_DASH}{{1,2}}|(?P<kronor>:-))(?![\w)(-])"
)
_FRANCS_ALONE = re.compile(
    rf"^\s*(?:{_PRICE_WORD}[:\s]\s*)?(?P<number>\d{{1,4}}|\d{{1,3}}['’,]\d{{3}})\.{_DASH}{{1,2}}\s*\*?\s*$",
    re.IGNORECASE,
)
_MINOR = re.compile(
    rf"(?<![\w.,'’/-])(?P<number>\d{{1,2}}){_GAP}?¢(?!\w)"
    rf"|(?<![\w.,'’/-])(?P<pence>\d{{1,3}})p(?={_GAP}?(?:/|per\b|each\b))"
    r"|^\s*(?:(?:only|just|now|was)\s)?(?P<alone>(?!30|60)[1-9][059])p\s*$",
    re.IGNORECASE,
)
_NO_STROKE = re.compile(r"(?<=[.,]\d\d)(?P<gap>\s?)z[tl](?!\w)|(?<=\d)(?P<blank>\s)z[tl](?!\w)")
_TO_PLAIN = str.maketrans(RAISED, "0123456789")
_FEWEST = {"Ft": 100, "HUF": 100, "TL": 10}  # "6 Ft" is a length, and "2 TL" are spoons of a German recipe
_CE_NUMBER = re.compile(r"0\d{3}")  # of who examined a product: OCR reads the mark before it as a euro sign
_DATE = re.compile(r"(?P<day>0?[1-9]|[12]\d|3[01])\.(?P<month>0?[1-9]|1[0-2])")


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
    text = _NO_STROKE.sub(lambda match: f"{match['gap'] or match['blank'] or ''}zł", text[:_MAX_CHARACTERS])
    found = list(_between_alone(text)) or list(_signed(text))
    found += [form for form in _special(text) if all(form.end <= one.start or one.end <= form.start for one in found)]
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


def _between_alone(text: str) -> Iterator[PriceForm]:
    """``1 €99``, ``5$99``, if the line says nothing else: the sign may also have stood before a second number."""
    match = _BETWEEN_ALONE.fullmatch(text)
    if match is not None and (match["after"] != "$" or " " not in text.strip()):
        best, _ = _with_raised(match["whole"] + match["cents"])
        other = Reading(Decimal(match["cents"].translate(_TO_PLAIN)), 0.02)
        yield PriceForm(candidates(match["after"]), (best, other), None, match.start("whole"), match.end("cents"))


def _special(text: str) -> Iterator[PriceForm]:
    """``99,-``, ``1 495:-``, ``99¢``, ``30p per 100g``; ``5.-`` alone in its line, as the Swiss and Thais write: no
    sign before or after a whole amount.
    """
    if match := _FRANCS_ALONE.match(text):
        amount = Decimal(re.sub(r"\D", "", match["number"]))
        yield PriceForm((), (Reading(amount, 0.9),), None, *match.span("number"))
    for match in _MONEY_DASH.finditer(text):
        amount = Decimal(re.sub(r"\D", "", match["number"]))
        currencies = candidates("kr") if match["kronor"] else ()
        yield PriceForm(currencies, (Reading(amount, 0.9),), None, *match.span())
    for match in _MINOR.finditer(text):
        digits = match["number"] or match["pence"] or match["alone"]
        score = 0.6 if match["alone"] else 0.9
        per, _ = per_after(text, match.end())
        currencies = candidates("$") if match["number"] else ("GBP",)
        yield PriceForm(currencies, (Reading(Decimal(digits).scaleb(-2), score),), per, *match.span())


def _signed(text: str) -> Iterator[PriceForm]:
    end = 0
    for match in _PRICE.finditer(text):
        if match["cents"]:
            per, end = per_after(text, match.end())
            best = _with_raised(match["whole"] + match["cents"])[:1]
            yield PriceForm(("EUR",), tuple(best), per, *match.span())
            continue
        if match["before"] and match["before"] in "$€£" and match.start() > end and text[match.start() - 1].isdigit():
            continue  # "1€5": whatever it is, not 5 €
        if match["before"] == "Fr." and _is_date(match["first"], text[match.end() : match.end() + 1]):
            continue
        number = match["first"] or match["second"] or match["third"]
        if _CE_NUMBER.fullmatch(number):
            continue
        sign = match["before"] or match["after"] or "€"
        currencies = candidates(sign)
        readings = tuple(read_number(number, currencies[0]))
        if readings[0].amount < _FEWEST.get(sign, 0):
            continue
        if match["after"] and (lower := _FROM.search(text, end, match.start())):
            yield from _other_end(lower, currencies, readings[0].amount, is_lower=True)
        per, next_end = per_after(text, match.end())
        per = per or per_before(text, end, match.start(), match.end())
        end = next_end
        yield PriceForm(currencies, readings, per, *match.span())
        if match["before"] and (upper := _TO.match(text, match.end())):
            yield from _other_end(upper, currencies, readings[0].amount, is_lower=False)


def _is_date(number: str, behind: str) -> bool:
    """``ab Fr. 14.11.`` is a Friday: francs have no point behind them, and no coin below five centimes."""
    date = _DATE.fullmatch(number)
    return date is not None and (behind == "." or int(date["month"]) % 5 > 0)


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
        per, _ = per_after(text, match.end())
        if per is not None:
            yield PriceForm((), tuple(read_number(match["number"], None)), per, *match.span("number"))


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
