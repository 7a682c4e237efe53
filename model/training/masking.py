"""Titles without the words that tell the answer, to see what is known beyond them.

``masked_words.txt`` holds every word that stands in the raw colour of at least three training listings. It only grows:
what was once hidden stays hidden, or figures of different checkpoints could not be compared. The taxonomy's synonyms of
colours and materials are hidden as well. ``python -m model.training.masking DATA`` adds what new data brings.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from model.taxonomy import Taxonomy
from model.training.dataset import load_rows
from model.wording.folding import fold
from model.wording.units import lowered

MIN_ROWS = 3
_WORD = re.compile(r"\w+")
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
        self._phrases: defaultdict[str, list[str]] = defaultdict(list)  # by first word, the longest first
        for phrase in sorted({*masked_words(), *stated}, key=len, reverse=True):
            self._phrases[_WORD.findall(phrase)[0]].append(phrase)

    def hide(self, title: str) -> str:
        """The title with a space in place of each telling word or phrase."""
        folded = fold(title)
        text, kept, end, after = lowered(folded.text), [], 0, 0
        for match in _WORD.finditer(text):
            if match.start() < end:
                continue
            phrases = self._phrases.get(match[0], ())
            found = next((one for one in phrases if _stands(one, text, match.start())), None)
            if found is not None:
                end = match.start() + len(found)
                start, stop = folded.span(match.start(), end)
                kept += [title[after:start], " "]
                after = stop
        return "".join([*kept, title[after:]])


def _stands(phrase: str, text: str, start: int) -> bool:
    """Does it stand there, and end where a word does?"""
    return text.startswith(phrase, start) and _WORD.match(text, start + len(phrase)) is None


def main() -> None:
    """Add to the list the telling words of a folder's training rows; none is ever taken off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with abo/, clothing/ and grocery/")
    rows = load_rows(parser.parse_args().data)
    found = telling_words(row.labels.get("color_raw", "") for row in rows if row.split == "train")
    _FILE.write_text("".join(f"{word}\n" for word in sorted({*masked_words(), *found})), encoding="utf-8")


if __name__ == "__main__":
    main()
