"""A catalogue's file as lines of fields, before anybody asks what they mean: JSON lines, or cells apart by commas,
semicolons or tabs, in UTF-8 with or without a mark in front.

What is wrong with a line is given in place of its fields, so that a reader can name all faults at once. What is wrong
with the file as a whole (its encoding, its first line) raises ModelError.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import ModelError

SEPARATED = (".csv", ".tsv")
PASSED_OVER = ("id", "listing_id", "sku")  # most catalogues have one; nothing is made of it
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file, counted from 1: where its listing begins. ``fault``: what is wrong with it, empty: nothing."""

    number: int
    fields: Mapping[str, str]
    fault: str = ""


def lines_of(path: Path) -> Iterator[Line]:
    """All lines that hold something. Raises ModelError."""
    text = _text(path)
    return _cells(path, text) if path.suffix.lower() in SEPARATED else _objects(path, text)


def _text(path: Path) -> str:
    raw = path.read_bytes()
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ModelError(f"{path.name} is written in UTF-16; save it as UTF-8 (Excel: 'CSV UTF-8')")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ModelError(
            f"{path.name}, line {line}: byte 0x{raw[error.start]:02x} is no UTF-8; save the file as UTF-8 (Excel: "
            "'CSV UTF-8')"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise ModelError(f"{path.name}, line {line}: a NUL byte, which no text holds; export the file again")
    return text


# ---- JSON lines -----------------------------------------------------------------------------------------------------


def _objects(path: Path, text: str) -> Iterator[Line]:
    if path.suffix.lower() != ".jsonl" and not text.lstrip().startswith(("{", "[")):
        raise ModelError(
            f"{path.name} is read as JSON lines, and does not begin as they do; name it .csv or .tsv if it holds cells"
        )
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            yield _object(number, line)


def _object(number: int, text: str) -> Line:
    try:
        found = json.loads(text, object_pairs_hook=_once)
    except ValueError as error:
        return Line(number, {}, f"not JSON: {error}")
    except RecursionError:
        return Line(number, {}, "not JSON of a listing: nested too deep")
    if not isinstance(found, dict):
        return Line(number, {}, f"{_kind(found)}; write one JSON object per line, whose values are strings")
    fields = {name: value for name, value in found.items() if value is not None and name not in PASSED_OVER}
    for name, value in fields.items():
        if not isinstance(value, str):
            return Line(number, {}, f"field {name!r} is {_kind(value)}; write one string, or null if it is not known")
        if not _is_text(value):
            return Line(number, {}, f"field {name!r} holds half a character (a lone surrogate); export the file again")
    return Line(number, fields)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} stands there twice")
    return found


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "a string")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


# ---- cells ----------------------------------------------------------------------------------------------------------


def _cells(path: Path, text: str) -> Iterator[Line]:
    first = text.partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    head = [name.strip() for name in next(_records(reader), _Record(1, [])).cells]
    if head and "image" not in head:
        shown = ", ".join(map(repr, head))[:200]
        raise ModelError(
            f"{path.name}, line 1: no column 'image' among {shown}; the first line names the columns, apart by commas, "
            "semicolons or tabs"
        )
    if twice := [name for place, name in enumerate(head) if name in head[:place]]:
        raise ModelError(f"{path.name}, line 1: column {twice[0]!r} stands there twice; leave one out")
    for record in _records(reader):
        if record.fault:
            yield Line(record.number, {}, record.fault)
        elif len(record.cells) != len(head):
            yield Line(record.number, {}, f"{len(record.cells)} cells, but the first line has {len(head)}")
        elif any(cell.strip() for cell in record.cells):
            fields = dict(zip(head, record.cells, strict=True))
            yield Line(record.number, {name: cell for name, cell in fields.items() if name not in PASSED_OVER})


@dataclass(frozen=True, slots=True)
class _Record:
    """A row of cells, and the line it begins in."""

    number: int
    cells: list[str]
    fault: str = ""


def _records(reader: Any) -> Iterator[_Record]:  # csv's reader has no public type
    while True:
        number = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            limit = f"; a cell holds at most {csv.field_size_limit():,} characters, a quote in one is written twice"
            yield _Record(number, [], f"no row of cells: {error}{limit}")
            continue
        if cells:
            yield _Record(number, cells)
