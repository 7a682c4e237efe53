"""Prices as shops write them, in many countries."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.price_forms import find_forms, has_price, read_number
from model.prices import PriceHints, find_prices
from model.types import Price, ReadText, TextLine

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
NOTHING = PriceHints("", None, None)


def read(text: str, hints: PriceHints = NOTHING) -> list[Price]:
    """Prices in a picture that holds one line."""
    return find_prices([ReadText((TextLine(text, 1.0, SQUARE),))], hints)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$12.50", "12.50", "USD"), ("19,99 €", "19.99", "EUR"), ("€ 19,99", "19.99", "EUR"), ("£1,299.00", "1299.00", "GBP"),
        ("1.299,00 €", "1299.00", "EUR"), ("CHF 1'250.50", "1250.50", "CHF"), ("₹1,23,456", "123456", "INR"),
        ("¥4,980", "4980", "CNY"), ("1 299,00 kr", "1299.00", "SEK"), ("R$ 89,90", "89.90", "BRL"), ("HK$88", "88", "HKD"),
        ("49 zł", "49", "PLN"), ("USD 20", "20", "USD"), ("599元", "599", "CNY"), ("19,- €", "19", "EUR"),
    ],
)  # fmt: skip
def test_prices_of_many_countries(text: str, amount: str, currency: str) -> None:
    """Amount and currency are read, whatever the sign's side and the separators."""
    (price,) = read(text)
    assert (price.amount, price.currency) == (amount, currency)


@pytest.mark.parametrize(
    "text", ["Size 42", "50% off", "2026-11-24", "+49 30 1234567", "iPhone 15", "30 x 40 cm", "", "12.05.2024", "4.5/5"]
)
def test_numbers_that_are_no_prices(text: str) -> None:
    """Sizes, shares, dates, phone numbers and models are not taken for prices."""
    assert read(text) == []


def test_ambiguous_thousands_keep_the_other_reading() -> None:
    """``1.299 €`` is read as a thousand and some, and the other reading is kept."""
    (price,) = read("1.299 €")
    assert price.amount == "1299"
    assert [other.amount for other in price.alternatives] == ["1.299"]
    assert price.score > price.alternatives[0].score


def test_dollar_follows_the_listing() -> None:
    """A bare dollar sign means the listing's own currency, and says that it was inferred."""
    (price,) = read("$20", PriceHints("", "en-CA", None))
    assert (price.currency, price.currency_inferred) == ("CAD", True)
    (price,) = read("$20", PriceHints("", "en-CA", "AUD"))
    assert price.currency == "AUD"


def test_kinds_of_price() -> None:
    """Unit prices, old prices and sale prices are told apart."""
    (unit,) = read("1.99 €/kg")
    assert (unit.kind, unit.per) == ("unit", "kg")
    was, now = read("was $29.99 now $19.99")
    assert was.struck_out
    assert not now.struck_out
    assert now.kind == "sale"


@given(cents=st.integers(1, 99_999_999), style=st.sampled_from(["us", "de", "ch", "plain"]))
def test_written_amounts_come_back(cents: int, style: str) -> None:
    """An amount written with cents in any locale's way is read as that amount."""
    amount = Decimal(cents) / 100
    english = f"{amount:,.2f}"
    text = {
        "us": english,
        "de": english.translate(str.maketrans(",.", ".,")),
        "ch": english.replace(",", "'"),
        "plain": f"{amount:.2f}",
    }[style]
    assert read_number(text, "EUR")[0].amount == amount


@given(st.text(max_size=400))
def test_any_line_is_read_without_fault(text: str) -> None:
    """No line breaks the reader, and what it finds lies inside the line."""
    for form in find_forms(text):
        assert 0 <= form.start < form.end <= len(text)
        assert form.readings


def test_hostile_lines_are_read_in_linear_time() -> None:
    """Long runs of digits and separators do not make the patterns explode: this ends."""
    for text in ("1," * 50_000, "1 " * 50_000, "$" * 100_000, "1" * 100_000):
        assert has_price(text) in (True, False)
