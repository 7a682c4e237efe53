"""The reader's own decisions, with networks that say what a test wants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.ocr import RapidReader
from model.ocr_detect import Detector, TextBox
from model.ocr_engine import Floats
from model.ocr_recognise import ReadLine, Recogniser
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
