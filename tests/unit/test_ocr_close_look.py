"""A closer look at pictures that hint at prices which the first look did not find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.ocr import RapidReader
from model.reading.beside import PlacedLine
from model.reading.close_look import closer_look, with_prices, worth_reading
from model.reading.detect import Corners, Detector, Place, TextBox
from model.reading.engine import Floats
from model.reading.recognise import ReadLine, Recogniser
from model.reading.second_look import SeenLine
from model.types import Pixels

PAGE = 1400, 990
CENTS = (540.0, 100.0, 600.0, 130.0)
WHOLE = (490.0, 96.0, 604.0, 150.0)


def _corners(left: float, top: float, right: float, foot: float) -> Corners:
    return np.array([[left, top], [right, top], [right, foot], [left, foot]], np.float32)


def _placed(text: str, box: tuple[float, float, float, float] = CENTS, score: float = 0.99) -> PlacedLine:
    return PlacedLine(SeenLine(text, score), _corners(*box))


def _box(left: float, top: float, right: float, foot: float) -> TextBox:
    return TextBox(_corners(left, top, right, foot), 0.9)


@pytest.mark.parametrize("hint", ["79", "49*", "99°", "90", '29"', "27”0", "-33%", "–20 %", "-55%*"])
def test_cents_alone_and_prices_taken_down_hint_at_a_price(hint: str) -> None:
    """The look is closer, and goes as far as the big digit to the left and the price below."""
    look = closer_look([_placed("Kaffee", (10, 10, 200, 40)), _placed(hint)], *PAGE, 480, 1536)
    assert look is not None
    assert look.side == 960
    (place,) = look.places
    assert place.left < WHOLE[0] < WHOLE[2] < place.right
    assert place.top < WHOLE[1] < WHOLE[3] < place.foot


@pytest.mark.parametrize(
    "text",
    ["500", "2.79", "$79", "7", "79 g", "A79", "2026", "100%", "50% off", "Kaffee", "79,90", "12-13", "50", "10°"],
)
def test_what_hints_at_no_price_costs_no_second_look(text: str) -> None:
    """Numbers, counts, sizes, shares and words; and prices that were read."""
    assert closer_look([_placed(text)], *PAGE, 480, 1536) is None


def test_an_unsure_hint_and_one_beside_a_price_are_none() -> None:
    """Texture is read as digits; and beside a price that was read, what else is there is no other."""
    assert closer_look([_placed("79", score=0.6)], *PAGE, 480, 1536) is None
    assert closer_look([_placed("-33%"), _placed("2.79 €", (500, 140, 600, 180))], *PAGE, 480, 1536) is None
    assert closer_look([_placed("-33%"), _placed("2.79 €", (500, 900, 600, 940))], *PAGE, 480, 1536) is not None
    assert closer_look([_placed("-33%"), _placed("UVP 2.79", (500, 140, 580, 155))], *PAGE, 480, 1536) is not None


def test_a_page_of_hints_is_looked_at_everywhere() -> None:
    """Where many prices lost their digit, others left no trace."""
    hints = [_placed("79", (100, 200 * row + 10, 160, 200 * row + 40)) for row in range(4)]
    few, many = closer_look(hints[:3], *PAGE, 480, 1536), closer_look(hints, *PAGE, 480, 1536)
    assert few is not None
    assert len(few.places) == 3
    assert many is not None
    assert many.places == (Place(0, 0, 990, 1400),)
    prices = [_placed("2,79 €", (700, 200 * row + 10, 800, 200 * row + 40)) for row in range(4)]
    assert closer_look([*prices, hints[0]], *PAGE, 480, 1536) == many
    assert closer_look(prices, *PAGE, 480, 1536) is None


@pytest.mark.parametrize(("short", "side"), [(380, None), (420, 630), (600, 900), (700, 960), (2000, 960)])
def test_a_small_picture_is_enlarged_only_a_little(short: int, side: int | None) -> None:
    """More pixels than half as many again show nothing more; and a look hardly closer finds what the first found."""
    look = closer_look([_placed("79", (100, 50, 160, 80))], short, short, 480, 1536)
    assert (look and look.side) == side


@pytest.mark.parametrize(("long", "is_closer"), [(1800, True), (2400, False), (9000, False)])
def test_a_long_picture_whose_longer_side_holds_both_looks_back_is_not_looked_at_again(
    long: int, is_closer: bool
) -> None:
    """The second would see what the first saw, pixel by pixel."""
    hint = [_placed("79", (100, 50, 160, 80))]
    for height, width in ((900, long), (long, 900)):
        assert (closer_look(hint, height, width, 480, 1536) is not None) == is_closer


def test_boxes_of_a_texture_are_compared_at_once() -> None:
    """A thousand of them beside two hundred lines: one by one that took longer than all networks together."""
    lines = [_placed("Kaffee", (10, 20.0 * row, 200, 20.0 * row + 15)) for row in range(200)]
    boxes = [_box(300 + column, 20.0 * row, 340 + column, 20.0 * row + 15) for row in range(200) for column in range(5)]
    hidden = [_box(60, 20.0 * row, 100, 20.0 * row + 15) for row in range(200)]
    assert worth_reading([*hidden, *boxes], lines) == boxes[:60]
    assert worth_reading(hidden, lines) == []
    assert worth_reading([], lines) == []


def test_boxes_shaped_like_a_price_are_read_where_nothing_else_was() -> None:
    """Not where a price was read, nor anything else but cents, which may be part of the whole."""
    known = [
        _placed("79"), _placed("Kaffee", (10, 10, 200, 40)), _placed("1,99 €", (10, 300, 90, 340)),
        _placed("-20%", (300, 300, 380, 340)),
    ]  # fmt: skip
    whole = _box(*WHOLE)
    others = [
        _box(12, 12, 110, 38), _box(10, 300, 95, 345), _box(302, 301, 378, 341),
        _box(100, 600, 400, 620), _box(100, 700, 120, 760),
    ]  # fmt: skip
    assert worth_reading([*others, whole], known) == [whole]


def test_of_too_many_boxes_the_highest_are_read() -> None:
    """Prices are the largest numbers of a page, and a texture may have hundreds of boxes."""
    boxes = [_box(0, 20.0 * row, 60, 20.0 * row + 12 + row / 10) for row in range(80)]
    tops = {float(box.corners[:, 1].min()) for box in worth_reading(boxes, [])}
    assert tops == {20.0 * row for row in range(20, 80)}


def test_a_price_takes_the_place_of_its_parts() -> None:
    """In reading order; words stay, though a price's box may touch them."""
    title, below = _placed("Kaffee", (480, 40, 620, 90)), _placed("je 500 g", (480, 160, 620, 190))
    found = with_prices([title, _placed("79"), below], [_placed("2.79", WHOLE)])
    assert [one.line.text for one in found] == ["Kaffee", "2.79", "je 500 g"]


