"""The ledger and the gap map, as properties."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.offsets import (
    MAX_METADATA_CHARACTERS,
    MAX_WINDOW_OFFSETS,
    PartitionLedger,
    decode_map,
    encode_map,
)

gaps = st.sets(st.integers(0, 3_000), max_size=400)


@given(committed=st.integers(0, 2**50), beyond=gaps)
def test_gap_map_comes_back_as_it_went(committed: int, beyond: set[int]) -> None:
    """What is encoded at a committed offset is what a restart reads there."""
    finished = {committed + gap for gap in beyond}
    decoded = decode_map(encode_map(committed, finished), committed)
    assert decoded.finished == finished
    assert decoded.foreign is None


@given(seed=st.integers(0, 2**32))
def test_worst_window_fits_the_brokers_limit(seed: int) -> None:
    """Even an incompressible map over the whole window stays under 4,096 characters."""
    choose = random.Random(seed)
    finished = [offset for offset in range(MAX_WINDOW_OFFSETS) if choose.random() < 0.5]
    assert len(encode_map(0, finished)) <= MAX_METADATA_CHARACTERS


def test_offset_beyond_the_window_is_refused() -> None:
    """A map that cannot fit is a bug in admission, and says so."""
    with pytest.raises(ValueError, match="window"):
        encode_map(10, [10 + MAX_WINDOW_OFFSETS])


@given(metadata=st.text(max_size=200), committed=st.integers(0, 1000))
def test_foreign_metadata_reads_as_nothing_finished(metadata: str, committed: int) -> None:
    """Whatever another program wrote, nothing crashes and nothing is skipped."""
    assert decode_map(metadata, committed).finished == frozenset()


@given(
    beyond=gaps.filter(bool), position=st.integers(0, 10_000), change=st.integers(1, 255), committed=st.integers(0, 99)
)
def test_damaged_map_never_skips_a_record(beyond: set[int], position: int, change: int, committed: int) -> None:
    """One changed character anywhere: the map is not believed."""
    good = encode_map(committed, {committed + gap for gap in beyond})
    index = position % len(good)
    bad = good[:index] + chr((ord(good[index]) + change) % 256) + good[index + 1 :]
    found = decode_map(bad, committed)
    assert found.finished in (
        frozenset(),
        decode_map(good, committed).finished,
    )  # the same bits only for the same bytes
    if bad.rstrip("=") != good.rstrip("="):
        assert decode_map(bad, committed).foreign or found.finished == decode_map(good, committed).finished


@given(beyond=gaps.filter(bool), committed=st.integers(0, 1000), shift=st.integers(1, 50))
def test_map_of_another_commit_is_foreign(beyond: set[int], committed: int, shift: int) -> None:
    """A map only counts beside the offset it was committed with."""
    metadata = encode_map(committed, {committed + gap for gap in beyond})
    assert decode_map(metadata, committed + shift).finished == frozenset()


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Delivered offsets with holes, the order in which some of them finish, and when the process dies."""
    steps = draw(st.lists(st.integers(1, 4), min_size=1, max_size=60))
    delivered, offset = [], draw(st.integers(0, 1000))
    for step in steps:
        delivered.append(offset)
        offset += step
    order = draw(st.permutations(delivered))
    return delivered, list(order), draw(st.integers(0, len(order)))


@given(history=histories())
def test_restart_redoes_exactly_what_was_not_finished(history: tuple[list[int], list[int], int]) -> None:
    """Whatever the order of finishing and the moment of death: nothing lost, nothing twice."""
    delivered, order, died_after = history
    ledger = PartitionLedger(delivered[0])
    assert all(ledger.deliver(offset) for offset in delivered)
    for offset in order[:died_after]:
        ledger.finish(offset)
    position = ledger.position()

    successor = PartitionLedger(position.offset, decode_map(position.metadata, position.offset).finished)
    redone = [offset for offset in delivered if offset >= position.offset and successor.deliver(offset)]
    assert sorted(redone) == sorted(order[died_after:])
    for offset in redone:
        successor.finish(offset)
    assert successor.position().offset == delivered[-1] + 1
    assert successor.position().metadata == ""


@given(history=histories())
def test_committed_offset_never_passes_an_unfinished_record(history: tuple[list[int], list[int], int]) -> None:
    """The committed offset only moves forward, and stops at the first record that is not done."""
    delivered, order, _ = history
    ledger = PartitionLedger(delivered[0])
    for offset in delivered:
        ledger.deliver(offset)
    unfinished, before = set(delivered), ledger.committable
    for offset in order:
        ledger.finish(offset)
        unfinished.discard(offset)
        assert ledger.committable >= before
        assert ledger.committable == min(unfinished, default=delivered[-1] + 1)
        before = ledger.committable


def test_finishing_twice_is_a_bug() -> None:
    """A second result for one record must not pass unseen."""
    ledger = PartitionLedger(5)
    ledger.deliver(5)
    ledger.finish(5)
    with pytest.raises(KeyError):
        ledger.finish(5)


def test_window_closes_and_opens_again() -> None:
    """Far ahead of an unfinished record, admission has to wait until it is done."""
    ledger = PartitionLedger(0)
    ledger.deliver(0)
    assert not ledger.has_room(MAX_WINDOW_OFFSETS)
    ledger.finish(0)
    ledger.deliver(1)
    assert ledger.has_room(MAX_WINDOW_OFFSETS)
