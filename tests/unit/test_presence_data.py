"""What the text-presence head learns from: the table of read photos, and photos with text drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from model.presence.presence_data import learn_presence
from model.presence.rendered_text import write_rendered
from model.presence.text_labels import choose, known_characters, make_table, name_of
from model.training.dataset import Row, Split
from model.types import Pixels, ReadText, TextLine


class Bright:
    """A reader that reads five characters in bright pictures."""

    revision = engine = "bright"

    def __init__(self) -> None:
        self.num_read = 0

    def read(self, pictures: Sequence[Pixels]) -> list[ReadText]:
        """See `model.types.TextReader`."""
        self.num_read += len(pictures)
        line = TextLine("bloom", 1.0, ((0, 0), (1, 0), (1, 1), (0, 1)))
        return [ReadText((line,) if picture.mean() > 128 else ()) for picture in pictures]


def rows_in(folder: Path, count: int, split: Split = "train") -> list[Row]:
    """Photos of one source, every other one bright."""
    made = []
    for number in range(count):
        path = folder / "abo" / "images" / f"{split}-{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), (220,) * 3 if number % 2 else (40,) * 3).save(path)
        made.append(Row(path, "navy wool scarf", {}, split, "abo", f"scarf {number}"))
    return made


def test_table_grows_and_nothing_is_read_twice(tmp_path: Path) -> None:
    """A second run adds what is missing; names do not depend on where the data lies."""
    rows, reader, table = rows_in(tmp_path, 6), Bright(), tmp_path / "labels.csv"
    make_table(rows[:4], reader, table)
    make_table(rows, reader, table)
    assert reader.num_read == 6
    assert known_characters(table) == {f"abo/images/train-{number}.jpg": 5 * (number % 2) for number in range(6)}
    assert name_of(Path("/anywhere/abo/data/abo/images/x.jpg")) == "abo/images/x.jpg"


def test_more_pictures_are_the_same_and_others(tmp_path: Path) -> None:
    """A larger choice holds the smaller one, so that a table grows instead of changing."""
    rows = rows_in(tmp_path, 20)
    few, many = ({row.image for row in choose(rows, count)} for count in (5, 12))
    assert few < many


def test_rendered_pictures_are_the_same_each_time_and_changed(tmp_path: Path) -> None:
    """The seed decides every pixel, and there is something drawn on each."""
    rows = rows_in(tmp_path, 8)
    once, again = (write_rendered(rows, tmp_path / name) for name in ("one", "two"))
    for one, other in zip(once, again, strict=True):
        assert one.image.read_bytes() == other.image.read_bytes()
        with Image.open(one.image) as image:
            assert np.ptp(np.asarray(image)) > 50
    assert {row.title for row in once} == {""}


def test_data_that_nobody_read_gives_no_head(tmp_path: Path) -> None:
    """Training on other pictures works, and ships no gate that would be a guess."""
    rows = rows_in(tmp_path, 4)
    assert learn_presence(np.zeros((4, 8), np.float32), rows, lambda _: np.zeros((0, 8), np.float32), tmp_path) is None
