"""When nearly everything fails, intake rests."""

from __future__ import annotations

from schemas.deadletter import Reason
from worker.flow.storm import StormBreaker, StormPolicy

DEAD = Reason.HTTP_ERROR
POLICY = StormPolicy(window=10, ratio=0.8, consecutive=5, probe_seconds=2.0, max_probe_seconds=8.0)


def opened() -> StormBreaker:
    """A breaker that has just opened, at 0 s."""
    breaker = StormBreaker(POLICY)
    for _ in range(5):
        breaker.ended(0.0, DEAD)
    return breaker


def test_calm_lets_everything_start() -> None:
    """Now and then a dead letter is nothing."""
    breaker = StormBreaker(POLICY)
    for number in range(100):
        breaker.started()
        breaker.ended(0.0, None if number % 4 else DEAD)
    assert breaker.opens_in(0.0) == 0.0


def test_dead_letters_in_a_row_open_it() -> None:
    """Then nothing starts until the first probe is due."""
    breaker = opened()
    assert breaker.is_open
    assert breaker.opens_in(0.5) == 1.5


def test_ratio_opens_it() -> None:
    """Eight of ten, never five in a row."""
    breaker = StormBreaker(POLICY)
    for reason in (DEAD, DEAD, DEAD, DEAD, None, DEAD, DEAD, DEAD, DEAD, None):
        breaker.ended(0.0, reason)
    assert breaker.is_open


def test_one_probe_at_a_time() -> None:
    """While a probe is under way nothing else starts; a probe without outcome lets the next one go."""
    breaker = opened()
    assert breaker.opens_in(2.0) == 0.0
    breaker.started()
    assert breaker.opens_in(3.0) is None
    breaker.given_up(is_probe=False)
    assert breaker.opens_in(3.0) is None
    breaker.given_up(is_probe=True)
    assert breaker.opens_in(3.0) == 0.0


def test_failed_probe_waits_longer() -> None:
    """Each doubles the wait, up to its bound."""
    breaker, now, waits = opened(), 2.0, []
    for _ in range(4):
        breaker.ended(now, DEAD, is_probe=breaker.started())
        waits.append(breaker.opens_in(now))
        now += waits[-1] or 0
    assert waits == [4.0, 8.0, 8.0, 8.0]


def test_good_probe_closes_it() -> None:
    """And the storm's outcomes are forgotten, so that one more failure does not open it again."""
    breaker = opened()
    breaker.ended(2.0, None, is_probe=breaker.started())
    breaker.ended(2.0, DEAD)
    assert breaker.opens_in(2.0) == 0.0


def test_outcomes_of_before_are_no_probe() -> None:
    """Listings that were under way when it opened neither close it nor lengthen the wait, nor while a probe runs."""
    breaker = opened()
    breaker.ended(0.5, None)
    breaker.ended(0.6, DEAD)
    assert breaker.opens_in(1.0) == 1.0
    is_probe = breaker.started()
    breaker.ended(2.1, None)
    breaker.ended(2.2, DEAD)
    assert breaker.is_open
    assert breaker.opens_in(2.3) is None
    breaker.ended(2.4, None, is_probe=is_probe)
    assert not breaker.is_open


def test_zero_switches_it_off() -> None:
    """Both settings at 0: a topic of nothing but rubbish is drained into dead letters."""
    breaker = StormBreaker(StormPolicy(window=10, ratio=0, consecutive=0))
    for _ in range(1000):
        breaker.ended(0.0, DEAD)
    assert not breaker.is_open


def test_tombstones_are_nobodys_fault() -> None:
    """A night's deletions in a compacted topic open nothing, and between failures they hide none."""
    breaker = StormBreaker(POLICY)
    for _ in range(1000):
        breaker.ended(0.0, Reason.TOMBSTONE)
    assert not breaker.is_open
    for _ in range(5):
        breaker.ended(0.0, DEAD)
        breaker.ended(0.0, Reason.TOMBSTONE)
    assert breaker.is_open


def test_a_tombstone_is_no_probe() -> None:
    """It tells neither that all is well nor that it is not: the next record is the probe, at once."""
    breaker = opened()
    breaker.ended(2.0, Reason.TOMBSTONE, is_probe=breaker.started())
    assert breaker.is_open and breaker.opens_in(2.0) == 0.0
