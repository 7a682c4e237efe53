"""Finding the record that kills the process, by elimination."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.offsets import CLEAN, Mark
from worker.partitions.quarantine import MAX_DEATHS, Quarantine

ME, DEAD_WRITER = 7, 5


def test_clean_handover_counts_no_death() -> None:
    """A partition that nobody died with has no suspects."""
    quarantine = Quarantine(CLEAN, ME, start=0, end=100)
    quarantine.deliver(0)
    assert quarantine.mark == Mark(ME, 0)
    assert not quarantine.must_run_alone(0)


def test_own_mark_is_no_death() -> None:
    """A worker that rewinds finds its own mark, and did not die."""
    assert Quarantine(Mark(ME, 2, until=50), ME, start=0, end=100).mark.deaths == 2


def test_suspects_run_alone_from_the_third_death_on() -> None:
    """Two deaths may be bad luck; at the third, what was under way runs by itself."""
    second = Quarantine(Mark(DEAD_WRITER, 1, until=10), ME, start=0, end=10)
    second.deliver(0)
    assert not second.must_run_alone(0)
    third = Quarantine(Mark(DEAD_WRITER, 2, until=10), ME, start=0, end=10)
    third.deliver(0)
    third.deliver(10)
    assert third.must_run_alone(0)
    assert not third.must_run_alone(10), "it came after the death"


def test_death_alone_convicts() -> None:
    """The record that was alone at a death is the one; after a clean handover it is not."""
    assert Quarantine(Mark(DEAD_WRITER, 3, until=10, alone=4), ME, start=0, end=10).convict == 4
    assert Quarantine(Mark(0, 3, until=10), ME, start=0, end=10).convict is None


def test_conviction_ends_the_search() -> None:
    """Once the culprit has its dead letter, the others run together again."""
    quarantine = Quarantine(Mark(DEAD_WRITER, 3, until=10, alone=4), ME, start=0, end=10)
    for offset in (4, 5):
        quarantine.deliver(offset)
    quarantine.finish(4, 6)
    assert quarantine.mark == Mark(ME, 0)
    assert not quarantine.must_run_alone(5)


def test_deaths_are_forgotten_when_all_suspects_are_finished() -> None:
    """Not before all that could have been under way has come and gone."""
    quarantine = Quarantine(Mark(DEAD_WRITER, 0), ME, start=0, end=3)
    quarantine.deliver(0)
    quarantine.finish(0, 1)
    assert quarantine.mark.deaths == 1, "records 1 and 2 have not come yet"
    quarantine.deliver(2)
    quarantine.finish(2, 3)
    assert quarantine.mark.deaths == 0


def test_record_that_came_after_the_first_death_is_no_suspect() -> None:
    """Only what was there at every death can be the one that kills."""
    quarantine = Quarantine(Mark(DEAD_WRITER, 2, until=5), ME, start=3, end=500)
    for offset in (3, 4, 5, 300):
        quarantine.deliver(offset)
    assert [quarantine.must_run_alone(offset) for offset in (3, 4, 5, 300)] == [True, True, False, False]


def test_progress_past_the_suspects_starts_the_count_anew() -> None:
    """A process that finishes, between its deaths, what was under way at each is not being killed by a record."""
    quarantine = Quarantine(Mark(DEAD_WRITER, 2, until=5), ME, start=5, end=500)
    assert quarantine.mark.deaths == 1


def test_handover_is_clean_and_keeps_the_count() -> None:
    """Whoever comes next counts no death for it, and still knows of the earlier ones."""
    quarantine = Quarantine(Mark(DEAD_WRITER, 1, until=5), ME, start=0, end=5)
    quarantine.run_alone(3)
    quarantine.leave()
    assert quarantine.mark == Mark(0, 2, until=5)


@given(killers=st.sets(st.integers(0, 99), max_size=2), seed=st.integers(0, 2**32), width=st.integers(1, 40))
def test_every_killer_is_found_and_nobody_else(killers: set[int], seed: int, width: int) -> None:
    """Whatever is under way together, each record that kills ends convicted, each other one finished."""
    choose = random.Random(seed)
    finished: set[int] = set()
    convicted: set[int] = set()
    mark = CLEAN
    for life in range(1, 60):
        quarantine = Quarantine(mark, life, start=0, end=100)
        mark = _live(quarantine, killers, finished, convicted, choose, width)
        if mark is CLEAN:
            break
    assert convicted == killers
    assert finished == set(range(100)) - killers


def _live(
    quarantine: Quarantine,
    killers: set[int],
    finished: set[int],
    convicted: set[int],
    choose: random.Random,
    width: int,
) -> Mark:
    """One life of a process: ends at a death with the committed mark, or cleanly."""
    todo = [offset for offset in range(100) if offset not in finished | convicted]
    for offset in todo:
        quarantine.deliver(offset)
    while todo:
        group = [todo[0]] if quarantine.must_run_alone(todo[0]) else todo[:width]
        if quarantine.must_run_alone(group[0]):
            quarantine.run_alone(group[0])
        for offset in group:
            quarantine.start(offset)
        committed = quarantine.mark
        choose.shuffle(group)
        for offset in group:
            if offset == quarantine.convict:
                convicted.add(offset)
            elif offset in killers:
                return committed
            else:
                finished.add(offset)
            quarantine.finish(offset, 100)
            committed = quarantine.mark
        todo = [offset for offset in todo if offset not in finished | convicted]
    return CLEAN


def test_deaths_without_end_stay_countable() -> None:
    """The count has one byte on the wire."""
    mark = Mark(DEAD_WRITER, 255, until=1)
    assert Quarantine(mark, ME, start=0, end=1).mark.deaths == 255 >= MAX_DEATHS
