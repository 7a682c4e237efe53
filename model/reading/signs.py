"""Currency signs that the recogniser saw but did not choose.

It was trained on few rupee signs: it often leaves one out, or takes it for a Chinese character. Where an amount stands
without a sign, the recogniser's own second thoughts at that place decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from model.reading.engine import Floats
from model.wording.currencies import CODES

SIGNS = "$€£¥￥₹₩₽₺₴₫₪฿₱₦元円"
_AFTER = "€元円₹"
_ALIKE = {"天": "₹", "于": "₹"}  # what the recogniser takes a rupee sign for
_ALIKE_ALONE = {**_ALIKE, **dict.fromkeys("きぎ手民良家平", "₹")}  # where nothing but a sign can stand
_ALIKE_DOUBTED, _DOUBTED = ("R", "F"), 0.5  # letters that are surely read where they are letters
_SEEN = SIGNS + "".join(_ALIKE)
_RUPEE = 40  # times what the recogniser gives it: where none stands it gives less than 0.0005
_LEAST = 0.04  # weight at its best step
_LEAST_FOR_JUNK = 0.03  # where an unlikely character stands in its place
_AMOUNT = re.compile(
    r"(?<![\d.,'’/])\d{1,3}(?:(?:[.,'’ ]\d{3})*|\d{1,4})[.,]\d{2}(?![\d.,%])"
    rf"|(?<=[{''.join(_ALIKE)}])\d{{1,3}}(?:[.,'’ ]\d{{3}}|\d{{0,4}})(?!\d)"
)
# A whole amount has no point that tells it from other numbers: only the rupee sign, missed most, is looked for.
_WHOLE = re.compile(
    r"(?:^|(?<=\s))(?P<junk>[^\W\d_])?(?<!\d)(?P<amount>\d{1,3}(?:[,'’ ]\d{3})+|\d{1,7})"
    r"(?=\s*$|\s?[-–—]\s?[^\W\d_]?₹?\d+\s*$)"
)
_LEAST_FOR_WHOLE = 0.06
_LEAST_FOR_DIGIT = 4  # a lone digit is mostly texture, or a clock's
_OTHERS = "$€£¥￥"  # what a rupee sign is taken for as well; of a true one nothing else is thought
_JUNK = re.compile(r"[^\d\s.,:;/%+\-–()xX×°#" + SIGNS + "]")
_AWAY = re.compile(rf"(?:^|\s)[{''.join(_ALIKE)}] $")
_SAID = re.compile(rf"(?:[{SIGNS}]|\b(?:{'|'.join(sorted(CODES))})|Rs\.?)\s?$")
_BOUND = re.compile(r"\s?(?:[" + SIGNS + r"](?P<next>\s?\d)?|[A-Z]{3}\b|kr|zł|Fr|Rs)")


@dataclass(frozen=True, slots=True)
class MissedSign:
    """A sign at ``start``, in place of the characters up to ``end``. ``step``: where it was seen.

    ``weight``: the probability, made up for what the recogniser never learnt; compared, but never a score.
    """

    start: int
    end: int
    sign: str
    probability: float
    step: int
    weight: float


def columns_of(alphabet: Sequence[str]) -> dict[str, int]:
    """Output columns of the signs that the recogniser knows, and of what it takes for one."""
    return {character: column for column, character in enumerate(alphabet) if character and character in _SEEN}


def lone_sign(text: str, score: float) -> str | None:
    """The sign of which a crop shows nothing else, from what was read in it: that sign, or what one is taken for."""
    if text in _ALIKE_DOUBTED and score < _DOUBTED:
        return "₹"
    found = {_ALIKE_ALONE.get(one, one) for one in text if one in SIGNS or one in _ALIKE_ALONE}
    return found.pop() if len(found) == 1 else None


def missed_signs(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    """Signs beside the amounts of ``text``, whose characters were read at steps ``at`` of ``steps`` (T, characters)."""
    found = list(_beside_cents(text, steps, at, columns)) or list(_beside_whole(text, steps, at, columns))
    yield from sorted([*found, *_doubted(text, steps, at, columns)], key=lambda one: one.start)


def _doubted(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    """Other signs, hardly seen, that may be rupees."""
    for index, character in enumerate(text):
        if character in _OTHERS:
            span = index, index + 1
            found = _best(steps, (int(at[index]) - 1, int(at[index]) + 2), columns, "₹", span)
            if found is not None and found.weight > steps[at[index], columns[character]]:
                yield found


def _beside_whole(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    """Rupee signs before amounts without cents where nothing was read; or a pound's, where an f was."""
    for match in _WHOLE.finditer(text):
        start = match.start("amount")
        first = match.start("junk") if match["junk"] else start
        before = _before(text, steps, at, (first, start), columns, "₹£" if match["junk"] else "₹")
        least = _LEAST_FOR_DIGIT if len(text.strip()) == 1 else _LEAST_FOR_WHOLE
        if before is not None and before.weight >= least:
            yield before


