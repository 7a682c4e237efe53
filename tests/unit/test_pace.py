"""A steady rate, on the caller's clock."""

from __future__ import annotations

from worker.flow.pace import Pace


def starts_within(pace: Pace, began: float, seconds: float) -> int:
    """How many may start when each starts as soon as it may."""
    now, count = began, 0
    while (now := now + pace.wait_seconds(now)) < began + seconds:
        pace.started(now)
        count += 1
    return count


def test_rate_is_kept_over_time() -> None:
    """Ten a second for a minute; the first second may hold what a pause earned."""
    assert 600 <= starts_within(Pace(10), 1000.0, 60.0) <= 611


def test_a_long_pause_earns_a_second_only() -> None:
    """Else a backfill that waited for its broker would come as a flood."""
    pace = Pace(10)
    pace.started(0.0)
    assert starts_within(pace, 3600.0, 0.5) <= 16


def test_no_rate_is_no_limit() -> None:
    """Zero never waits."""
    assert Pace(0).wait_seconds(5.0) == 0.0
