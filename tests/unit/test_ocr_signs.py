"""Currency signs that the recogniser saw and did not choose."""

from __future__ import annotations

import numpy as np
import pytest

from model.reading.engine import Floats
from model.reading.recognise import Recogniser
from model.reading.signs import lone_sign

ALPHABET = ("", *"0123456789.,/%$€£¥₹天fF-NowRPUSD ")


class Spoken:
    """A network that says the same of every crop: ``words``, one step each, with second thoughts by step."""

    def __init__(self, words: str, second: dict[int, tuple[str, float]]) -> None:
        steps = np.zeros((1, len(words), len(ALPHABET)), np.float32)
        for step, character in enumerate(words):
            column = ALPHABET.index(character if character != "_" else "")
            other, chance = second.get(step, ("", 0.0))
            steps[0, step, column] = 1 - chance
            if chance:
                steps[0, step, ALPHABET.index(other)] = chance
        self._steps = steps

    def __call__(self, batch: Floats) -> Floats:
        return np.repeat(self._steps, len(batch), axis=0)


def read(words: str, second: dict[int, tuple[str, float]]) -> tuple[str, float]:
    """Text and score of a crop of which the network says this; ``_`` is a blank."""
    network = Spoken(words, second)
    (line,) = Recogniser(network, network, ALPHABET).read([np.zeros((48, 320, 3), np.uint8)])
    assert len(line.places) == len(line.text)
    assert list(line.places) == sorted(line.places)
    return line.text, line.score


@pytest.mark.parametrize(
    ("words", "step", "sign", "text"),
    [
        ("_34.95", 0, "₹", "₹34.95"), ("Now_28.95", 3, "₹", "Now₹28.95"), ("天34.95", 0, "₹", "₹34.95"),
        ("天12.05/", 0, "€", "₹12.05/"), ("12.50_", 5, "€", "12.50€"), ("_1,234.50", 0, "$", "$1,234.50"),
    ],
)  # fmt: skip
def test_a_sign_seen_beside_an_amount_is_written(words: str, step: int, sign: str, text: str) -> None:
    """Before or behind it, or in place of a character that cannot stand there; the line is then less sure."""
    chance = 0.45 if words[step] == "天" else 0.15
    found, score = read(words, {step: (sign, chance)})
    assert found == text
    assert score < 0.95


@pytest.mark.parametrize(
    ("words", "step", "text"),
    [
        ("_738", 0, "₹738"), ("F21-213", 0, "₹21-213"), ("Now _24", 4, "Now ₹24"), ("_13-₹52", 0, "₹13-₹52"),
        ("_1,295", 0, "₹1,295"),
    ],
)  # fmt: skip
def test_rupee_signs_are_seen_before_whole_amounts_as_well(words: str, step: int, text: str) -> None:
    """Where a number is all that stands there, or a range is."""
    assert read(words, {step: ("₹", 0.3)})[0] == text


def test_a_sign_is_seen_on_either_side_of_a_blank() -> None:
    """``₹ 93.05``: a blank read between the sign and its amount does not hide it."""
    assert read("_ 93.05", {0: ("₹", 0.15)})[0] == "₹ 93.05"
    assert read("No _93.05", {3: ("₹", 0.15)})[0] == "No ₹93.05"


def test_three_capitals_are_a_currency_only_if_one_is_called_so() -> None:
    """``RRP`` says that a price follows, not in what."""
    assert read("R_RP_506.49", {4: ("₹", 0.15)})[0] == "RRP₹506.49"
    assert read("USD_506.49", {3: ("₹", 0.15)})[0] == "USD506.49"


def test_an_f_before_a_number_may_be_a_pound() -> None:
    """Only if a pound was seen there as well."""
    assert read("f48", {0: ("£", 0.2)})[0] == "£48"
    assert read("f48", {})[0] == "f48"


@pytest.mark.parametrize(("sign", "text"), [("₹", "₹3.49"), ("$", "3.49")])
def test_a_rupee_counts_where_it_is_hardly_seen(sign: str, text: str) -> None:
    """The recogniser knows the other signs: what it gives them hardly any chance is none of them."""
    assert read("_3.49", {0: (sign, 0.002)})[0] == text