def _beside_cents(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    for match in _AMOUNT.finditer(text):
        start, end = match.span()
        bound = _BOUND.match(text, end)
        if (bound and not bound["next"]) or _SAID.search(text[:start]):
            continue
        is_junk = start > 0 and bool(_JUNK.match(text[start - 1])) and not _ends_a_word(text, start - 1)
        first = start - 1 if is_junk else start
        if _AWAY.search(text[:start]):  # "天 56.50"
            first, is_junk = start - 2, True
        before = _before(text, steps, at, (first, start), columns, _SEEN if is_junk else SIGNS)
        if before is not None and before.weight >= (_LEAST_FOR_JUNK if is_junk else _LEAST):
            yield before
            continue
        first_digit = _best(steps, (int(at[start]), int(at[start]) + 1), columns, "₹", (start, start + 1))
        if first_digit is not None and _is_whole_word(text, start) and first_digit.weight > steps[at[start]].max():
            yield first_digit
            continue
        if bound:  # the sign behind belongs to the next amount
            continue
        high = int(at[end]) if end < len(text) else len(steps)
        after = _best(steps, (int(at[end - 1]) + 1, high), columns, _AFTER, (end, end))
        if after is not None and after.weight >= _LEAST:
            yield after


def _ends_a_word(text: str, index: int) -> bool:
    """Is the character part of what stands before it? Where rupees are stated, what one is taken for is not."""
    return index > 0 and text[index - 1].isalnum() and not (text[index] in _ALIKE and "₹" in text)


def _is_whole_word(text: str, start: int) -> bool:
    """Does an amount begin here, and still one behind its first digit?"""
    return (start == 0 or text[start - 1] == " ") and text[start + 1].isdigit()


def _before(
    text: str, steps: Floats, at: npt.NDArray[np.intp], span: tuple[int, int], columns: dict[str, int], signs: str
) -> MissedSign | None:
    """The likeliest sign in place of ``span``, which ends at an amount, or on either side of the blank before it."""
    first, start = span
    least = first
    while least and first == start and text[least - 1] == " ":
        least -= 1
    found = _best(steps, (int(at[least - 1]) + 1 if least else 0, int(at[start])), columns, signs, span)
    if found is None or first < start:
        return found
    start = least + int(np.searchsorted(at[least:start], found.step))  # among the blanks: where it was seen
    return replace(found, start=start, end=start)


def _best(
    steps: Floats, window: tuple[int, int], columns: dict[str, int], signs: str, span: tuple[int, int]
) -> MissedSign | None:
    """The likeliest of ``signs`` at the steps of ``window``, put in place of ``span``."""
    known = [(sign, columns[sign]) for sign in signs if sign in columns]
    low, high = max(0, window[0]), window[1]
    if low >= high or not known:
        return None
    seen = steps[low:high][:, [column for _, column in known]]
    weights = seen * np.array([_RUPEE if sign == "₹" else 1 for sign, _ in known], np.float32)
    step, place = np.unravel_index(int(weights.argmax()), weights.shape)
    sign = known[int(place)][0]
    chance, weight = float(seen[step, place]), float(weights[step, place])
    return MissedSign(*span, _ALIKE.get(sign, sign), chance, low + int(step), weight)
