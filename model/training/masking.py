"""Titles without the words that tell the answer, to see what is known beyond them.

``masked_words.txt`` holds every word that stands in the raw colour of at least three training listings. It only grows:
what was once hidden stays hidden, or figures of different checkpoints could not be compared. The taxonomy's synonyms of
colours and materials are hidden as well. ``python -m model.training.masking DATA`` adds what new data brings.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from model.taxonomy import Taxonomy
from model.training.dataset import load_rows

MIN_ROWS = 3
_FILE = Path(__file__).parent / "masked_words.txt"


def masked_words() -> tuple[str, ...]:
    """The committed list, in its order."""
    return tuple(_FILE.read_text(encoding="utf-8").split("\n")[:-1])


def telling_words(raw_colors: Iterable[str]) -> frozenset[str]:
    """Words that stand in at least ``MIN_ROWS`` of the raw colours."""
    counts = Counter(word for raw in raw_colors for word in set(re.findall(r"\w+", raw.casefold())))
    return frozenset(word for word, count in counts.items() if count >= MIN_ROWS)


class Mask:
    """Takes the telling words out of titles."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        stated = {
            word for name in ("color", "material") for words in taxonomy.synonyms(name).values() for word in words
        }
        ordered = sorted({*masked_words(), *stated}, key=len, reverse=True)
        self._pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, ordered)) + r")(?!\w)", re.IGNORECASE)

    def hide(self, title: str) -> str:
        """The title with a space in place of each telling word or phrase."""
        return self._pattern.sub(" ", title)


def main() -> None:
    """Add to the list the telling words of a folder's training rows; none is ever taken off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with abo/, clothing/ and grocery/")
    rows = load_rows(parser.parse_args().data)
    found = telling_words(row.labels.get("color_raw", "") for row in rows if row.split == "train")
    _FILE.write_text("".join(f"{word}\n" for word in sorted({*masked_words(), *found})), encoding="utf-8")


if __name__ == "__main__":
    main()
