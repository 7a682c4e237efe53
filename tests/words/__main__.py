"""``python -m tests.words [--out docs/results/words.md] [--misses]``: how well words are understood.

Titles labelled by hand (`tests/words/data`) against what the extractor finds in them, and how the two readings agree.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from model.extract import Extractor
from model.taxonomy import load_taxonomy
from tests.words.further import Titled, load_further, understood
from tests.words.labels import LANGUAGES, Agreement, Labelled, agreement, kappa, load_labels, stated

SETS = (
    ("titles", "size", 0.95),
    ("titles", "material", 0.95),
    *((name, attribute, 0.85) for name in LANGUAGES for attribute in ("color", "material")),
)
_HEAD = """# Size, material and colour in words

`python -m tests.words --out docs/results/words.md`, {date}, {cores} cores. Titles, rules of labelling and credit:
`tests/words/data`.

F1 over all values of all titles. *Development* is the half that was looked at while the extractor was written, *test*
the other. Agreement of the two readings: F1 of one against the other, and Cohen's kappa.
Both are by one reader, a language model, and the titles in other languages and the lists of words have one author:
expect less of strangers' titles.

| Titles | Attribute | Bar | Development | Test | Test: precision, recall | Test: titles wholly right | Readings agree |
|---|---|---|---|---|---|---|---|
"""


_FURTHER = """
Titles in the languages of `model/words`, as sellers there write them, by one language model; the lists of words are by
others of its kind, who had not seen them, so again expect less of strangers' titles. No language is named to the
extractor. *Category*: titles that state a right one, and those that state a wrong one. Colour and material: F1.

| Language | Development: category right, wrong | Colour | Material | Test: category right, wrong | Colour | Material |
|---|---|---|---|---|---|---|
"""


def main() -> None:
    """Print the table, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the table there")
    parser.add_argument("--misses", action="store_true", help="print what was found wrongly in the development halves")
    arguments = parser.parse_args()
    extractor = Extractor(load_taxonomy())
    if arguments.misses:
        for name, attribute, _ in SETS:
            _say("\n".join(_misses(extractor, name, attribute)))
        _say("\n".join(_further_misses(extractor)))
        return
    page = _HEAD.format(date=f"{datetime.now(UTC):%Y-%m-%d}", cores=os.cpu_count())
    page += "".join(_row(extractor, *one) for one in SETS)
    page += _FURTHER + "".join(_further(extractor))
    page += f"\nExtraction costs {_microseconds(extractor):.0f} microseconds of processor time per English title.\n"
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")
    _say(page)


def _say(text: str) -> None:
    print(text)  # noqa: T201  # a command's own output


def _row(extractor: Extractor, name: str, attribute: str, bar: float) -> str:
    rows = load_labels(name, attribute)
    halves = [[row for row in rows if row.is_test == is_test] for is_test in (False, True)]
    development, test = (_measured(extractor, half, attribute) for half in halves)
    first, second = [row.first for row in rows], [row.second for row in rows]
    verdict = "" if test.f1 >= bar else " **missed**"
    return (
        f"| {name} | {attribute} | {bar:.2f} | {_share(development)} | {_share(test)}{verdict} "
        f"| {test.precision:.3f}, {test.recall:.3f} | {test.whole} of {test.titles} "
        f"| {agreement(first, second).f1:.3f}, {kappa(first, second):.3f} |\n"
    )


def _measured(extractor: Extractor, rows: Sequence[Labelled], attribute: str) -> Agreement:
    return agreement([stated(extractor, row.title, attribute) for row in rows], [row.final for row in rows])


def _further(extractor: Extractor) -> Iterator[str]:
    rows = load_further()
    for language in (*sorted({row.language for row in rows}), "all"):
        own = [row for row in rows if language in (row.language, "all")]
        halves = ([row for row in own if row.is_test == is_test] for is_test in (False, True))
        yield f"| {language} | {' | '.join(_understood(extractor, half) for half in halves)} |\n"


def _understood(extractor: Extractor, rows: Sequence[Titled]) -> str:
    found = understood(extractor, rows)
    return f"{found.right}, {found.wrong} of {found.titles} | {found.color.f1:.2f} | {found.material.f1:.2f}"


def _further_misses(extractor: Extractor) -> Iterator[str]:
    for row in load_further():
        found = understood(extractor, [row])
        if not row.is_test and not (found.right and found.color.whole and found.material.whole):
            yield f"{row.language}: found {sorted(stated(extractor, row.title, 'category'))}: {row}"


def _share(one: Agreement) -> str:
    return f"{one.f1:.3f} ({one.wanted} values in {one.titles} titles)"


def _misses(extractor: Extractor, name: str, attribute: str) -> Iterator[str]:
    for row in load_labels(name, attribute):
        found = stated(extractor, row.title, attribute)
        if not row.is_test and found != row.final:
            yield f"{name} {attribute}: found {sorted(found)}, stated {sorted(row.final)}: {row.title}"


def _microseconds(extractor: Extractor) -> float:
    titles = [row.title for row in load_labels("titles", "size")]
    best = float("inf")
    for _ in range(5):
        began = time.process_time()
        for title in titles:
            extractor.extract(title, "", ())
        best = min(best, time.process_time() - began)
    return best / len(titles) * 1e6


if __name__ == "__main__":
    main()
