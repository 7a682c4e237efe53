"""Which records have a later one of their key, in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.partitions.superseded import Keyed, find_superseded


def plain(first: int, end: int, records: list[Keyed]) -> set[int]:
    """The same by brute force."""
    newest: dict[bytes, tuple[int, int]] = {}
    for one in records:
        if one.key:
            newest[one.key] = max(newest.get(one.key, (-1, -1)), (one.rank, one.offset))
    return {
        one.offset
        for one in records
        if one.key and first <= one.offset < end and newest[one.key] != (one.rank, one.offset)
    }


@given(
    st.lists(st.tuples(st.sampled_from([None, "", *"abcdefghijk"]), st.integers(1, 3), st.integers(0, 9)), max_size=60),
    st.integers(0, 80),
    st.sampled_from([1, 2, 5, 1000]),
)
def test_as_brute_force_says_however_few_keys_fit(
    drawn: list[tuple[str | None, int, int]], size: int, max_keys: int
) -> None:
    """Holes, records without keys, redriven ones with a lower rank, an end before the log's: passes change nothing."""
    records, offset = [], 10
    for key, step, back in drawn:
        offset += step
        records.append(Keyed(offset, None if key is None else key.encode(), max(0, offset - back)))
    found = find_superseded(10, 10 + size, lambda: iter(records), max_keys)
    expected = plain(10, 10 + size, records)
    assert {one.offset for one in records if one.offset in found} == expected
    assert found.num_superseded == len(expected)
    assert found.num_records == sum(one.offset < 10 + size for one in records)


def test_memory_is_bounded_by_more_passes() -> None:
    """A thousand keys where a hundred fit: several passes, and every one of them is found."""
    records = [Keyed(number, str(number % 1000).encode(), number) for number in range(2000)]
    num_passes = 0

    def read() -> list[Keyed]:
        nonlocal num_passes
        num_passes += 1
        return records

    found = find_superseded(0, 2000, read, max_keys=100)
    assert {number for number in range(2000) if number in found} == set(range(1000))
    assert 8 <= num_passes <= 40
