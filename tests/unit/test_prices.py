"""Prices as shops write them, in many countries."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.types import Price, ReadText, TextLine
from model.wording.price_forms import find_forms, has_price, read_number
from model.wording.prices import PriceHints, find_prices

SQUARE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
NOTHING = PriceHints("", None, None)


def read(text: str, hints: PriceHints = NOTHING) -> list[Price]:
    """Prices in a picture that holds one line."""
    return find_prices([ReadText((TextLine(text, 1.0, SQUARE),))], hints)


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("US$12.50", "12.50", "USD"), ("19,99 €", "19.99", "EUR"), ("€ 19,99", "19.99", "EUR"), ("£1,299.00", "1299.00", "GBP"),
        ("1.299,00 €", "1299.00", "EUR"), ("CHF 1'250.50", "1250.50", "CHF"), ("₹1,23,456", "123456", "INR"),
        ("4,980円", "4980", "JPY"), ("1 299,00 SEK", "1299.00", "SEK"), ("R$ 89,90", "89.90", "BRL"), ("HK$88", "88", "HKD"),
        ("1.299,90 TL", "1299.90", "TRY"), ("Rp. 99.000", "99000", "IDR"), ("1.290.000đ", "1290000", "VND"),
        ("50.000 đồng", "50000", "VND"), ("99.000đ/kg", "99000", "VND"), ("1 990 руб.", "1990", "RUB"), ("49 zł", "49", "PLN"), ("Fr. 14.50", "14.50", "CHF"), ("ab Fr. 9.05", "9.05", "CHF"), ("USD 20", "20", "USD"), ("599元", "599", "CNY"), ("19,- €", "19", "EUR"),
    ],
)  # fmt: skip
def test_prices_of_many_countries(text: str, amount: str, currency: str) -> None:
    """Amount and currency are read, whatever the sign's side and the separators."""
    (price,) = read(text)
    assert (price.amount, price.currency) == (amount, currency)


@pytest.mark.parametrize(
    "text",
    [
        "5 Ft tall", "Mo-Fr. 9.00", "ab Fr. 14.11.", "Do. 13.11. - Fr. 14.11.", "Fr. 5.10.2026", "ab Fr. 7.11", "XS 34",
        "3.5 g/100 g", "S 36", "8.30-17.00 Uhr", "Size 42", "50% off", "2026-11-24", "+49 30 1234567", "iPhone 15",
        "30 x 40 cm", "", "12.05.2024", "4.5/5", "1080p", "4K 60p", "60p", "5:-)", "12,-13", "3,-", "12zt", "0.5 ct",
        "5.- und 6.", "No 5.-", "12 đôi", "Size 3 đen", "2 TL Zucker", "1 TL", "UK 8 / EU 42.5", "€0123", "€ 0197",
    ],
)  # fmt: skip
def test_numbers_that_are_no_prices(text: str) -> None:
    """Sizes, shares, dates, phone numbers and models are not taken for prices."""
    assert read(text) == []


@pytest.mark.parametrize("text", ["$12.50", "¥4,980", "￥39.90", "1 299,00 kr", "Rs. 499"])
def test_signs_that_several_currencies_share_name_none(text: str) -> None:
    """Without a word from the listing the amount is read, and no currency is made up."""
    (price,) = read(text)
    assert (price.currency, price.currency_inferred) == (None, False)


