"""On which side of a catalogue each listing stands: what its file says, else one for all that show one thing.

Listings that share a picture show one thing, whatever their titles begin with: apart, they would be asked in the test
about pictures that training has seen, and figures would flatter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from model.training.dataset import Row, Split, family_share
from model.weights import digest_of

_TEST_SHARE = 0.1
_MAX_SHARING = 12  # families with one picture: one in more is a placeholder, and shows no one thing
_MAX_KIN_SHARE = 0.2  # of all rows: more would make a test of everything or of nothing
_MIN_LARGE_KIN = 20  # rows

Log = Callable[[str], None]


def placed(rows: Sequence[Row], warn: Log = lambda _: None) -> list[Row]:
    """All rows. One without a split of its own follows its family's, or that of one with the same picture; else every
    tenth family is tested on. ``warn`` hears of pictures that stand on both sides all the same.
    """
    kin = _Kin(rows)
    given: dict[str, set[Split]] = defaultdict(set)  # by family, and by kin
    for row in rows:
        if row.is_split_given:
            given[row.family].add(row.split)
            given[kin.root(row.family)].add(row.split)
    found = [row if row.is_split_given else replace(row, split=_side(row.family, kin, given)) for row in rows]
    sides: dict[Path, set[Split]] = defaultdict(set)
    for row in found:
        sides[kin.first_with_picture[row.image]].add(row.split)
    if torn := sum(len(one) > 1 for one in sides.values()):
        what = "1 picture stands" if torn == 1 else f"{torn:,} pictures stand"
        warn(f"{what} in listings to train and to test on, so figures flatter; put such listings on one side by split")
    return found


def _side(family: str, kin: _Kin, given: Mapping[str, set[Split]]) -> Split:
    root = kin.root(family)
    if told := given.get(family) or given.get(root):
        return "train" if "train" in told else "test"  # of both: what was seen is not tested on
    return "train" if family_share(root) >= _TEST_SHARE else "test"


class _Kin:
    """Families that share pictures, directly or through others; called by the first of them in the alphabet."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.first_with_picture = _first_with_picture(dict.fromkeys(row.image for row in rows))
        self._parents: dict[str, str] = {}
        self._large: Collection[str] = ()  # kin that are taken for none
        sharing: dict[Path, set[str]] = defaultdict(set)
        for row in rows:
            sharing[self.first_with_picture[row.image]].add(row.family)
        for families in sharing.values():
            if len(families) <= _MAX_SHARING:
                self._join(families)
        sizes = Counter(self.root(row.family) for row in rows)
        self._large = {root for root, count in sizes.items() if count > max(_MIN_LARGE_KIN, _MAX_KIN_SHARE * len(rows))}

    def root(self, family: str) -> str:
        """The name of a family's kin."""
        found, way = family, []
        while found in self._parents:
            way.append(found)
            found = self._parents[found]
        self._parents.update(dict.fromkeys(way, found))  # of a chain of families each would walk it to its end
        return family if found in self._large else found

    def _join(self, families: Collection[str]) -> None:
        roots = sorted({self.root(family) for family in families})
        self._parents.update(dict.fromkeys(roots[1:], roots[0]))


def _first_with_picture(paths: Iterable[Path]) -> dict[Path, Path]:
    """By path the first one with the same bytes; only files of one size are read."""
    by_size: dict[int, list[Path]] = defaultdict(list)
    for path in paths:
        by_size[path.stat().st_size].append(path)
    found: dict[Path, Path] = {}
    for alike in by_size.values():
        first: dict[str, Path] = {}
        for path in alike:
            found[path] = first.setdefault(digest_of(path) if len(alike) > 1 else "", path)
    return found
