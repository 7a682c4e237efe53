"""Lines given to the recogniser: how wide, how many at a time, and which answer belongs to which."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.reading.engine import Floats
from model.reading.recognise import Recogniser
from model.types import Pixels

ALPHABET = ("", *"0123456789")


class Brightness:
    """A network that says how bright a line's first column is, 0 to 9, and keeps the shapes of what it was shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, batch: Floats) -> Floats:
        self.shapes.append((len(batch), batch.shape[3]))
        levels = np.rint((batch[:, 0, 0, 0] + 1) / 2 * 9).astype(int)
        steps = np.zeros((len(batch), 4, len(ALPHABET)), np.float32)
        steps[:, :, 0] = 0.5
        steps[np.arange(len(batch)), 1, levels + 1] = 1
        return steps


def crop(level: int, height: int, width: int) -> Pixels:
    """A line of one brightness, ``level`` 0 to 9."""
    return np.full((height, width, 3), round(level * 255 / 9), np.uint8)


@pytest.mark.parametrize(
    ("width", "columns"),
    [(1, 160), (128, 160), (129, 192), (200, 256), (288, 320), (300, 320), (320, 320), (321, 352), (5000, 3200)],
)
def test_a_line_is_read_as_wide_as_it_is(width: int, columns: int) -> None:
    """With room behind a short one, as in training; whole steps, as engines prepare themselves for each shape."""
    network = Brightness()
    Recogniser(network, network, ALPHABET).read([crop(5, 48, width)])
    assert network.shapes == [(1, columns)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(8, 90), st.integers(1, 900)), max_size=12), st.integers(1, 4))
def test_every_line_has_its_own_answer(lines: list[tuple[int, int, int]], together: int) -> None:
    """Whatever their sizes, and however many of one width are read at a time."""
    network = Brightness()
    found = Recogniser(network, network, ALPHABET, together).read([crop(*line) for line in lines])
    assert [line.text for line in found] == [str(level) for level, *_ in lines]
    assert sum(count for count, _ in network.shapes) == len(lines)
    assert max((count for count, _ in network.shapes), default=0) <= together


def test_upside_down_is_asked_of_a_few_at_a_time() -> None:
    """In order; a hundred at once would cost each of them twice as much."""
    asked: list[int] = []

    def classifier(batch: Floats) -> Floats:
        asked.append(len(batch))
        turned = (batch[:, 0, 0, 0] > 0).astype(np.float32)
        return np.stack([1 - turned, turned], axis=1)

    levels = [index % 3 * 4 for index in range(40)]
    found = Recogniser(classifier, classifier, ALPHABET).upside_down([crop(level, 48, 192) for level in levels])
    assert found == [level > 4 for level in levels]
    assert max(asked) <= 16
    assert Recogniser(classifier, classifier, ALPHABET).upside_down([]) == []