@pytest.mark.parametrize(
    ("text", "hints", "currency"),
    [
        ("$20", PriceHints("Mug, ships from Canada, 20 CAD", None, None), "CAD"),
        ("¥459", PriceHints("绿色行李箱", None, None), "CNY"), ("¥459", PriceHints("スーツケース 緑色", None, None), "JPY"),
        ("¥459", PriceHints("green suitcase", "ja", None), "JPY"), ("$20", PriceHints("Mug", "de", "EUR"), None),
        ("$20", PriceHints("USD or CAD", None, None), None), ("$20", PriceHints("", "en-AU", "EUR"), "AUD"),
    ],
)  # fmt: skip
def test_listing_decides_what_a_sign_means(text: str, hints: PriceHints, currency: str | None) -> None:
    """Feed, language or title settle a shared sign, if what they say can be meant by it."""
    (price,) = read(text, hints)
    assert (price.currency, price.currency_inferred) == (currency, currency is not None)


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("$10 - $20", ["10", "20"]), ("10-20 €", ["10", "20"]), ("$34.25-250.25", ["34.25", "250.25"]), ("£11 – 160", ["11", "160"]),
        ("6,90 bis 180,90 €", ["6.90", "180.90"]), ("€20-10", ["20"]), ("SM-12 – 99 €", ["99"]),
    ],
)  # fmt: skip
def test_both_ends_of_a_range(text: str, amounts: list[str]) -> None:
    """A sign at one end speaks for both, if the ends are the right way round."""
    assert [price.amount for price in read(text)] == amounts
    assert len({price.currency for price in read(text)}) == 1


@pytest.mark.parametrize(
    ("text", "amount", "per"),
    [("1.99/kg", "1.99", "kg"), ("0,89 per 100 g", "0.89", "100g"), ("$4.50/l", "4.50", "l"), ("$4.50/1", "4.50", "l"), ("1.88/", "1.88", "l"), ("2,49 €/100 ml", "2.49", "100ml")],
)  # fmt: skip
def test_unit_prices(text: str, amount: str, per: str) -> None:
    """With a sign or without, what a price is per is said."""
    (price,) = read(text)
    assert (price.amount, price.kind, price.per) == (amount, "unit", per)


@pytest.mark.parametrize("text", ["S/M 19,99 €", "L = 25 €", "500 g 2,49 €", "2x £5", "$20 a pair"])
def test_sizes_and_counts_beside_prices_are_no_units(text: str) -> None:
    """What a pack holds, a size of clothes and a number of pieces do not make a unit price."""
    (price,) = read(text)
    assert (price.kind, price.per) == ("regular", None)


def test_a_unit_on_the_next_line_belongs_to_the_price() -> None:
    """A line of nothing but a unit speaks of the price that ends the line before; other words do not."""
    price, unit, word = (TextLine(text, 1.0, SQUARE) for text in ("1€89", "le kg", "le kg de fraises"))
    (found,) = find_prices([ReadText((price, unit))], NOTHING)
    assert (found.amount, found.kind, found.per) == ("1.89", "unit", "kg")
    (found,) = find_prices([ReadText((price, word))], NOTHING)
    assert found.kind == "regular"


def test_raised_digits_are_cents() -> None:
    """``$299⁹⁰`` is read as 299.90; the reading a hundred times as high stays an alternative far below."""
    (price,) = read("$299⁹⁰")
    assert price.amount == "299.90"
    assert [other.amount for other in price.alternatives] == ["29990"]
    assert price.score > 0.9 > price.alternatives[0].score


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("48,88€ 26,99€", ["48.88", "26.99"]), ("17,95€10,99 €", ["17.95", "10.99"]), ("€48,88 €26,99", ["48.88", "26.99"]),
        ("Now 36,99 € 40,00 €", ["36.99", "40.00"]), ("$20 $30", ["20", "30"]), ("Pack 6 €12", ["12"]),
        ("2,49 € 1 kg", ["2.49"]), ("3€ 12 pièces", ["3"]),
    ],
)  # fmt: skip
def test_signs_of_two_prices_on_a_line(text: str, amounts: list[str]) -> None:
    """A sign between two amounts is the first's where another follows the second, else the second's."""
    assert [price.amount for price in read(text)] == amounts


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("1€99", ["1.99"]), ("12€50", ["12.50"]), ("0€95", ["0.95"]), ("99€90", ["99.90"]), ("1 € 99", ["1.99"]),
        ("1€99 le kg", ["1.99"]), ("1€99 2€50", ["1.99", "2.50"]), ("seulement 3€50 !", ["3.50"]), ("5$99", ["5.99"]),
        ("17€ 99€", ["17", "99"]), ("€20 €30", ["20", "30"]), ("iPhone 15 $99", ["99"]), ("£35.00£17.50", ["35.00", "17.50"]),
        ("1€5", []), ("20€50ml", []),
    ],
)  # fmt: skip
def test_a_sign_in_place_of_the_point(text: str, amounts: list[str]) -> None:
    """``1€99`` is never 99 €; a sign that begins another price is no point."""
    assert [price.amount for price in read(text)] == amounts


