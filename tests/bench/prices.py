"""Prices read from rendered cards: exact amounts and currencies, false prices, and errors by a factor of 100.

Cards are drawn here, over real photos, in fonts, layouts and on photos that were not used while the rules were made
(`tests/price_cards`): 2,000 with a price in every notation, 1,000 with sizes, dates, phone numbers and other numbers.
The reader is the OCR lane's, the rules are the worker's; a third of the listings say nothing of the currency, a third
have a language, a third a feed's currency. No feed says the amount. Photos of shop shelves lie under prices only, as
they show prices of their own.
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from model.ocr import open_reader
from model.training.dataset import load_rows
from model.types import ReadText, TextReader
from model.wording.prices import find_prices
from tests.bench.figure import Bar, Bench, Figure
from tests.price_cards.cards import Card, CardMaker
from tests.price_cards.fonts import PACKAGES
from tests.price_cards.notations import names
from tests.price_cards.scoring import Outcome, hint_for, judge
from worker.demo.samples import load_pictures

TITLE = "Prices read from rendered cards"
PAGE = "prices"
_TOGETHER = 8
_RAISED = "raised cents without a point"
_Z = 1.96


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    with tempfile.TemporaryDirectory() as folder:
        goods, shelves = _photos(bench, Path(folder))
        makers = CardMaker("test", [*goods, *shelves]), CardMaker("test", goods)
        bench.say(f"fonts: {', '.join(makers[0].fonts) or 'none'}; Debian packages: {', '.join(PACKAGES)}")
        reader = open_reader()
        numbers = range(bench.size(short=208, full=2000)), range(bench.size(short=104, full=1000))
        priced = list(_outcomes(reader, (makers[0].priced(number) for number in numbers[0]), bench))
        unpriced = list(_outcomes(reader, (makers[1].unpriced(number) for number in numbers[1]), bench))
    where = "test photos of the training data" if bench.data else "the demo's photos"
    note = f"{len(priced)} cards over {where}, {len(makers[0].fonts)} fonts, engine {reader.engine}"
    return [*_judged(priced, unpriced, note), *_by_notation(priced), *_beside(priced)]


def _outcomes(reader: TextReader, cards: Iterator[Card], bench: Bench) -> Iterator[Outcome]:
    waiting: list[Card] = []
    number = 0
    for card in cards:
        waiting.append(card)
        if len(waiting) == _TOGETHER:
            yield from _read(reader, waiting, number)
            number += len(waiting)
            waiting = []
            if number % 200 == 0:
                bench.say(f"  {number} cards")
    yield from _read(reader, waiting, number)


def _read(reader: TextReader, cards: Sequence[Card], first: int) -> Iterator[Outcome]:
    texts: Sequence[ReadText] = reader.read([card.pixels for card in cards]) if cards else []
    for number, (card, text) in enumerate(zip(cards, texts, strict=True), start=first):
        hint = hint_for(number, card.wording)
        yield judge(card.wording, hint, find_prices([text], hint.as_hints()))


def _judged(priced: Sequence[Outcome], unpriced: Sequence[Outcome], note: str) -> list[Figure]:
    exact = [one for outcome in priced for one in outcome.exact]
    raised = [one for outcome in priced if outcome.notation == _RAISED for one in outcome.exact]
    sure = sum(outcome.sure for outcome in (*priced, *unpriced))
    hundredfold = sum(outcome.hundredfold for outcome in priced)
    false = [outcome.extra > 0 for outcome in unpriced]
    return [
        _share("amount exact, currency as far as stated", sum(exact), len(exact), (">=", 0.97), note),
        _share("raised cents exact", sum(raised), len(raised), (">=", 0.9)),
        _share("pictures without a price in which one is found", sum(false), len(false), ("<=", 0.01)),
        _share("errors by 100 among prices above score 0.9", hundredfold, sure, ("<=", 0.001)),
    ]


def _by_notation(priced: Sequence[Outcome]) -> list[Figure]:
    figures = []
    for name in names():
        exact = [one for outcome in priced if outcome.notation == name for one in outcome.exact]
        figures.append(_share(f"exact: {name}", sum(exact), len(exact)))
    return figures


def _beside(priced: Sequence[Outcome]) -> list[Figure]:
    understood = [one for outcome in priced for one in outcome.understood]
    struck = [one for outcome in priced if outcome.notation.startswith("pairs, old price") for one in outcome.struck]
    extra = [outcome.extra > 0 for outcome in priced]
    wrong, sure = sum(outcome.sure_wrong for outcome in priced), sum(outcome.sure for outcome in priced)
    scores = [one for outcome in priced for one in outcome.scores]
    gap = abs(sum(score for score, _ in scores) - sum(right for _, right in scores)) / max(1, len(scores))
    return [
        _share("exact, and kind, unit and struck-out right as well", sum(understood), len(understood)),
        _share("old prices with a line through them found struck out", sum(struck), len(struck)),
        _share("cards with a price in which another is found that is not there", sum(extra), len(extra)),
        _share("wrong among prices above score 0.9", wrong, sure),
        Figure("mean score against share right", round(gap, 4), "", None, f"of {len(scores)} prices found"),
    ]


def _share(what: str, hits: int, count: int, bar: Bar | None = None, note: str = "") -> Figure:
    low, high = interval(hits, count)
    told = f"{hits} of {count}, 95 % interval {low:.4f}–{high:.4f}" + (f"; {note}" if note else "")
    return Figure(what, round(hits / max(1, count), 4), "", bar, told)


def interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share, 95 %."""
    if count == 0:
        return 0.0, 1.0
    share, z2 = hits / count, _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def _photos(bench: Bench, folder: Path) -> tuple[list[Path], list[Path]]:
    """Photos of goods, and photos from shops, in an order that their names decide."""
    if bench.data is None:
        for name, body in load_pictures().items():
            if not name.startswith("card-"):
                (folder / name.replace("/", "-")).write_bytes(body)
        return sorted(folder.iterdir()), []
    rows = [row for row in load_rows(bench.data) if row.split == "test"]
    ordered = sorted(rows, key=lambda row: hashlib.sha256(row.image.name.encode()).digest())
    goods = [row.image for row in ordered if row.source != "grocery"]
    return goods, [row.image for row in ordered if row.source == "grocery"][: len(goods) // 6]
