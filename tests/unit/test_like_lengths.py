"""Titles are cut into batches where that costs least, and none is lost."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from model.runtime.like_lengths import groups_of

LENGTHS = st.lists(st.integers(1, 96), min_size=1, max_size=9).map(sorted)


def cost(lengths: list[int], groups: list[slice], call: int) -> int:
    """Tokens computed, filling included, and calls."""
    return sum(len(lengths[one]) * max(lengths[one]) + call for one in groups)


@given(st.lists(st.integers(1, 96), max_size=80).map(sorted), st.integers(1, 64), st.integers(0, 200))
def test_groups_hold_all_titles_in_order(lengths: list[int], most: int, call: int) -> None:
    """None twice, none left out, none in a group too large."""
    groups = groups_of(lengths, most, call)
    assert [length for one in groups for length in lengths[one]] == lengths
    assert all(0 < len(lengths[one]) <= most for one in groups)


@given(LENGTHS, st.integers(0, 200))
def test_no_other_cut_costs_less(lengths: list[int], call: int) -> None:
    """Against every way to cut there is."""
    places = range(1, len(lengths))
    every = [
        [slice(begin, end) for begin, end in zip((0, *cuts), (*cuts, len(lengths)), strict=True)]
        for count in range(len(lengths))
        for cuts in combinations(places, count)
    ]
    assert cost(lengths, groups_of(lengths, 64, call), call) == min(cost(lengths, one, call) for one in every)


def test_a_long_title_stands_alone() -> None:
    """It would make all others as wide as itself; titles of one length stay together."""
    assert groups_of([8, 8, 8, 9, 60], 64) == [slice(0, 4), slice(4, 5)]
    assert groups_of([12] * 16, 64) == [slice(0, 16)]
