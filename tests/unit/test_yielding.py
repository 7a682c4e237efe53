"""When a backfill stands back, and what share of the time it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.flow.pace import Share
from worker.flow.yielding import Recent, Yielding, YieldPolicy

POLICY = YieldPolicy(max_p99_seconds=1.0, max_waiting=100)


def test_it_rests_over_a_limit_and_goes_on_well_below() -> None:
    """Between four fifths of a limit and the limit, it goes on with what it did: no flutter."""
    yielding = Yielding(POLICY)
    seen = [yielding.look(p99, 0) for p99 in (None, 0.9, 1.1, 0.9, 0.81, 0.79, 0.9, 1.0)]
    assert seen == ["", "", "p99", "p99", "p99", "", "", ""]
    assert [yielding.look(0.1, waiting) for waiting in (100, 101, 81, 80, 100)] == ["", "lag", "lag", "", ""]


def test_no_limit_is_no_reason() -> None:
    """Zero switches either off."""
    assert Yielding(YieldPolicy(0, 0)).look(1e9, 10**9) == ""


def test_old_listings_count_no_more() -> None:
    """When live traffic ends, its last p99 must not keep the backfill waiting for ever."""
    recent = Recent(window_seconds=30, least=20)
    for number in range(100):
        recent.add(number / 10, 5.0)
    assert recent.percentile(10.0, 0.99) == 5.0
    assert recent.percentile(40.0, 0.99) is None


def test_few_listings_say_nothing() -> None:
    """One slow listing an hour is no percentile."""
    recent = Recent(least=20)
    for number in range(19):
        recent.add(float(number), 100.0)
    assert recent.percentile(19.0, 0.99) is None


@given(st.lists(st.floats(0, 100), min_size=20, max_size=300))
def test_percentile_is_of_what_was_seen(seconds: list[float]) -> None:
    """At most a hundredth lies above it."""
    recent = Recent()
    for one in seconds:
        recent.add(1.0, one)
    p99 = recent.percentile(1.0, 0.99)
    assert p99 in seconds
    assert sum(one > p99 for one in seconds) <= len(seconds) / 100


@given(share=st.floats(0.05, 1.0), batch=st.floats(0.01, 0.5))
def test_a_share_is_kept_over_time(share: float, batch: float) -> None:
    """Busy whenever it may be, for a minute: the share, and what a second's pause earned."""
    gauge, now, busy = Share(share), 100.0, 0.0
    while now < 160.0:
        now = max(now, gauge.free_from) + batch
        busy += batch
        gauge.used(now, batch)
    assert busy <= share * 60.0 + 1.0 + 2 * batch
    assert busy >= share * 60.0 - batch
