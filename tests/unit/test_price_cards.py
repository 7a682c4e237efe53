"""The cards that price reading is measured on."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.types import Price
from model.wording.price_forms import find_forms
from model.wording.prices import PriceHints
from tests.bench.prices import interval
from tests.price_cards import fonts, layouts
from tests.price_cards.cards import CardMaker
from tests.price_cards.notations import NOTATIONS, names
from tests.price_cards.numbers import no_price
from tests.price_cards.scoring import Hint, expected_currency, judge
from tests.price_cards.wording import Truth, Wording, plain


def test_every_truth_stands_on_its_card() -> None:
    """The digits of each amount are in the wording, in order."""
    for make in NOTATIONS:
        for seed in range(60):
            wording = make(random.Random(seed))
            digits = ["".join(one for one in words.text if one.isdigit()) for row in wording.rows for words in row]
            assert wording.truths
            for truth in wording.truths:
                assert any(truth.amount.replace(".", "") in one for one in digits), (wording, truth)


def test_cards_without_a_price_state_none() -> None:
    """No sign of money and no truth is on them, and the rules find no price in what they say."""
    for seed in range(300):
        wording = no_price(random.Random(seed))
        assert not wording.truths
        assert not wording.characters & set("$€£¥₹元")
        assert not [words.text for row in wording.rows for words in row if find_forms(words.text)]


def test_development_and_test_share_no_font_and_no_layout() -> None:
    """What the rules were made on is not what they are measured on."""
    parts = fonts.fonts_of("development"), fonts.fonts_of("test")
    assert not {path.stem for path in parts[0]} & {path.stem for path in parts[1]}
    assert not set(layouts.LAYOUTS["development"]) & set(layouts.LAYOUTS["test"])


def test_a_number_decides_all_of_a_card(tmp_path: Path) -> None:
    """The same card is drawn again, and another number gives another."""
    if not fonts.fonts_of("test"):
        pytest.skip(f"no open fonts here; install one of {', '.join(fonts.PACKAGES)}")
    photo = tmp_path / "photo.png"
    Image.new("RGB", (200, 240), (90, 120, 60)).save(photo)
    maker = CardMaker("test", [photo])
    try:
        one, again, other = maker.priced(0), CardMaker("test", [photo]).priced(0), maker.priced(13)
    except LookupError as missing:  # fonts of other software are here, and none has the card's sign
        pytest.skip(str(missing))
    assert np.array_equal(one.pixels, again.pixels)
    assert one.wording == again.wording
    assert one.wording != other.wording
    assert maker.unpriced(0).wording.truths == ()


def _price(amount: str, currency: str | None, *, inferred: bool = False, score: float = 0.95) -> Price:
    return Price(amount, currency, inferred, "regular", None, False, 0, 0, score)


CARD = Wording("sign before", ((plain("$299.90"),),), (Truth("299.90", None, "$"),))


@pytest.mark.parametrize(
    ("price", "hint", "is_exact"),
    [
        (_price("299.90", None), Hint(), True), (_price("299.9", None), Hint(), True),
        (_price("299.90", "USD", inferred=True), Hint(), False),
        (_price("299.90", "CAD", inferred=True), Hint("CAD"), True), (_price("299.90", "CAD"), Hint("CAD"), False),
        (_price("299.90", None), Hint("CAD"), False), (_price("29990", None), Hint(), False),
    ],
)  # fmt: skip
def test_exact_means_amount_and_currency(price: Price, hint: Hint, is_exact: bool) -> None:
    """The amount as a number, the currency as far as it is stated or told."""
    assert judge(CARD, hint, [price]).exact == (is_exact,)


def test_hundredfold_errors_are_counted_above_the_score() -> None:
    """Only sure prices count, and only those off by a hundred."""
    sure = judge(CARD, Hint(), [_price("29990", None), _price("12.00", None), _price("2.999", None, score=0.5)])
    assert (sure.sure, sure.sure_wrong, sure.hundredfold, sure.extra) == (2, 2, 1, 3)


def test_told_currency_must_fit_the_sign() -> None:
    """A feed in euros says nothing of a dollar sign; of a bare amount it does."""
    assert expected_currency(Truth("1", None, "$"), Hint("EUR")) is None
    assert expected_currency(Truth("1", None, ""), Hint("EUR")) == "EUR"
    assert Hint("CAD", by_language=True).as_hints() == PriceHints("", "en-CA", None)


def test_intervals_hold_their_share() -> None:
    """Wilson's interval surrounds the share, stays in 0-1, and narrows with more cards."""
    low, high = interval(97, 100)
    assert 0 < low < 0.97 < high < 1
    assert interval(970, 1000)[0] > low
    assert interval(0, 0) == (0.0, 1.0)
    assert len(set(names())) == len(names()) >= 12