@pytest.mark.parametrize(
    "text",
    [
        "Save £50", "You save: $12.50", "$5 OFF", "£10off", "Sie sparen 20 €", "20 € Rabatt", "-5 €", "5 € günstiger",
        "Économisez 20 €", "20 € de remise", "Ahorra 20 €", "20 € de descuento", "立减20元", "100円引き",
        "Free delivery over €50", "freeshippingover€50", "Free shipping on orders of $50 or more", "when you spend £40",
        "Versandkostenfrei ab 29 €", "ab 50 € versandkostenfrei", "ab einem Wert von 50 €", "Mindestbestellwert 20 €",
        "Livraison offerte à partir de 50 € d'achat", "Envío gratis a partir de 50 €", "满50元包邮", "3000円以上", "up to $500",
        "zzgl. 4,95 € Versand", "Shipping: $4.99", "Frais de port 5,90 €", "Gastos de envío 3 €", "Pfand 0,25 €", "运费10元",
        "满199元减20元", "10 € Rabatt ab 50 € Einkaufswert",
    ],
)  # fmt: skip
def test_savings_conditions_and_costs_are_no_prices(text: str) -> None:
    """What is taken off, what an order must come to, and what delivery costs is not what the goods cost."""
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "amounts"),
    [
        ("Was £249 Save £50 Now £199", ["249", "199"]), ("£30 (save £20)", ["30"]), ("Sparpreis 20 €", ["20"]),
        ("mit Rabatt 20 €", ["20"]), ("Preiswert 5 €", ["5"]), ("$25 Off-White shirt", ["25"]), ("优惠价¥20", ["20"]),
        ("19,99 € inkl. Versand", ["19.99"]), ("inkl. Versand 19,99 €", ["19.99"]), ("Free shipping £19.99", ["19.99"]),
        ("Livraison gratuite 19,99 €", ["19.99"]), ("¥50包邮", ["50"]), ("ab 9,99 €", ["9.99"]), ("from $49.95", ["49.95"]),
        ("Einkaufstasche ab 9,99 €", ["9.99"]), ("Order from $9.99", ["9.99"]), ("$10 off $20", ["20"]),
    ],
)  # fmt: skip
def test_prices_beside_such_words_stay_prices(text: str, amounts: list[str]) -> None:
    """A word speaks of the amount right beside it only, and a part of a longer word says nothing."""
    assert [price.amount for price in read(text)] == amounts


def test_a_saving_still_tells_that_a_line_is_about_money() -> None:
    """It is no price of the goods, yet the line is none of title or description."""
    assert has_price("Save £50")


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("5.-", "5", None), ("nur 39.–", "39", None), ("1'290.-", "1290", None), ("99,-", "99", None),
        ("Statt 129,- nur", "129", None), ("1.299,-", "1299", None), ("129,99 zt", "129.99", "PLN"),
        ("49 zl", "49", "PLN"), ("99¢", "0.99", None), ("99p", "0.99", "GBP"), ("30p per 100g", "0.30", "GBP"),
    ],
)  # fmt: skip
def test_whole_amounts_and_cents_without_a_usual_sign(text: str, amount: str, currency: str | None) -> None:
    """A dash in place of cents, pence and cents by their letter, and a zł whose stroke was not read."""
    (price,) = read(text)
    assert (price.amount, price.currency) == (amount, currency)


def test_kronor_by_dash_follow_the_listing() -> None:
    """``1 495:-`` is in the crowns of the listing's country."""
    (price,) = read("1 495:-", PriceHints("", "sv", None))
    assert (price.amount, price.currency, price.currency_inferred) == ("1495", "SEK", True)
    (price,) = read("1 495:-", PriceHints("", "de", "EUR"))
    assert price.currency is None