@pytest.mark.parametrize("found", [_placed("279", WHOLE), _placed("oder", WHOLE), _placed("2.79", WHOLE, 0.79)])
def test_what_is_no_price_or_not_read_surely_changes_nothing(found: PlacedLine) -> None:
    """A closer look is for prices: most of them have no sign, so nothing else tells them from texture."""
    lines = [_placed("Kaffee", (480, 40, 620, 90)), _placed("79")]
    assert with_prices(lines, [found]) == lines


def _nothing(batch: Floats) -> Floats:
    return batch


class Twice(Detector):
    """Finds cents at first, and their price when it looks again; remembers how closely."""

    def __init__(self) -> None:
        super().__init__(_nothing)
        self.sides: list[int] = []

    def find(self, picture: Pixels, side: int, max_side: int) -> list[TextBox]:
        """The cents."""
        return [_box(*CENTS)]

    def find_in(self, picture: Pixels, places: Sequence[Place], side: int, max_side: int) -> list[TextBox]:
        """The whole."""
        self.sides.append(side)
        return [_box(*WHOLE)]


class Saying(Recogniser):
    """Says of crops what it was told, by their height."""

    def __init__(self, says: dict[int, str]) -> None:
        super().__init__(_nothing, _nothing, ())
        self._says = says

    def upside_down(self, crops: Sequence[Pixels]) -> list[bool]:
        """None."""
        return [False for _ in crops]

    def read(self, crops: Sequence[Pixels]) -> list[ReadLine]:
        """What was told of crops of this height."""
        return [_line(self._says.get(crop.shape[0], "")) for crop in crops]


def _line(text: str) -> ReadLine:
    return ReadLine(text, 0.99, tuple((index + 0.5) / len(text) for index in range(len(text))))


@pytest.mark.parametrize(
    ("first", "whole", "texts", "sides"),
    [("79", "2.79", ["2.79"], [960]), ("79", "279 g", ["79"], [960]), ("79 g", "2.79", ["79 g"], [])],
)
def test_the_reader_looks_twice_only_where_it_is_hinted_at_a_price(
    first: str, whole: str, texts: list[str], sides: list[int]
) -> None:
    """And keeps what it had read where that gives no price."""
    detector = Twice()
    picture = np.full((*PAGE, 3), 200, np.uint8)
    (found,) = RapidReader(detector, Saying({30: first, 54: whole}), "", 9).read([picture])
    assert [line.text for line in found.lines] == texts
    assert detector.sides == sides


def test_a_picture_with_as_many_lines_as_are_read_is_not_looked_at_again() -> None:
    """What a closer look would find has no room."""
    detector = Twice()
    picture = np.full((*PAGE, 3), 200, np.uint8)
    (found,) = RapidReader(detector, Saying({30: "79", 54: "2.79"}), "", 1).read([picture])
    assert [line.text for line in found.lines] == ["79"]
    assert detector.sides == []
