"""Signs in boxes of their own, beside their amounts."""

from __future__ import annotations

import numpy as np
import pytest

from model.reading.beside import PlacedLine, with_lone_signs
from model.reading.detect import Corners
from model.reading.second_look import SeenLine


def _corners(left: float, top: float, right: float, bottom: float) -> Corners:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _placed(text: str, left: float, top: float, right: float, bottom: float, score: float = 0.99) -> PlacedLine:
    return PlacedLine(SeenLine(text, score), _corners(left, top, right, bottom))


@pytest.mark.parametrize(
    ("sign", "text"),
    [
        (_placed("€", 118, 55, 150, 100), "28 €"), (_placed("$", -30, 50, 2, 75), "$28"),
        (_placed("€", 140, 50, 170, 95), "28 €"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_first", [True, False])
def test_a_sign_in_a_box_of_its_own_is_given_to_its_amount(sign: PlacedLine, text: str, *, is_first: bool) -> None:
    """On either side; the box is then that of both, and other lines stay."""
    title, amount = _placed("New", 0, 0, 100, 30), _placed("28", 0, 50, 120, 100)
    found = with_lone_signs([title, sign, amount] if is_first else [title, amount, sign])
    assert [one.line.text for one in found] == ["New", text]
    corners = found[1].corners
    assert corners[:, 0].min() == min(0, sign.corners[0][0])
    assert corners[:, 0].max() == max(120, sign.corners[1][0])


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("28", _placed("€", 118, 120, 150, 170)), ("28", _placed("€", 160, 50, 190, 100)),
        ("28", _placed("C", 118, 55, 150, 100)), ("28", _placed("€", 118, 55, 150, 100, 0.6)),
        ("$28", _placed("€", 118, 55, 150, 100)), ("28 cm", _placed("$", 118, 55, 150, 100)),
        ("28", _placed("$", 118, 0, 250, 140)), ("28", _placed("$", 40, 60, 70, 95)),
    ],
)  # fmt: skip
def test_signs_elsewhere_stay_lines_of_their_own(text: str, sign: PlacedLine) -> None:
    """Below, far, unsure, larger, inside, no sign, or beside what is no bare amount."""
    lines = [_placed(text, 0, 50, 120, 100), sign]
    assert with_lone_signs(lines) == lines


def test_a_sign_put_before_a_struck_amount_is_struck_as_well() -> None:
    """Spans count from the line's first character."""
    amount = PlacedLine(SeenLine("28.50", 0.9, ((0, 5),)), _corners(0, 50, 120, 100))
    (line,) = with_lone_signs([amount, _placed("€", -40, 50, -2, 100)])
    assert (line.line.text, line.line.struck) == ("€28.50", ((0, 6),))
