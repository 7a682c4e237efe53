"""The reader's own decisions, with networks that say what a test wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.ocr import RapidReader
from model.reading.detect import Detector, TextBox
from model.reading.engine import Floats
from model.reading.join import halves
from model.reading.recognise import ReadLine, Recogniser
from model.types import Pixels


def _nothing(batch: Floats) -> Floats:
    return batch


class OneLine(Detector):
    """Finds one line in every picture."""

    def __init__(self) -> None:
        super().__init__(_nothing)

    def find(self, picture: Pixels, side: int, max_side: int) -> list[TextBox]:
        """The picture without its rim."""
        right, foot = picture.shape[1] - 4, picture.shape[0] - 4
        return [TextBox(np.array([[4, 4], [right, 4], [right, foot], [4, foot]], np.float32), 0.9)]


class Turning(Recogniser):
    """Takes every crop for one upside down; says one thing of it as it lies, and another of it turned."""

    def __init__(self, lying: ReadLine, turned: ReadLine) -> None:
        super().__init__(_nothing, _nothing, ())
        self._says = [lying, turned]

    def upside_down(self, crops: Sequence[Pixels]) -> list[bool]:
        """All."""
        return [True for _ in crops]

    def read(self, crops: Sequence[Pixels]) -> list[ReadLine]:
        """What was told, in turn."""
        return self._says[: len(crops)]


def _line(text: str, score: float) -> ReadLine:
    return ReadLine(text, score, tuple((index + 0.5) / len(text) for index in range(len(text))))


@pytest.mark.parametrize(
    ("lying", "turned", "text"),
    [
        (_line("$78.99", 0.85), _line("66-8L$", 0.92), "$78.99"),
        (_line("66-8L$", 0.92), _line("$78.99", 0.85), "$78.99"),
        (_line("$78.99", 0.6), _line("MADE IN ITALY", 0.99), "MADE IN ITALY"),
        (_line("NOOW", 0.8), _line("MOON", 0.9), "MOON"),
    ],
)
def test_the_way_up_that_states_a_price_may_be_less_sure(lying: ReadLine, turned: ReadLine, text: str) -> None:
    """Not much less, though; and without a price the surer reading stays."""
    reader = RapidReader(OneLine(), Turning(lying, turned), "test", 10)
    (found,) = reader.read([np.full((60, 200, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == [text]


class Boxes(Detector):
    """Finds the boxes that it was told: left, top, right, foot."""

    def __init__(self, *boxes: tuple[float, float, float, float], score: float = 0.6) -> None:
        super().__init__(_nothing)
        self._boxes = boxes
        self._score = score

    def find(self, picture: Pixels, side: int, max_side: int) -> list[TextBox]:
        """In the order told."""
        return [
            TextBox(np.array([[left, top], [right, top], [right, foot], [left, foot]], np.float32), self._score)
            for left, top, right, foot in self._boxes
        ]


class Saying(Recogniser):
    """Says of crops what it was told, by their height."""

    def __init__(self, says: dict[int, ReadLine]) -> None:
        super().__init__(_nothing, _nothing, ())
        self._says = says

    def upside_down(self, crops: Sequence[Pixels]) -> list[bool]:
        """None."""
        return [False for _ in crops]

    def read(self, crops: Sequence[Pixels]) -> list[ReadLine]:
        """What was told of crops of this height."""
        return [self._says[crop.shape[0]] for crop in crops]


@pytest.mark.parametrize(
    ("whole", "texts"),
    [
        (_line("$118.95", 0.9), ["$118.95", "New"]), (_line("11895", 0.9), ["+1100F", "CT1", "New"]),
        (_line("$118.95", 0.6), ["+1100F", "CT1", "New"]), (_line("$118.95", 0.8), ["$118.95", "New"]),
    ],
)  # fmt: skip
def test_halves_of_a_crossed_out_price_are_made_whole(whole: ReadLine, texts: list[str]) -> None:
    """Where the whole states a price, and is read well enough; other lines stay."""
    boxes = Boxes((110, 170, 280, 200), (116, 196, 280, 221), (10, 10, 100, 60))
    reader = RapidReader(
        boxes, Saying({30: _line("+1100F", 0.87), 25: _line("CT1", 0.6), 50: _line("New", 0.99), 51: whole}), "", 9
    )
    (found,) = reader.read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == texts


@pytest.mark.parametrize(("score", "texts"), [(0.99, ["$126.79"]), (0.9, ["+12670", "Φ120.7"])])
def test_halves_that_look_like_lines_are_made_whole_if_that_is_read_better(score: float, texts: list[str]) -> None:
    """Two lines taken for one are read worse than either."""
    boxes = Boxes((110, 170, 280, 200), (116, 196, 280, 221))
    says = {30: _line("+12670", 0.92), 25: _line("Φ120.7", 0.84), 51: _line("$126.79", score)}
    (found,) = RapidReader(boxes, Saying(says), "", 9).read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == texts


def test_a_price_that_was_found_twice_is_read_as_one() -> None:
    """A line through it parts it into boxes that overlap, and each shows enough of it."""
    boxes = Boxes((110, 170, 280, 200), (116, 196, 280, 221))
    says = {30: _line("￥49.50", 0.98), 25: _line("£4950", 0.99), 51: _line("£49.50", 0.97)}
    (found,) = RapidReader(boxes, Saying(says), "", 9).read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == ["£49.50"]


def test_two_prices_are_no_halves() -> None:
    """However close they stand, and however badly they were read."""
    boxes = Boxes((110, 170, 280, 200), (116, 196, 280, 221))
    reader = RapidReader(boxes, Saying({30: _line("$476.99", 0.93), 25: _line("$820.25", 0.93)}), "", 9)
    (found,) = reader.read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == ["$476.99", "$820.25"]


@pytest.mark.parametrize(
    ("line", "width", "texts"),
    [
        (_line("$19.49", 0.95), 100, ["$19.49"]), (_line("$19.49", 0.7), 100, []), (_line("19.49", 0.99), 100, []),
        (_line("SOLIMO", 0.99), 100, []), (_line("$19.49", 0.99), 40, []),
    ],
)  # fmt: skip
def test_faint_text_counts_if_it_is_surely_a_price(line: ReadLine, width: int, texts: list[str]) -> None:
    """The detector doubts prices with a line through them, and textures: only the former state a price."""
    reader = RapidReader(Boxes((10, 10, 10 + width, 40), score=0.45), Saying({30: line}), "", 9)
    (found,) = reader.read([np.full((300, 300, 3), 200, np.uint8)])
    assert [one.text for one in found.lines] == texts


def test_no_more_than_a_few_faint_boxes_are_read() -> None:
    """A texture may have hundreds."""
    boxes = Boxes(*((10, 40 * row, 110, 40 * row + 30) for row in range(12)), score=0.45)
    reader = RapidReader(boxes, Saying({30: _line("$19.49", 0.95)}), "", 9)
    (found,) = reader.read([np.full((600, 300, 3), 200, np.uint8)])
    assert len(found.lines) == 6
    assert not found.truncated


@pytest.mark.parametrize(
    ("cut", "wide", "text"),
    [
        ("$206.8", _line("$206.88", 0.95), "$206.88"), ("$206.8", _line("$206.8", 0.95), "$206.8"),
        ("$206.8", _line("$206.8l", 0.95), "$206.8"), ("$206.8", _line("$206.88", 0.5), "$206.8"),
        ("206.8", _line("206.88", 0.95), "206.8"), ("$206.88", _line("$206.889", 0.95), "$206.88"),
        ("388", _line("388 €", 0.95), "388 €"), ("388", _line("388", 0.95), "388"), ("388", _line("3885", 0.95), "388"),
        ("28 147,79", _line("28 147,79€", 0.95), "28 147,79€"), ("11", _line("11€", 0.95), "11"),
        ("74.95", _line("₹74.95", 0.85), "₹74.95"), ("74.95", _line("174.95", 0.99), "74.95"),
    ],
)  # fmt: skip
def test_prices_that_were_cut_off_are_read_to_their_end(cut: str, wide: ReadLine, text: str) -> None:
    """One digit of cents is rarely all that stands there."""
    boxes = Boxes((10, 10, 110, 40))

    class Widening(Saying):
        """Says more of a wider crop."""

        def read(self, crops: Sequence[Pixels]) -> list[ReadLine]:
            """By width."""
            return [wide if crop.shape[1] > 110 else _line(cut, 0.99) for crop in crops]

    (found,) = RapidReader(boxes, Widening({}), "", 9).read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == [text]


def test_lines_that_were_read_well_are_not_put_together() -> None:
    """A paragraph's lines are not read again."""
    boxes = Boxes((110, 170, 280, 200), (116, 196, 280, 221))
    reader = RapidReader(boxes, Saying({30: _line("Size 40", 0.97), 25: _line("5 pcs", 0.7)}), "", 9)
    (found,) = reader.read([np.full((300, 300, 3), 200, np.uint8)])
    assert [line.text for line in found.lines] == ["Size 40", "5 pcs"]


@pytest.mark.parametrize(
    "lower",
    [(110, 206, 280, 236), (110, 196, 150, 221), (110, 196, 280, 260), (200, 196, 370, 221), (110, 180, 280, 205)],
)
def test_boxes_that_are_no_halves(lower: tuple[float, float, float, float]) -> None:
    """Apart, narrower, higher, to the side, or on top of each other."""
    boxes = Boxes((110, 170, 280, 200), lower).find(np.zeros((9, 9, 3), np.uint8), 0, 0)
    assert halves(boxes[0].corners, boxes[1].corners) is None


def test_halves_give_one_box_in_any_order() -> None:
    """It holds both."""
    one, other = Boxes((110, 170, 280, 200), (100, 196, 270, 221)).find(np.zeros((9, 9, 3), np.uint8), 0, 0)
    for pair in ((one, other), (other, one)):
        box = halves(pair[0].corners, pair[1].corners)
        assert box is not None
        assert box.tolist() == [[100, 170], [280, 170], [280, 221], [100, 221]]
