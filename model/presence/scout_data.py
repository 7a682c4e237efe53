"""What the scout learns from: photos, photos with text drawn on them, and the lines that our own reader keeps of them.

The reader looks everywhere for this, as if there were no scout. Its lines are written to a file as they come, so that
reading, which takes half an hour on two cores, can be stopped and go on.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from model.presence.presence_data import Part, part_of, rendered
from model.presence.text_labels import choose, name_of
from model.reading.detect import grid_size
from model.reading.scout import CELL
from model.training.dataset import Row
from model.training.progress import ShowProgress
from model.types import Pixels, TextReader

NUM_PHOTOS = 9000
NO_TEXT, TEXT, UNTOLD = 0, 1, 2
_SURE, _FEWEST = 0.9, 3  # score and characters of a line that is text for certain; shorter ones are often texture
_LEAST_COVER = 0.35  # of a cell by a line

Targets = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Line:
    """A line that the reader kept. ``polygon``: (x, y) corners in 0-1 of the picture."""

    text: str
    score: float
    polygon: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that was read. ``is_drawn``: its text was drawn by us, so that every line of it is one."""

    path: Path
    part: Part
    is_drawn: bool
    lines: tuple[Line, ...]

    @property
    def sure_lines(self) -> list[Line]:
        """Those that are text for certain."""
        is_sure = (self.is_drawn or (line.score >= _SURE and len(line.text.strip()) >= _FEWEST) for line in self.lines)
        return [line for line, sure in zip(self.lines, is_sure, strict=True) if sure]

    def pixels(self, side: int, max_side: int) -> Pixels:
        """(H, W, 3) sRGB as the detector sees the picture, of which ``side`` and ``max_side`` say how large."""
        with Image.open(self.path) as image:
            found = np.asarray(image.convert("RGB"), np.uint8)
        height, width = grid_size(found.shape[0], found.shape[1], side, max_side)
        return np.asarray(cv2.resize(found, (width, height)), np.uint8)

    def targets(self, height: int, width: int) -> Targets:
        """(height / 8, width / 8): TEXT, NO_TEXT, or UNTOLD, at a line's rim and where a line may be texture."""
        sure, any_line = (_cover(lines, height, width) for lines in (self.sure_lines, self.lines))
        found = np.where(any_line > 0, UNTOLD, NO_TEXT).astype(np.uint8)
        found[sure > _LEAST_COVER] = TEXT
        return found


def read_pictures(rows: Sequence[Row], reader: TextReader, cache: Path, show: ShowProgress) -> list[Picture]:
    """Read what ``cache``/scout-lines-REVISION.jsonl lacks; test rows come too, to be measured on."""
    table = cache / f"scout-lines-{reader.revision}.jsonl"
    known = _known(table)
    photos = choose(rows, NUM_PHOTOS)
    drawn = [row for part in ("train", "calibrate", "test") for row in rendered(rows, part, cache)]
    found = []
    with table.open("a", encoding="utf-8") as file:
        for done, (row, is_drawn) in enumerate([*((row, False) for row in photos), *((row, True) for row in drawn)]):
            show(done, len(photos) + len(drawn), "reading")
            name = row.image.name if is_drawn else name_of(row.image)
            if name not in known:
                known[name] = _read(row.image, reader)
                file.write(json.dumps({"picture": name, "lines": known[name]}) + "\n")
                file.flush()
            lines = tuple(Line(text, score, tuple((x, y) for x, y in corners)) for text, score, corners in known[name])
            found.append(Picture(row.image, part_of(row), is_drawn, lines))
    return found


_Lines = list[tuple[str, float, list[list[float]]]]


def _known(table: Path) -> dict[str, _Lines]:
    table.parent.mkdir(parents=True, exist_ok=True)
    if not table.is_file():
        return {}
    rows = (json.loads(line) for line in table.read_text(encoding="utf-8").splitlines())
    return {row["picture"]: row["lines"] for row in rows}


def _read(path: Path, reader: TextReader) -> _Lines:
    with Image.open(path) as image:
        (read,) = reader.read([np.asarray(image.convert("RGB"), np.uint8)])
    return [(line.text, line.score, [list(corner) for corner in line.polygon]) for line in read.lines]


def _cover(lines: Sequence[Line], height: int, width: int) -> npt.NDArray[np.float32]:
    """Share of each cell that lies in a line."""
    drawn = np.zeros((height, width), np.float32)
    for line in lines:
        cv2.fillPoly(drawn, [np.round(np.array(line.polygon) * [width, height]).astype(np.int32)], 1)
    return np.asarray(cv2.resize(drawn, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA), np.float32)
