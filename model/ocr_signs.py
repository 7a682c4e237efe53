"""Currency signs that the recogniser saw but did not choose.

It was trained on few rupee signs: it often leaves one out, or takes it for a Chinese character. Where an amount stands
without a sign, the recogniser's own second thoughts at that place decide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model.ocr_engine import Floats

SIGNS = "$€£¥￥₹₩₽₺₴₫₪฿₱₦元円"
_AFTER = "€元円₹"
_ALIKE = {"天": "₹", "于": "₹"}  # what the recogniser takes a rupee sign for
_ALIKE_ALONE = {**_ALIKE, "き": "₹", "ぎ": "₹", "手": "₹", "民": "₹"}  # where nothing but a sign can stand
_ALIKE_DOUBTED, _DOUBTED = ("R", "F"), 0.5  # letters that are surely read where they are letters
_SEEN = SIGNS + "".join(_ALIKE)
_LEAST = 0.04  # probability at its best step
_LEAST_FOR_JUNK = 0.03  # where an unlikely character stands in its place
_AMOUNT = re.compile(
    r"(?<![\d.,'’/-])\d{1,3}(?:(?:[.,'’ ]\d{3})*|\d{1,4})[.,]\d{2}(?![\d.,%])"
    rf"|(?<=[{''.join(_ALIKE)}])\d{{1,3}}(?:[.,'’ ]\d{{3}}|\d{{0,4}})(?!\d)"
)
# A whole amount has no point that tells it from other numbers: only the rupee sign, missed most, is looked for.
_WHOLE = re.compile(
    r"(?:^|(?<=\s))(?P<junk>[^\W\d_])?(?<!\d)(?P<amount>\d{1,3}(?:[,'’ ]\d{3})+|\d{1,7})"
    r"(?=\s*$|\s?[-–—]\s?[^\W\d_]?₹?\d+\s*$)"
)
_LEAST_FOR_WHOLE = 0.01  # other numbers: below 0.001
_YEN, _SURE_YEN, _LEAST_FOR_YEN = "¥￥", 0.25, 0.02
_JUNK = re.compile(r"[^\d\s.,:;/%+\-–()xX×°#" + SIGNS + "]")
_BOUND = re.compile(r"\s?(?:[" + SIGNS + r"](?P<next>\s?\d)?|[A-Z]{3}\b|kr|zł|Fr|Rs)")


@dataclass(frozen=True, slots=True)
class MissedSign:
    """A sign at ``start``, in place of the characters up to ``end``. ``step``: where it was seen."""

    start: int
    end: int
    sign: str
    probability: float
    step: int


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
    yield from sorted([*found, *_doubted_yen(text, steps, at, columns)], key=lambda one: one.start)


def _doubted_yen(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    """Yen signs that may be rupees. Of a true one nothing else is thought."""
    for index, character in enumerate(text):
        if character in _YEN and steps[at[index], columns[character]] < _SURE_YEN:
            rupee = _best(steps, max(0, int(at[index]) - 1), int(at[index]) + 2, columns, "₹")
            if rupee is not None and rupee[1] >= _LEAST_FOR_YEN:
                yield MissedSign(index, index + 1, *rupee)


def _beside_whole(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    """Rupee signs before amounts without cents where nothing was read; or a pound's, where an f was."""
    for match in _WHOLE.finditer(text):
        start = match.start("amount")
        first = match.start("junk") if match["junk"] else start
        before = _before(text, steps, at, (first, start), columns, "₹£" if match["junk"] else "₹")
        if before is not None and before.probability >= _LEAST_FOR_WHOLE:
            yield before


def _beside_cents(text: str, steps: Floats, at: npt.NDArray[np.intp], columns: dict[str, int]) -> Iterator[MissedSign]:
    for match in _AMOUNT.finditer(text):
        start, end = match.span()
        bound = _BOUND.match(text, end)
        if (bound and not bound["next"]) or re.search(r"(?:[" + SIGNS + r"]|[A-Z]{3}|Rs\.?)\s?$", text[:start]):
            continue
        is_junk = start > 0 and bool(_JUNK.match(text[start - 1])) and not (start > 1 and text[start - 2].isalnum())
        first = start - 1 if is_junk else start
        before = _before(text, steps, at, (first, start), columns, _SEEN if is_junk else SIGNS)
        if before is not None and before.probability >= (_LEAST_FOR_JUNK if is_junk else _LEAST):
            yield before
            continue
        if bound:  # the sign behind belongs to the next amount
            continue
        high = int(at[end]) if end < len(text) else len(steps)
        after = _best(steps, int(at[end - 1]) + 1, high, columns, _AFTER)
        if after is not None and after[1] >= _LEAST:
            yield MissedSign(end, end, *after)


def _before(
    text: str, steps: Floats, at: npt.NDArray[np.intp], span: tuple[int, int], columns: dict[str, int], signs: str
) -> MissedSign | None:
    """The likeliest sign in place of ``span``, which ends at an amount, or on either side of the blank before it."""
    first, start = span
    least = first
    while least and first == start and text[least - 1] == " ":
        least -= 1
    found = _best(steps, int(at[least - 1]) + 1 if least else 0, int(at[start]), columns, signs)
    if found is None:
        return None
    if first == start:  # among the blanks: where it was seen
        first = start = least + int(np.searchsorted(at[least:start], found[2]))
    return MissedSign(first, start, *found)


def _best(steps: Floats, low: int, high: int, columns: dict[str, int], signs: str) -> tuple[str, float, int] | None:
    known = [(sign, columns[sign]) for sign in signs if sign in columns]
    if low >= high or not known:
        return None
    seen = steps[low:high][:, [column for _, column in known]]
    step, place = np.unravel_index(int(seen.argmax()), seen.shape)
    sign = known[int(place)][0]
    return _ALIKE.get(sign, sign), float(seen[step, place]), low + int(step)
