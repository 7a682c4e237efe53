"""What a line of text in a picture is: title, description, price, brand, size or something else.

Rules, in this order: a line that states a price is a price; one that is mostly a size is a size; of the rest, the
highest lines with words are the title, a short line well above it in the picture and smaller is the brand, and lines
of several words are the description.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from model.types import Role, TextLine
from model.wording.price_forms import has_price
from model.wording.units import find_sizes

ROLES_VERSION = "3"

_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_LETTER = re.compile(r"[^\W\d_]")
_TITLE_SHARE = 0.75  # of the tallest line's height


def assign_roles(lines: Sequence[TextLine]) -> tuple[TextLine, ...]:
    """The same lines in the same order, with roles."""
    plain = [_plain_role(line.text) for line in lines]
    open_lines = [index for index, role in enumerate(plain) if role is None and _has_words(lines[index].text)]
    title = _title_lines(lines, open_lines)
    roles = [
        role or ("title" if index in title else _other_role(lines, index, title)) for index, role in enumerate(plain)
    ]
    return tuple(replace(line, role=role) for line, role in zip(lines, roles, strict=True))


def _plain_role(text: str) -> Role | None:
    if has_price(text):
        return "price"
    sizes = find_sizes(text)
    if sizes and sum(size.end - size.start for size in sizes) * 2 >= len(text):
        return "size"
    return None


def _has_words(text: str) -> bool:
    return bool(_CJK.search(text)) or len(_LETTER.findall(text)) >= 3


def _title_lines(lines: Sequence[TextLine], candidates: Sequence[int]) -> frozenset[int]:
    wordy = [index for index in candidates if _num_words(lines[index].text) >= 2] or list(candidates)
    if not wordy:
        return frozenset()
    tallest = max(wordy, key=lambda index: _height(lines[index]))
    least = _TITLE_SHARE * _height(lines[tallest])
    return frozenset(index for index in wordy if _height(lines[index]) >= least)


def _other_role(lines: Sequence[TextLine], index: int, title: frozenset[int]) -> Role:
    text = lines[index].text
    if not _has_words(text):
        return "other"
    is_above = bool(title) and _top(lines[index]) < min(_top(lines[one]) for one in title)
    if is_above and _num_words(text) <= 2 and not any(character.isdigit() for character in text):
        return "brand"
    return "description" if _num_words(text) >= 3 else "other"


def _num_words(text: str) -> int:
    """Words; four characters of Chinese, Japanese or Korean count as two."""
    return len(_LETTER.sub("a", _CJK.sub(" ", text)).split()) + (len(_CJK.findall(text)) + 1) // 2


def _height(line: TextLine) -> float:
    (x0, y0), _, _, (x3, y3) = line.polygon
    return float(((x0 - x3) ** 2 + (y0 - y3) ** 2) ** 0.5)


def _top(line: TextLine) -> float:
    return min(y for _, y in line.polygon)
