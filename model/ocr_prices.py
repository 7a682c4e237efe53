"""A second look at lines that state prices: what stands raised, and what a line runs through.

Only such lines are looked at again; all others cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from model import raised
from model.ocr_ink import HEIGHT
from model.ocr_recognise import ReadLine
from model.price_forms import find_forms
from model.strikes import Strike, find_strike, without
from model.types import Pixels

LOOK_VERSION = "1"
_UNMEASURED = 0.85  # of the score, where raised cents cannot be ruled out
_AMOUNT = re.compile(r"\d[\d.,'’]*[.,]\d{2}(?!\d)")
_STRAY = 3  # characters
_MAX_SPANS = 3  # of one line: a line of many prices is a table
_WORSE = 0.08  # score that a reading without the line may lose against the one with it

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SeenLine:
    """A line after the second look; ``struck``: code points with a line through them."""

    text: str
    score: float
    struck: Spans = ()


def look_again(
    crops: Sequence[Pixels], lines: Sequence[ReadLine], read: Callable[[Sequence[Pixels]], list[ReadLine]]
) -> list[SeenLine]:
    """One result per line, in order. ``read`` is asked once, for the crops out of which a line was taken."""
    strikes = [_strikes(crop, line) for crop, line in zip(crops, lines, strict=True)]
    struck = [index for index, found in enumerate(strikes) if found]
    cleaned = [_cleaned(crops[index], strikes[index]) for index in struck]
    seen, used = list(lines), list(crops)
    for index, crop, line in zip(struck, cleaned, read(cleaned) if cleaned else [], strict=True):
        if _is_better(line, lines[index]):
            seen[index], used[index] = line, crop
    return [_seen(crop, line, found) for crop, line, found in zip(used, seen, strikes, strict=True)]


def _strikes(crop: Pixels, line: ReadLine) -> list[Strike]:
    """The lines through the prices of ``line``, each once."""
    if not line.text or max(crop.shape[:2]) < HEIGHT // 4:
        return []
    spans = [(form.start, form.end) for form in find_forms(line.text)]
    amount = _AMOUNT.search(line.text)
    if not spans and amount and len(line.text) - len(amount[0]) <= _STRAY:  # a struck sign may be read as anything
        spans = [amount.span()]
    half = HEIGHT / 8 / max(1.0, crop.shape[1] * HEIGHT / crop.shape[0])  # half a narrow character, of the width
    found = (
        find_strike(crop, line.places[start] - half, line.places[end - 1] + half) for start, end in spans[:_MAX_SPANS]
    )
    return [strike for strike in found if strike is not None]


def _cleaned(crop: Pixels, strikes: Sequence[Strike]) -> Pixels:
    for strike in strikes:
        crop = without(crop, strike)
    return crop


def _is_better(cleaned: ReadLine, line: ReadLine) -> bool:
    """A price read without the line goes before one read with it, unless it is read much worse."""
    has_form = bool(find_forms(cleaned.text))
    if has_form != bool(find_forms(line.text)):
        return has_form
    if _digits(cleaned.text) != _digits(line.text):
        return cleaned.least >= line.least
    return cleaned.score >= line.score - _WORSE


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())


def _seen(crop: Pixels, line: ReadLine, strikes: Sequence[Strike]) -> SeenLine:
    text, score = line.text, line.score
    for amount in reversed(raised.candidates(text)):
        if not _is_priced(text, amount):
            continue
        found = raised.judge(crop, line.text, line.places, amount)
        if found == "raised":
            text = raised.written(text, amount)
        elif found == "unknown":
            score *= _UNMEASURED
    if (zeros := raised.with_zeros(text)) != text:
        text, score = zeros, score * _UNMEASURED
    return SeenLine(text, score, _spans(text, line, strikes, crop))


def _is_priced(text: str, amount: tuple[int, int, int]) -> bool:
    start, _, end = amount
    return any(form.start <= start and end <= form.end for form in find_forms(raised.plain(text)))


def _spans(text: str, line: ReadLine, strikes: Sequence[Strike], crop: Pixels) -> Spans:
    """Code points under each strike. Raising cents takes characters away at most behind them."""
    width = crop.shape[1] * HEIGHT / crop.shape[0]
    spans = []
    for strike in strikes:
        under = [index for index, place in enumerate(line.places) if strike.left <= place * width <= strike.right]
        if under:
            spans.append((under[0], min(len(text), under[-1] + 1)))
    return tuple(span for span in spans if span[0] < span[1])


def stripped(line: SeenLine) -> SeenLine:
    """The line with surrounding blanks taken off, spans moved with it."""
    text = line.text.strip()
    shift = len(line.text) - len(line.text.lstrip())
    moved = ((max(0, start - shift), min(len(text), end - shift)) for start, end in line.struck)
    return replace(line, text=text, struck=tuple(span for span in moved if span[0] < span[1]))