@pytest.mark.parametrize(
    ("own", "rupee", "text"),
    [(0.06, 0.04, "₹59.95"), (0.4, 0.02, "₹59.95"), (0.4, 0.002, "59.95"), (1.0, 0.0, "59.95")],
)
@pytest.mark.parametrize("sign", "¥€£")
def test_a_doubted_sign_is_a_rupee(sign: str, own: float, rupee: float, text: str) -> None:
    """If a rupee was seen there as well, however little: of another sign that is one the recogniser thinks no such."""
    network = Spoken(f"{sign}59.95", {})
    steps = network(np.zeros((1, 3, 48, 320), np.float32))
    steps[0, 0, ALPHABET.index(sign)], steps[0, 0, ALPHABET.index("₹")] = own, rupee
    (line,) = Recogniser(lambda batch: np.repeat(steps, len(batch), axis=0), network, ALPHABET).read(
        [np.zeros((48, 320, 3), np.uint8)]
    )
    assert line.text == (text if text[0] == "₹" else sign + text)


@pytest.mark.parametrize(("rupee", "text"), [(0.05, "₹121.90"), (0.005, "3121.90")])
def test_a_first_digit_may_be_a_rupee(rupee: float, text: str) -> None:
    """A line through ``₹`` makes a 3 or a 7 of it, of which the recogniser is not sure."""
    assert read("3121.90", {0: ("₹", rupee)})[0] == text
    assert read("3.90", {0: ("₹", 0.4)})[0] == "3.90"


def test_a_sign_of_the_next_amount_is_not_this_ones() -> None:
    """Two prices on one line: the sign between them belongs to the second, and the first may have lost its own."""
    assert read("_20.85 ₹16.95", {0: ("₹", 0.15)})[0] == "₹20.85 ₹16.95"


@pytest.mark.parametrize(
    ("text", "sign"),
    [("₹", "₹"), ("き一", "₹"), ("天", "₹"), ("$", "$"), (" €", "€"), ("R", None), ("", None), ("$€", None)],
)
def test_a_crop_of_a_sign_alone_says_which(text: str, sign: str | None) -> None:
    """Itself or what it is taken for; two signs are none."""
    assert lone_sign(text, 0.9) == sign


def test_a_doubted_letter_in_a_signs_place_is_a_rupee() -> None:
    """A letter that is one is read without doubt."""
    assert lone_sign("R", 0.4) == lone_sign("F", 0.3) == "₹"
    assert lone_sign("R", 0.95) is None


def test_a_look_alike_alone_is_a_rupee() -> None:
    """A character that rupee signs are taken for, right before digits, is one; behind digits only beside another."""
    assert read("天3_3", {})[0] == "₹33"
    assert read("天 56.50", {})[0] == "₹56.50"
    assert read("₹24.0_0天20.9_9", {})[0] == "₹24.00₹20.99"
    assert read("24.0_0天20.9_9", {})[0] == "24.00天20.99"


@pytest.mark.parametrize(
    ("words", "second"),
    [
        ("_34.95", {0: ("₹", 0.0005)}), ("_34_", {0: ("$", 0.3)}), ("_34_", {0: ("₹", 0.001)}),
        ("_34 %", {0: ("₹", 0.3)}), ("_34/35", {0: ("₹", 0.3)}), ("wo_34", {1: ("₹", 0.3)}),
        ("$34_.95", {3: ("₹", 0.3)}), ("_34.95%", {0: ("$", 0.3)}),
        ("_3.5", {0: ("$", 0.3)}), ("Now", {0: ("$", 0.4)}), ("_1", {0: ("₹", 0.05)}),
    ],
)  # fmt: skip
def test_no_sign_is_made_up(words: str, second: dict[int, tuple[str, float]]) -> None:
    """Hardly seen, beside no amount, or beside one that has its sign: the text stays."""
    assert read(words, second)[0] == read(words, {})[0]