def test_a_crossed_out_amount_beside_a_price_is_an_old_price() -> None:
    """The line through it may hide its sign; without the line, or without the price, it is just a number."""
    crossed = TextLine("489.95 Now ₹348.99", 1.0, SQUARE, struck=((0, 6),))
    old, new = find_prices([ReadText((crossed,))], NOTHING)
    assert (old.amount, old.currency, old.struck_out, old.currency_inferred) == ("489.95", "INR", True, True)
    assert (new.amount, new.kind) == ("348.99", "sale")
    assert [price.amount for price in read("489.95 Now ₹348.99")] == ["348.99"]
    assert [price.amount for price in read("383,95.€.")] == ["383.95"]
    assert find_prices([ReadText((TextLine("489.95 mm", 1.0, SQUARE, struck=((0, 6),)),))], NOTHING) == []


def test_a_crossed_out_amount_on_its_own_line_is_an_old_price_too() -> None:
    """Whatever its struck sign was taken for, if another line states a price."""
    crossed = TextLine("71,99 G", 1.0, SQUARE, struck=((0, 5),))
    old, new = find_prices([ReadText((crossed, TextLine("41,99 €", 1.0, SQUARE)))], NOTHING)
    assert (old.amount, old.currency, old.struck_out, new.kind) == ("71.99", "EUR", True, "sale")
    times, model = (TextLine(text, 1.0, SQUARE, struck=((0, 5),)) for text in ("16.45 Uhr", "V1.19"))
    for line in (TextLine("71,99 G", 1.0, SQUARE), times, model):
        assert len(find_prices([ReadText((line, TextLine("41,99 €", 1.0, SQUARE)))], NOTHING)) == 1


@pytest.mark.parametrize(
    ("old", "currency", "is_inferred"), [("¥16.25", "INR", True), ("€16.25", "INR", True), ("₹16.25", "INR", False)]
)
def test_old_prices_are_in_the_new_ones_currency(old: str, currency: str, is_inferred: bool) -> None:
    """A line through a sign makes another of it; of two prices without a line, each keeps its own."""
    new = TextLine("₹12.99", 1.0, SQUARE)
    first, _ = find_prices([ReadText((TextLine(old, 1.0, SQUARE, struck=((0, 6),)), new))], NOTHING)
    assert (first.currency, first.currency_inferred) == (currency, is_inferred)
    both = find_prices([ReadText((TextLine("€16.25", 1.0, SQUARE), new))], NOTHING)
    assert [price.currency for price in both] == ["EUR", "INR"]


def test_crossed_out_prices_do_not_outvote_two_currencies() -> None:
    """Where the others differ among themselves, the old price stays as it was read."""
    lines = (
        TextLine("£16.25", 1.0, SQUARE, struck=((0, 6),)), TextLine("₹12.99", 1.0, SQUARE), TextLine("€9.99", 1.0, SQUARE),
    )  # fmt: skip
    assert find_prices([ReadText(lines)], NOTHING)[0].currency == "GBP"


def test_raised_digits_make_a_price_without_a_sign() -> None:
    """Nothing but money is written so; still no currency is stated, and it is far from sure."""
    (price,) = read("299⁹⁰")
    assert (price.amount, price.currency) == ("299.90", None)
    assert price.score <= 0.5


@pytest.mark.parametrize("text", ["UVP 7.49", "UVP7.49", "UVP ab 7.49", "uvp: 7.49"])
def test_words_before_a_price_without_a_sign(text: str) -> None:
    """One or two, with or without the blanks that reading loses: an old price."""
    (price,) = read(text)
    assert (price.amount, price.struck_out) == ("7.49", True)


@pytest.mark.parametrize("text", ["0.69*", "0,69 *", "ab 0.69**", "0⁶⁹*"])
def test_a_star_behind_a_price_without_a_sign_points_to_a_footnote(text: str) -> None:
    """It makes no more of the number, and no less."""
    (price,) = read(text)
    assert (price.amount, price.currency) == ("0.69", None)
    assert price.score <= 0.5


