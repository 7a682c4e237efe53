"""A team's own listings as rows: a JSON-lines or CSV file beside its pictures.

One line per listing: ``image`` (a path, relative to the file and below its folder), ``title`` (may be empty) and
whatever is known of ``product_type``, ``color``, ``material``, ``scene`` and the attributes that prompts declare.
Optional: ``split`` (``train`` or ``test``; else that of the family, else every tenth family is tested on) and
``family`` (variants of one thing; else the first words of the title, else the picture).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from model.errors import ModelError
from model.taxonomy import load_taxonomy
from model.training.catalogue_lines import PASSED_OVER, SEPARATED, Line, lines_of
from model.training.dataset import FAMILY_WORDS, Row, Split, load_rows
from model.training.label_words import tell_of_strange_labels
from model.training.sides import placed

LABELS = ("product_type", "color", "material", "scene")
MAX_FAULTS = 20
_KNOWN = {"image", "title", "split", "family"}
_UNKNOWN = frozenset({"null", "none", "nan", "n/a", "#n/a", "<na>"})  # what programs write into a cell for nothing
_SHOWN_LINES = 3

Log = Callable[[str], None]


def rows_of(data: Path, warn: Log = lambda _: None) -> list[Row]:
    """What ``--data`` names, to be trained on: a folder with the training data, or a team's own file. ``warn`` hears of
    listings that stand there twice, and of labels that the taxonomy writes otherwise. Raises ModelError.
    """
    if not is_catalogue(data):
        return load_rows(data)
    rows = load_catalogue(data, warn=warn)
    tell_of_strange_labels(rows, LABELS, load_taxonomy(), lambda line: warn(f"{data.name}: {line}"))
    return rows


def is_catalogue(path: Path) -> bool:
    """Is a file meant, not the folder with the shipped checkpoint's data?"""
    return path.suffix.lower() in (".jsonl", *SEPARATED) or path.is_file()


def load_catalogue(path: Path, prompted: Iterable[str] | None = None, warn: Log = lambda _: None) -> list[Row]:
    """All listings of a ``.jsonl``, ``.csv`` or ``.tsv`` file. ``prompted``: the attributes that prompts declare, None:
    those of the taxonomy. ``warn`` hears of listings that stand there twice.

    Raises ModelError naming up to ``MAX_FAULTS`` lines and what is wrong with each.
    """
    names = (*LABELS, *(load_taxonomy().prompts if prompted is None else prompted))
    if not path.is_file():
        raise ModelError(
            f"{path} is no file; --data must name listings as .jsonl, .csv or .tsv, or a folder of training data"
        )
    reader = _Reader(path, names)
    for line in lines_of(path):
        reader.take(line)
        if len(reader.faults) > MAX_FAULTS:
            break
    if reader.faults:
        more = "\n… and more" if len(reader.faults) > MAX_FAULTS else ""
        raise ModelError("\n".join(reader.faults[:MAX_FAULTS]) + more)
    if not reader.rows:
        raise ModelError(f"{path} holds no listing; write one JSON object or CSV row per line")
    _tell_of_twins(path, reader, warn)
    return placed(reader.rows, lambda line: warn(f"{path.name}: {line}"))


class _Reader:
    """Lines become rows; what is wrong with one is kept beside the others' faults."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.rows: list[Row] = []
        self.numbers: list[int] = []  # lines, of each row
        self.faults: list[str] = []
        self._path = path
        self._names = names
        self._known = sorted({*_KNOWN, *names})
        self._strange: set[str] = set()  # a column is named once, not in every line
        self._sides: dict[str, tuple[int, str]] = {}  # by family: the first line that gives a split, and which

    def take(self, line: Line) -> None:
        """Add a line's row, or its fault."""
        told = {name: value.strip() for name, value in line.fields.items()}
        for name in told.keys() - {"title", "image"}:
            if told[name].casefold() in _UNKNOWN:
                told[name] = ""
        if fault := line.fault or self._fault_in(line.number, told):
            self.faults.append(f"{self._path.name}, line {line.number}: {fault}")
            return
        self.numbers.append(line.number)
        self.rows.append(self._row(told))

    def _fault_in(self, number: int, fields: Mapping[str, str]) -> str:
        if unknown := sorted(set(fields) - {*self._known, *self._strange}):
            self._strange.update(unknown)
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            told = f"unknown field {unknown[0]!r}{more}; the fields are {', '.join(self._known)}"
            return f"{told}; {', '.join(PASSED_OVER)} are passed over"
        if fault := _fault_of_image(self._path, fields.get("image", "")):
            return fault
        split, family = fields.get("split", ""), fields.get("family", "")
        if split not in ("", "train", "test"):
            return f"split {split!r} is none; write train or test, or leave it out"
        if not (split and family):
            return ""
        first, side = self._sides.setdefault(family, (number, split))
        if side == split:
            return ""
        return f"family {family!r} is {split} here and {side} in line {first}; variants of one thing stay on one side"

    def _row(self, told: Mapping[str, str]) -> Row:
        image, title = self._path.parent / told["image"], told.get("title", "")
        words = " ".join(re.findall(r"[^\W\d_]+", title.casefold())[:FAMILY_WORDS])
        family = told.get("family") or words or Path(told["image"]).as_posix()
        labels = {name: told[name] for name in self._names if told.get(name)}
        split = told.get("split", "")
        side: Split = "test" if split == "test" else "train"
        return Row(image, title, labels, side, "catalogue", family, is_split_given=bool(split))


def _fault_of_image(path: Path, image: str) -> str:
    if Path(image).is_absolute() or Path(os.path.normpath(image)).parts[:1] == ("..",):
        return f"image {image!r} leads out of the folder of {path.name}; give a path below it, relative to the file"
    if not image:
        return "no image; give its path, relative to the file"
    try:
        is_there = (path.parent / image).is_file()
    except OSError:  # a name that no file can have
        is_there = False
    if is_there:
        return ""
    remedy = ""
    if "://" in image:
        remedy = "; download it, and give its path"
    elif "\\" in image:
        remedy = "; write / between folders"
    return f"image {image[:100]!r} is no file beside {path.name}{remedy}"


def _tell_of_twins(path: Path, reader: _Reader, warn: Log) -> None:
    """Listings with one picture and title: with the same labels they count twice, with others one of them is wrong."""
    first: dict[tuple[Path, str], int] = {}
    found: dict[str, list[int]] = {"stand there twice and count twice": [], "have other labels the second time": []}
    for index, row in enumerate(reader.rows):
        before = first.setdefault((row.image, row.title), index)
        if before != index:
            is_same = row.labels == reader.rows[before].labels
            found[list(found)[0 if is_same else 1]].append(reader.numbers[index])
    for what, lines in found.items():
        if lines:
            shown = ", ".join(map(str, lines[:_SHOWN_LINES])) + (", …" if len(lines) > _SHOWN_LINES else "")
            warn(f"{path.name}: {len(lines)} listings (picture and title) {what}: line {shown}")
