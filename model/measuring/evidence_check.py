"""Do the words that a tag cites carry it? Each is taken out of its title, and in its place as many others.

A cited span is sound if the title's own score of the value falls further without it than without a span of the same
length drawn elsewhere in the title ("comprehensiveness", DeYoung et al., ERASER, 2020, against a random rationale).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from model.extract import Extractor
from model.measuring.intervals import share_interval

_SEED = 0

Floats = npt.NDArray[np.float32]
Ask = Callable[[npt.NDArray[np.int64], Sequence[str]], Floats]  # rows and their titles to (N, V) by the title's side


@dataclass(frozen=True, slots=True)
class _Cut:
    """One title without what it cites, and without something else of that length."""

    row: int  # among those that are asked about
    value: int
    without: str
    other: str


def evidence_figures(
    attribute: str, values: Sequence[str], titles: Sequence[str], families: npt.NDArray[np.int64], scores: Floats,
    extractor: Extractor, ask: Ask,
) -> dict[str, Any]:  # fmt: skip
    """How often it was sound, over titles that state the value which is their own top one: ``scores`` (N, V) of
    ``titles``, whose ``families`` are (N,). {} where there are none.
    """
    cuts = _cuts(attribute, values, titles, scores, extractor)
    if not cuts:
        return {}
    rows, lines = np.array([cut.row for cut in cuts], np.int64), np.arange(len(cuts))
    wanted = np.array([cut.value for cut in cuts], np.int64)
    cited = ask(rows, [cut.without for cut in cuts])[lines, wanted]
    other = ask(rows, [cut.other for cut in cuts])[lines, wanted]
    sound = cited < other
    share = round(float(sound.mean()), 4)
    return {"rows": len(cuts), "sound": share, "interval_95": share_interval(sound, families[rows])}


def _cuts(
    attribute: str, values: Sequence[str], titles: Sequence[str], scores: Floats, extractor: Extractor
) -> list[_Cut]:
    draw = np.random.default_rng(_SEED)
    found = []
    for row, title in enumerate(titles):
        top = int(scores[row].argmax())
        mentions = [
            one
            for one in extractor.extract(title, "", ())
            if one.attribute == attribute and one.value == values[top] and one.span.kind == "title"
        ]
        cited = np.zeros(len(title), np.bool_)
        for mention in mentions:
            cited[mention.span.start : mention.span.end] = True
        size = int(cited.sum())
        places = [at for at in range(len(title) - size + 1) if not cited[at : at + size].any()] if size else []
        if places:
            other = np.zeros(len(title), np.bool_)
            at = int(draw.choice(places))
            other[at : at + size] = True
            found.append(_Cut(row, top, _without(title, cited), _without(title, other)))
    return found


def _without(title: str, cut: npt.NDArray[np.bool_]) -> str:
    return " ".join("".join(letter for letter, gone in zip(title, cut, strict=True) if not gone).split())
