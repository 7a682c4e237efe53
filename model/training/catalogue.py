"""A team's own listings as rows: a JSON-lines or CSV file beside its pictures.

One line per listing: ``image`` (a path, relative to the file), ``title`` (may be empty) and whatever is known of
``product_type``, ``color``, ``material``, ``scene`` and the attributes that prompts declare. Optional:
``split`` (``train`` or ``test``; else every tenth family is tested on) and ``family`` (variants of one thing; else the
first words of the title).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from model.errors import ModelError
from model.taxonomy import load_taxonomy
from model.training.dataset import FAMILY_WORDS, Row, Split, family_share, load_rows

LABELS = ("product_type", "color", "material", "scene")
_KNOWN = {"image", "title", "split", "family"}
_TEST_SHARE = 0.1


def rows_of(data: Path) -> list[Row]:
    """What ``--data`` names: a folder with the training data, or a team's own file. Raises ModelError."""
    return load_catalogue(data) if is_catalogue(data) else load_rows(data)


def is_catalogue(path: Path) -> bool:
    """Is a file meant, not the folder with the shipped checkpoint's data?"""
    return path.suffix in (".jsonl", ".csv") or path.is_file()


def load_catalogue(path: Path, prompted: Iterable[str] | None = None) -> list[Row]:
    """All listings of a ``.jsonl`` or ``.csv`` file. ``prompted``: the attributes that prompts declare, None: those of
    the taxonomy. Raises ModelError naming the line and what is wrong with it.
    """
    names = (*LABELS, *(load_taxonomy().prompts if prompted is None else prompted))
    if not path.is_file():
        raise ModelError(
            f"{path} is no file; --data must name listings as .jsonl or .csv, or a folder of training data"
        )
    lines = _read_csv(path) if path.suffix == ".csv" else _read_json_lines(path)
    rows = [_row(path, number, line, names) for number, line in lines]
    if not rows:
        raise ModelError(f"{path} holds no listing; write one JSON object or CSV row per line")
    return rows


def _row(path: Path, number: int, line: Mapping[str, str], names: Sequence[str]) -> Row:
    where = f"{path.name}, line {number}"
    known = sorted({*_KNOWN, *names})
    if unknown := sorted(set(line) - set(known)):
        raise ModelError(f"{where}: unknown field {unknown[0]!r}; the fields are {', '.join(known)}")
    image = path.parent / line.get("image", "")
    if not image.is_file():
        raise ModelError(f"{where}: image {line.get('image', '')!r} is no file beside {path.name}")
    title = line.get("title", "")
    family = line.get("family") or " ".join(re.findall(r"[^\W\d_]+", title.casefold())[:FAMILY_WORDS]) or image.name
    labels = {name: line[name] for name in names if line.get(name)}
    return Row(image, title, labels, _split(where, line.get("split", ""), family), "catalogue", family)


def _split(where: str, given: str, family: str) -> Split:
    if given not in ("", "train", "test"):
        raise ModelError(f"{where}: split {given!r} is none; write train or test, or leave it out")
    if given:
        return "train" if given == "train" else "test"
    return "test" if family_share(family) < _TEST_SHARE else "train"


def _read_json_lines(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                line = json.loads(text)
            except ValueError as error:
                raise ModelError(f"{path.name}, line {number}: not JSON: {error}") from error
            if not isinstance(line, dict) or not all(isinstance(value, str) for value in line.values()):
                raise ModelError(f"{path.name}, line {number}: write one object whose values are strings")
            yield number, line


def _read_csv(path: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        for number, line in enumerate(csv.DictReader(file), 2):
            if None in line or None in line.values():
                raise ModelError(f"{path.name}, line {number}: more or fewer cells than the first line has")
            yield number, line
