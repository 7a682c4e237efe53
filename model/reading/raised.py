"""Raised cents: ``$299⁹⁰`` comes out of plain OCR as ``$29990``, a price a hundred times as high.

Where a price's last two digits may be cents, the ink says so: they are smaller than the digits before them and hang
from the same height. They are then written as raised digits, and read as cents.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from model.reading.ink import Glyph, glyphs_at, inks, scaled
from model.reading.rows import raised_after, raised_before, rows_of
from model.types import Pixels
from model.wording.price_forms import RAISED

TO_RAISED = str.maketrans("0123456789oOº°", RAISED + "⁰⁰⁰⁰")
_TO_PLAIN = str.maketrans(RAISED + "º°", "012345678900")
_LEAST_CENTS, _SMALL = 0.3, 0.82  # cents' height, of the digits' before them
_ALOFT = 0.18  # how far their feet stand above the others', of the same
_SAME_TOP = 0.25
_WHOLE = 0.85  # of the tallest glyphs found: less is parts of glyphs
_EDGE = 0.05  # of the crop's height
_BARE_BELOW, _BARE_FEET = 0.4, 0.2  # see ``_by_rows``: at most this much ink, feet at least this far up
_MISREAD = f"[\\d{RAISED}º°]"
_NO_UNIT = r"(?! ?(?:%|(?!(?:[A-Z]{3}|kr|zł)\b)[a-zA-Z]))"
_CENTS = re.compile(
    rf"(?<![\d.,'’])(?P<whole>\d{{1,3}}(?:[., '’]\d{{3}})+|\d{{1,5}})(?P<gap>[ .,'’]?)"
    rf"(?P<cents>{_MISREAD}{{2}})(?!{_MISREAD}|[.,]\d){_NO_UNIT}"
)
_GROUPED = re.compile(rf"\d{{1,3}}(?:[.,'’]\d{{3}})+{_MISREAD}{{2}}")
_ALONE = re.compile(rf"\s*(?:\d{{1,3}}(?:[.,]\d{{3}})+|\d{{1,4}}){_MISREAD}{{2}}\s*")

_ZEROS = re.compile(r"(?P<amount>[$£€₹]\s?\d{1,4}|(?<!\S)\d{1,4}(?=[\"“”″]\s?[€₹]))[\"“”″](?!\w)")
_SMALL_INK = frozenset(" .,'’-–—:;·\"")

Found = Literal["raised", "level", "unknown"]


def candidates(text: str) -> list[tuple[int, int, int]]:
    """Where cents without a point may stand: start of the amount, start of the last two digits, and their end."""
    found = []
    for match in _CENTS.finditer(text):
        if match["gap"] in (".", ","):
            continue
        found.append((match.start("whole"), match.start("cents"), match.end("cents")))
    return found


def is_grouped(text: str, amount: tuple[int, int, int]) -> bool:
    """``$1,29990``: where the ink says nothing, a group of five digits is three and the cents."""
    return bool(_GROUPED.fullmatch(text[amount[0] : amount[2]]))


def is_alone(text: str) -> bool:
    """Nothing but an amount that may have raised cents: its sign, perhaps raised as well, was not read."""
    return bool(_ALONE.fullmatch(text))


def sign_crop(crop: Pixels, text: str, places: Sequence[float]) -> Pixels | None:
    """Where the raised sign of ``text`` (see ``is_alone``) would be, cut out: in the line it is too small."""
    small = scaled(crop)
    digits = [index for index, one in enumerate(text) if one not in _SMALL_INK]
    return raised_before(small, [places[index] * small.shape[1] for index in digits[:-2]])


@dataclass(frozen=True, slots=True)
class Hung:
    """What hangs behind an amount: its pixels, the characters that were read there, and two digits' places."""

    pixels: Pixels
    start: int
    end: int
    places: tuple[float, float]