@pytest.mark.parametrize("text", ["0.69***", "69*", "0.69*2", "0.69* kg", '0.69"', "*0.69", "0.69'"])
def test_other_marks_beside_a_number_make_no_price_of_it(text: str) -> None:
    """Inches, feet, products and ratings."""
    assert read(text) == []


def test_long_numbers_without_a_point_are_doubted() -> None:
    """``$29990`` may have lost its point, so it is never sure, and the other reading is kept."""
    (price,) = read("$29990")
    assert price.score < 0.9
    assert [other.amount for other in price.alternatives] == ["299.90"]


def test_feed_decides_between_readings() -> None:
    """The amount that the feed states goes first, only if the currency can be the feed's."""
    euro = PriceHints("", None, "EUR", Decimal("1.299"))
    assert read("1.299 €", euro)[0].amount == "1.299"
    assert read("$1.299", euro)[0].amount == "1299"
    assert read("$29990", PriceHints("", None, "USD", Decimal("299.90")))[0].amount == "299.90"
    (price,) = read("$299.90", PriceHints("", None, "USD", Decimal("10.00")))
    assert price.amount == "299.90"


def test_struck_prices_and_the_sale_beside_them() -> None:
    """A line through a price says that it is the old one; the lower one in the same picture is the sale price."""
    old, new = TextLine("$29.99", 1.0, SQUARE, struck=((0, 6),)), TextLine("$19.99", 1.0, SQUARE)
    found = find_prices([ReadText((new, old))], NOTHING)
    assert [(price.amount, price.kind, price.struck_out) for price in found] == [
        ("19.99", "sale", False),
        ("29.99", "regular", True),
    ]
    both = TextLine("$29.99 $19.99", 1.0, SQUARE, struck=((0, 6),))
    assert [price.struck_out for price in find_prices([ReadText((both,))], NOTHING)] == [True, False]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("Dress £35.00 £17.50", ["regular", "sale"]), ("£35 now £17.50", ["regular", "sale"]), ("$20 $30", ["regular", "regular"]),
        ("$20 - $30", ["regular", "regular"]), ("£35 / £17.50", ["regular", "regular"]), ("2,49 € 1 kg = 1,98 €", ["regular", "unit"]),
    ],
)  # fmt: skip
def test_two_prices_side_by_side(text: str, kinds: list[str]) -> None:
    """Of two with nothing between them the lower one behind is what is asked now; no line was seen through the first."""
    found = read(text)
    assert [price.kind for price in found] == kinds
    assert not any(price.struck_out for price in found)


def test_amounts_without_a_sign_follow_the_picture() -> None:
    """Beside a price with a sign, a bare amount is in that currency rather than in the feed's."""
    lines = (TextLine("33.99", 1.0, SQUARE), TextLine("₹51.49", 1.0, SQUARE))
    found = find_prices([ReadText(lines)], PriceHints("", None, "EUR"))
    assert [(price.currency, price.currency_inferred) for price in found] == [("INR", True), ("INR", False)]


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
    for text in ("1," * 50_000, "1 " * 50_000, "$" * 100_000, "1" * 100_000, "€1" * 50_000, "1€99" + " " * 100_000):
        assert has_price(text) in (True, False)
        assert len(read(text)) <= 50


def test_there_is_a_limit_to_what_is_looked_at() -> None:
    """Of one picture the lines that state its first 200 amounts, prices or not; the next picture has its own 200."""
    saving, price = TextLine("Save $5", 1.0, SQUARE), TextLine("$20", 1.0, SQUARE)
    pictures = [ReadText((*[saving] * number, price)) for number in (199, 200, 199)]
    assert [(found.amount, found.image, found.line) for found in find_prices(pictures, NOTHING)] == [
        ("20", 0, 199),
        ("20", 2, 199),
    ]


def test_no_more_than_fifty_prices_are_reported() -> None:
    """The first ones, in reading order, over all pictures."""
    pictures = [ReadText((TextLine(f"${picture + 1}0", 1.0, SQUARE),) * 30) for picture in range(3)]
    found = find_prices(pictures, NOTHING)
    assert [one.amount for one in found] == ["10"] * 30 + ["20"] * 20
