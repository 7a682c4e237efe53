"""Which training pictures hold text, as our own reader sees it: a table made once and kept beside this file.

    python -m model.presence.text_labels DATA [--train 1500] [--others 1600] [--threads 1]

So many training pictures, and so many calibration and test pictures, picked by a hash of their names, are read as they
are by the OCR lane's reader (`model.ocr`), and written to ``text_labels.csv``: the picture's name below DATA, and how
many characters were read in it. 0 is a picture without text. What is in the table already is not read again.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from model.ocr import open_reader
from model.training.dataset import Row, load_rows
from model.types import TextReader

TABLE = Path(__file__).parent / "text_labels.csv"
_SOURCES = ("abo", "clothing", "grocery")


def known_characters(table: Path = TABLE) -> dict[str, int]:
    """Characters read, by picture name as ``name_of`` gives it."""
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8", newline="") as file:
        return {row["picture"]: int(row["characters"]) for row in csv.DictReader(file)}


def name_of(path: Path) -> str:
    """A picture's name below the data folder: from the last part that names a source."""
    place = max((index for index, part in enumerate(path.parts) if part in _SOURCES), default=0)
    return "/".join(path.parts[place:])


def characters_of(rows: Sequence[Row], known: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """(N,) characters read in each row's picture, -1 where nobody looked."""
    return np.array([known.get(name_of(row.image), -1) for row in rows], np.int64)


def choose(rows: Sequence[Row], count: int) -> list[Row]:
    """``count`` rows, picked by a hash of their picture's name: more of them are the same and others."""
    return sorted(rows, key=lambda row: blake2b(name_of(row.image).encode(), digest_size=8).digest())[:count]


def make_table(rows: Sequence[Row], reader: TextReader, table: Path = TABLE) -> None:
    """Read what the table lacks of ``rows`` and add it, picture by picture."""
    known = known_characters(table)
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not known:
            writer.writerow(("picture", "characters"))
        for row in rows:
            if (name := name_of(row.image)) not in known:
                writer.writerow((name, _read(row.image, reader)))
                file.flush()


def _read(path: Path, reader: TextReader) -> int:
    with Image.open(path) as image:
        (text,) = reader.read([np.asarray(image.convert("RGB"), np.uint8)])
    return sum(len(line.text) for line in text.lines)


def main() -> None:
    """Add to the table; can be stopped and run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with abo/, clothing/ and grocery/")
    parser.add_argument("--train", type=int, default=1500, help="training pictures")
    parser.add_argument("--others", type=int, default=1600, help="calibration and test pictures")
    parser.add_argument("--threads", type=int, default=1, help="threads of the OCR engine")
    asked = parser.parse_args()
    rows = load_rows(asked.data)
    chosen = choose([row for row in rows if row.split != "train"], asked.others)
    chosen += choose([row for row in rows if row.split == "train"], asked.train)
    make_table(chosen, open_reader(num_threads=asked.threads, looks_everywhere=True))


if __name__ == "__main__":
    main()
