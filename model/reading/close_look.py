"""Where the first look hints at prices that it did not read, and what a closer look at these places is good for.

The detector sees a picture small. Of ``1.79`` in a big digit and raised cents it then finds the cents alone, or
nothing: the digit by itself is no line of text. Twice as large it finds the whole. That costs four times as much, so it
is done for pictures that show such cents, or a price taken down, with no price beside it as high; for no others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.reading.beside import PlacedLine
from model.reading.detect import Corners, Place, TextBox, in_reading_order
from model.reading.frame import Frame
from model.wording.price_forms import has_price

_Edges = npt.NDArray[np.float64]

CLOSE_VERSION = "2"
CLOSE_SIDE = 960  # shorter side of the closer look
_ENLARGED = 1.5  # at most, of the picture itself: more shows nothing more
_LEAST_CLOSER = 1.25  # of the first look's side: less finds what that found
_CENTS = re.compile(r"\d{2}(?:[*'’\"“”°º]{1,2}\d?)?")  # cents, or an amount whose cents were not read
_COUNT = re.compile(r"[1-8]0\W*")  # pieces of a pack, oftener than cents
_REDUCED = re.compile(r"[-–—]\s?\d{1,2}\s?%\W?")
_LEAST_HINT = 0.75  # score
_REACH = (-3.0, -1.5, 2.0, 3.0)  # left, up, right, down, in heights of a hint: how far from it its price may reach
_PAGE = 4  # hints and prices: they stand all over such a picture, and are looked for everywhere
_AS_HIGH = 0.8  # of a hint's height: a lower price beside it is the old one, or of a unit
_NARROWEST, _WIDEST = 0.9, 5.0  # heights: a price's box
_MOST = 60  # boxes of a picture
_COVERED = 0.5  # of a box, or of what was read there before
_SURE = 0.8  # score of a price, as it mostly has no sign; and of what need not be read again
_LETTER = re.compile(r"[^\W\d_]")
_FEWEST_LETTERS = 3  # of a word


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be looked at: ``places``, with the picture's shorter side at ``side`` pixels."""

    side: int
    places: tuple[Place, ...]


def closer_look(lines: Sequence[PlacedLine], height: int, width: int, side: int, max_side: int) -> Look | None:
    """For a picture of ``height`` by ``width``, first seen at ``side``; None if nothing hints at more prices.

    Neither look has its longer side above ``max_side``.
    """
    shorter = min(height, width)
    closer = min(CLOSE_SIDE, int(_ENLARGED * shorter))
    most = max_side * shorter / max(1, height, width)
    if min(closer, most) < _LEAST_CLOSER * min(side, most):
        return None
    prices = [line.corners for line in lines if has_price(line.line.text)]
    hints = [place for line in lines if _is_hint(line) and (place := _around_price(line.corners, prices)) is not None]
    if not hints:
        return None
    if len(hints) + len(prices) >= _PAGE:
        return Look(closer, (Place(0, 0, width, height),))
    return Look(closer, tuple(hints))


def worth_reading(boxes: Sequence[TextBox], lines: Sequence[PlacedLine]) -> list[TextBox]:
    """The boxes shaped like a price where nothing but cents was read, the highest if there are too many."""
    shaped = [box for box in boxes if _is_shaped(box)]
    known = [line.corners for line in lines if line.line.score >= _SURE and not _may_be_part(line.line.text)]
    covered = _are_covered(_edges([box.corners for box in shaped]), _edges(known))
    wanted = [box for box, is_covered in zip(shaped, covered, strict=True) if not is_covered]
    wanted.sort(key=lambda box: -_height(box.corners))
    return wanted[:_MOST]


def with_prices(lines: Sequence[PlacedLine], found: Sequence[PlacedLine]) -> list[PlacedLine]:
    """The lines in reading order with the prices among ``found``, in place of the parts that had been read of them."""
    prices = [one for one in found if one.line.score >= _SURE and has_price(one.line.text)]
    if not prices:
        return list(lines)
    covered = _are_covered(_edges([line.corners for line in lines]), _edges([one.corners for one in prices]))
    kept = [line for line, is_covered in zip(lines, covered, strict=True) if _is_word(line.line.text) or not is_covered]
    return _in_order([*kept, *prices])


def _is_hint(line: PlacedLine) -> bool:
    text = line.line.text.strip()
    is_cents = _CENTS.fullmatch(text) and not _COUNT.fullmatch(text)
    return line.line.score >= _LEAST_HINT and bool(is_cents or _REDUCED.fullmatch(text))


def _around_price(hint: Corners, prices: Sequence[Corners]) -> Place | None:
    """Where the price of a hint may be; None if one was read there."""
    height = _height(hint)
    place = _edges([hint]) + height * np.array(_REACH)
    as_high = [price for price in prices if _height(price) >= _AS_HIGH * height]
    return None if any(_are_covered(_edges(as_high), place)) else Place(*place[0].tolist())


def _are_covered(boxes: _Edges, places: _Edges) -> list[bool]:
    """Which boxes lie in one of the places, by their area. All at once: a texture has a thousand boxes."""
    own, other = boxes[:, None], places[None]
    sides = np.minimum(own[..., 2:], other[..., 2:]) - np.maximum(own[..., :2], other[..., :2])
    areas = np.maximum(1.0, (own[..., 2:] - own[..., :2]).prod(axis=-1))
    found: list[bool] = (np.maximum(0.0, sides).prod(axis=-1) >= _COVERED * areas).any(axis=1).tolist()
    return found


def _edges(boxes: Sequence[Corners]) -> _Edges:
    """(N, 4): left, top, right, foot."""
    corners = np.array(boxes, np.float64).reshape(-1, 4, 2)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def _height(corners: Corners) -> float:
    return float(np.linalg.norm(corners[0] - corners[3]))


def _is_shaped(box: TextBox) -> bool:
    frame = Frame.of(box.corners)
    return frame is not None and _NARROWEST * frame.height <= frame.width <= _WIDEST * frame.height


def _may_be_part(text: str) -> bool:
    """Of a price: its cents, or a digit."""
    return len(text) == 1 or bool(_CENTS.fullmatch(text))


def _is_word(text: str) -> bool:
    return len(_LETTER.findall(text)) >= _FEWEST_LETTERS


def _in_order(lines: Sequence[PlacedLine]) -> list[PlacedLine]:
    boxes = {id(line.corners): line for line in lines}
    ordered = in_reading_order([TextBox(line.corners, line.line.score) for line in lines])
    return [boxes[id(box.corners)] for box in ordered]
