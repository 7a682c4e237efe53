"""In which rows of a crop characters have their edges, compared between two groups of columns.

Unlike glyphs (`ink.py`) this needs no cut between ink and paper: where letters touch, have outlines, or stand on a
photo, their edges still begin and end at the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from model.types import Pixels

Rows = npt.NDArray[np.float64]

_EDGE = 0.4  # of the way from a profile's quiet rows to its busy ones: from there on it is a character's
_BREAK = 3  # rows without edges that do not end a character
_WIDEST = 0.35, 0.2  # of the crop's height: how far columns reach beyond the outer characters' middles
_FEWEST = 4  # columns
_LOWER, _UPPER = (0.72, 0.96), (0.0, 0.4)  # of the first group's height
_FOOT = 0.68  # of a character's height: below this there is nothing of a raised one beside it
_FAINT = 0.25  # of the edges in a character's busiest column
_INSIDE = 0.3  # of a character's height: columns without edges that are still inside it
_HUNG = (-0.15, 0.72)  # rows of what is raised beside a character, of its height
_REACH, _LEAST_REACH = 0.75, 0.15  # columns of it, of the same
_REACH_BEHIND, _LEAST_BEHIND, _INSIDE_BEHIND = 1.5, 0.4, 0.75  # the same for two digits behind it; feet may be narrow


@dataclass(frozen=True, slots=True)
class RowsFound:
    """The second group against the first, in heights of the first.

    ``top``, ``feet``: how much lower it begins, and how much higher it ends. ``below``: the share of its edges that lie
    in the first's lowest quarter, of the same share of the first.
    """

    top: float
    feet: float
    below: float


def rows_of(small: Pixels, first: Sequence[float], second: Sequence[float]) -> RowsFound | None:
    """``small`` (H, W, 3); the columns of the characters' middles, the second group to the right of the first."""
    edges = _edges(small)
    height, width = edges.shape
    reach = min(_half(first, 0.6 * height), _WIDEST[0] * height)
    left, right = max(0, int(first[0] - reach)), int(first[-1] + reach / 2)
    after = min(width, int(second[-1] + min(_half(second, 0.4 * height), _WIDEST[1] * height)))
    if right - left < _FEWEST or after - int(second[0]) < _FEWEST:
        return None
    one, other = (_smooth(edges[:, low:high].mean(axis=1)) for low, high in ((left, right), (int(second[0]), after)))
    large, small_rows = _extent(one), _extent(other)
    if large is None or small_rows is None:
        return None
    tall = large[1] - large[0]
    share = _share_below(one, large)
    if share <= 0:
        return None
    return RowsFound(
        (small_rows[0] - large[0]) / tall, (large[1] - small_rows[1]) / tall, _share_below(other, large) / share
    )


def raised_before(small: Pixels, middles: Sequence[float]) -> Pixels | None:
    """What hangs before the first of these characters, cut out of ``small`` (H, W, 3); None if there is no room.

    The first character begins where edges near its foot begin: nothing raised reaches down there.
    """
    edges = _edges(small)
    reach = min(_half(middles, 0.6 * small.shape[0]), _WIDEST[0] * small.shape[0])
    start = min(max(0, int(middles[0] - reach)), edges.shape[1] - 1)  # a middle may lie on the picture's right edge
    found = _extent(_smooth(edges[:, start : int(middles[-1] + reach / 2) + 1].mean(axis=1)))
    if found is None:
        return None
    top, tall = found[0], found[1] - found[0]
    foot = _smooth(edges[int(top + _FOOT * tall) : found[1]].mean(axis=0))
    middle = min(int(middles[0]), len(foot) - 1)
    least = _FAINT * foot[max(0, int(middle - reach)) : int(middle + reach) + 1].max()
    left = middle
    for column in range(middle, max(0, int(middle - 1.5 * reach)) - 1, -1):
        if foot[column] >= least and left - column <= _INSIDE * tall:
            left = column
    start = max(0, int(left - 1 - _REACH * tall))
    if left - 1 - start < _LEAST_REACH * tall:
        return None
    return small[max(0, int(top + _HUNG[0] * tall)) : int(top + _HUNG[1] * tall), start : left - 1]


def raised_after(small: Pixels, first: float) -> tuple[Pixels, float] | None:
    """What hangs behind the characters that begin at column ``first``, cut out of ``small``, and where they end.

    None if nothing hangs there: edges near the foot go on to the end.
    """
    edges = _edges(small)
    height, width = edges.shape
    start = max(0, int(first - _WIDEST[0] * height / 2))
    found = _extent(_smooth(edges[:, start : int(first + _WIDEST[0] * height / 2) + 1].mean(axis=1)))
    if found is None:
        return None
    top, tall = found[0], found[1] - found[0]
    foot = _smooth(edges[int(top + _FOOT * tall) : found[1]].mean(axis=0))
    has_foot = foot >= _FAINT * foot[start : int(first + _WIDEST[0] * height / 2) + 1].max()
    last = int(first)
    for column in range(last, width):
        if has_foot[column]:
            if column - last > _INSIDE_BEHIND * tall:
                break
            last = column
    behind = np.flatnonzero(has_foot[last + 1 + int(_INSIDE_BEHIND * tall) :])
    end = last + 1 + int(_INSIDE_BEHIND * tall) + int(behind[0]) if len(behind) else width
    end = min(end, int(last + _REACH_BEHIND * tall))
    if end - last - 1 < max(1.0, _LEAST_BEHIND * tall):
        return None
    return small[max(0, int(top + _HUNG[0] * tall)) : int(top + _HUNG[1] * tall), last + 1 : end], last / width


def _edges(small: Pixels) -> npt.NDArray[np.float32]:
    """(H, W): how much the colour changes along the row, over four columns."""
    blurred = cv2.GaussianBlur(small.astype(np.float32), (3, 3), 0)
    edges = np.zeros(small.shape[:2], np.float32)
    edges[:, 1:-1] = np.abs(blurred[:, 2:] - blurred[:, :-2]).max(axis=2)
    return edges


def _half(middles: Sequence[float], default: float) -> float:
    """Half a character's width."""
    return float(np.median(np.diff(middles))) / 2 if len(middles) > 1 else default / 2


def _smooth(profile: npt.NDArray[np.float32]) -> Rows:
    return np.convolve(profile.astype(np.float64), np.full(3, 1 / 3), "same")


def _extent(profile: Rows) -> tuple[int, int] | None:
    """Rows from which and to which the characters reach; None for an even ground."""
    quiet, busy = np.quantile(profile, 0.1), np.quantile(profile, 0.9)
    rows = np.flatnonzero(profile >= quiet + _EDGE * (busy - quiet))
    if busy - quiet < 1 or not len(rows):
        return None
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > _BREAK) + 1)
    best = max(runs, key=lambda run: float(profile[run].sum()))
    return int(best[0]), int(best[-1]) + 1


def _share_below(profile: Rows, extent: tuple[int, int]) -> float:
    """Edges in the lowest quarter of ``extent``, of those in its upper part."""
    top, tall = extent[0], extent[1] - extent[0]
    lower, upper = (
        profile[int(top + low * tall) : int(top + high * tall) + 1].mean() for low, high in (_LOWER, _UPPER)
    )
    return float(lower / max(1e-3, upper))