def cents_crop(crop: Pixels, text: str, places: Sequence[float], amount: tuple[int, int, int]) -> Hung | None:
    """The raised digits of ``amount`` (see ``candidates``), cut out, if all before them stand on the line's foot.

    One of them may not have been read; then the last of the large digits was taken for a small one.
    """
    start, _, end = amount
    small = scaled(crop)
    found = raised_after(small, places[start] * small.shape[1])
    if found is None:
        return None
    pixels, foot = found
    inside = foot - _EDGE * small.shape[0] / small.shape[1]  # a large digit's middle is left of its foot's end
    first = next((index for index in range(start, end) if places[index] > inside), end)
    if first == start or not 1 <= end - first <= 2:
        return None
    wide = pixels.shape[1] / small.shape[1]
    return Hung(pixels, first, end, (foot + wide / 4, min(1.0, foot + wide * 3 / 4)))


def judge(crop: Pixels, text: str, places: Sequence[float], amount: tuple[int, int, int]) -> Found:
    """Whether the last two digits of ``amount`` (see ``candidates``) are raised in ``crop``, which says ``text``.

    The characters beside the amount are looked for as well: so none of their ink is taken for a digit's.
    """
    start, cents, end = amount
    first, last = max(0, start - 2), min(len(text), end + 2)
    chosen = [index for index in range(first, last) if text[index] not in _SMALL_INK]
    small = scaled(crop)
    found = [glyphs for ink in inks(small) if (glyphs := glyphs_at(ink, [places[index] for index in chosen]))]
    # Ink that is only a glyph's rim, or a hole in it, gives lower boxes than the glyph itself.
    tallest = max((_ink_height(glyphs) for glyphs in found), default=0.0)
    for glyphs in sorted(found, key=_ink_height, reverse=True):
        by_index = dict(zip(chosen, glyphs, strict=True))
        before = [by_index[index] for index in range(start, cents) if index in by_index]
        says = _compare(before, [by_index[end - 2], by_index[end - 1]])
        if says != "unknown" and _ink_height(glyphs) >= _WHOLE * tallest:
            return says
    return _by_rows(small, text, places, amount)


def _by_rows(small: Pixels, text: str, places: Sequence[float], amount: tuple[int, int, int]) -> Found:
    """The same from where in their columns the digits' edges lie: for ink that no cut parts into glyphs.

    Never "level": such ink may hide a point as well (``20.99元`` read as ``2099元``), so the doubt stays.
    """
    start, cents, end = amount
    middles = [places[index] * small.shape[1] for index in range(start, cents) if text[index].isdigit()]
    found = rows_of(small, middles, [places[end - 2] * small.shape[1], places[end - 1] * small.shape[1]])
    if found is None:
        return "unknown"
    is_raised = found.below <= _BARE_BELOW and found.feet >= _BARE_FEET and abs(found.top) <= _SAME_TOP
    return "raised" if is_raised else "unknown"


def _ink_height(glyphs: Sequence[Glyph]) -> float:
    return sum(glyph.height for glyph in glyphs)


def _compare(before: Sequence[Glyph], cents: Sequence[Glyph]) -> Found:
    height = float(np.median([one.height for one in before]))
    top = float(np.median([one.top for one in before]))
    bottom = float(np.median([one.bottom for one in before]))
    is_even = max(abs(one.height - height) for one in before) <= 0.15 * height
    raised = [
        _LEAST_CENTS * height <= one.height <= _SMALL * height
        and bottom - one.bottom >= _ALOFT * height
        and abs(one.top - top) <= _SAME_TOP * height
        for one in cents
    ]
    if is_even and all(raised):
        return "raised"
    level = [abs(one.height - height) <= 0.1 * height and abs(one.bottom - bottom) <= 0.1 * height for one in cents]
    return "level" if is_even and all(level) else "unknown"


def written(text: str, amount: tuple[int, int, int]) -> str:
    """``text`` with those cents as raised digits."""
    _, cents, end = amount
    return text[:cents].rstrip(" '’") + text[cents:end].translate(TO_RAISED) + text[end:]


def with_zeros(text: str) -> str:
    """Two small zeros beside an amount are read as a quotation mark; no amount of money has one."""
    return _ZEROS.sub(rf"\g<amount>{RAISED[0] * 2}", text)


def plain(text: str) -> str:
    """Raised digits as digits."""
    return text.translate(_TO_PLAIN)
