"""The batch decision and the cost model, as properties."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from worker.batch import BatchPolicy, CostModel, Front, Run, Wait, capped, decide, fitting, whose_turn

costs = st.lists(st.integers(1, 40), max_size=60)
policies = st.builds(BatchPolicy, st.integers(1, 32), st.integers(1, 64), st.floats(0, 0.05))


@given(size=st.integers(1, 256))
def test_batches_fill_to_the_size_that_was_set(size: int) -> None:
    """Listings of two pictures each do not stop it halfway."""
    assert fitting([2] * 600, BatchPolicy.of(size)) == size


@given(costs=costs, policy=policies)
def test_batch_keeps_its_limits(costs: list[int], policy: BatchPolicy) -> None:
    """Never above the listing cap; above the cost cap only alone."""
    count = fitting(costs, policy)
    assert count <= policy.max_listings
    assert (count == 0) == (not costs)
    if count > 1:
        assert sum(costs[:count]) <= policy.max_cost


@given(costs=costs, policy=policies)
def test_batch_takes_all_that_fits(costs: list[int], policy: BatchPolicy) -> None:
    """The next listing is left out only because a limit is reached."""
    count = fitting(costs, policy)
    if count < min(len(costs), policy.max_listings):
        assert sum(costs[: count + 1]) > policy.max_cost


@given(costs=costs.filter(bool), policy=policies, now=st.floats(0, 1000))
def test_free_device_never_waits_for_work_that_is_there(costs: list[int], policy: BatchPolicy, now: float) -> None:
    """With the device free, whatever is ready runs."""
    assert isinstance(decide(now, costs, now, policy), Run)


@given(costs=costs, policy=policies, now=st.floats(0, 1000), busy=st.floats(0.1, 10))
def test_busy_device_lets_the_batch_grow(costs: list[int], policy: BatchPolicy, now: float, busy: float) -> None:
    """While the device works, only a full batch is closed; a wait ends early enough to prepare the next one."""
    choice = decide(now, costs, now + busy, policy)
    if isinstance(choice, Wait):
        assert choice.until is None or now <= choice.until <= now + busy
        assert len(costs) < policy.max_listings
    else:
        assert choice.count == policy.max_listings or choice.count < len(costs)


def test_empty_queue_waits_for_an_arrival() -> None:
    """Nothing there, nothing to time."""
    assert decide(5.0, [], 0.0, BatchPolicy()) == Wait(None)


@given(fixed=st.floats(0.001, 1), per_cost=st.floats(0.0005, 0.1))
def test_cost_model_learns_the_device(fixed: float, per_cost: float) -> None:
    """After some batches the prediction is the device's own law, whatever was guessed at first."""
    model = CostModel()
    for round_number in range(300):
        cost = 1 + round_number * 7 % 16
        model.observe(cost, fixed + per_cost * cost)
    for cost in (1, 8, 16):
        expected = fixed + per_cost * cost
        assert abs(model.predict(cost) - expected) <= 0.05 * expected + 1e-4


@given(seconds=st.lists(st.tuples(st.floats(1, 64), st.floats(0, 100)), max_size=50), cost=st.floats(0, 1000))
def test_cost_model_never_predicts_less_than_nothing(seconds: list[tuple[float, float]], cost: float) -> None:
    """Whatever it saw."""
    model = CostModel()
    for seen_cost, seen_seconds in seconds:
        model.observe(seen_cost, seen_seconds)
    assert model.predict(cost) >= 0


@given(
    fixed=st.floats(0.001, 0.1),
    per_cost=st.floats(0.001, 0.05),
    seconds=st.floats(0.01, 1),
    live=st.lists(st.integers(1, 16), max_size=200),
)
def test_a_capped_batch_takes_no_longer_than_its_cap(
    fixed: float, per_cost: float, seconds: float, live: list[int]
) -> None:
    """Once the device was measured; but for a single listing, which has to run some day. And what fits is used."""
    model, policy = CostModel(), BatchPolicy(64, 64)
    model.restart((cost, fixed + per_cost * cost) for cost in (1, 16))
    for cost in live:
        model.observe(cost, fixed + per_cost * cost)
    costs = []
    for _ in range(120):
        cost = capped(policy, model, seconds).max_cost
        model.observe(cost, fixed + per_cost * cost)
        costs.append(cost)
    best = min(64, max(1, int((seconds - fixed) / per_cost + 1e-9)))
    for cost in costs[60:]:
        assert cost == 1 or fixed + per_cost * cost <= seconds * 1.02
        assert cost >= min(best, best * 0.95 - 1)


def test_equal_batches_do_not_wear_the_slope_away() -> None:
    """A long time of batches that all cost the same, and jitter, must not end in one that breaks the cap."""
    model, policy, jitter = CostModel(), BatchPolicy(64, 64), random.Random(3)
    for _ in range(5_000):
        cost = capped(policy, model, 0.065).max_cost
        seconds = 0.030 + 0.006 * cost
        assert seconds <= 0.065 * 1.1 or model.predict(1) > 0.05
        model.observe(cost, seconds * jitter.uniform(1, 1.03))
    assert capped(policy, model, 0.065).max_cost in (4, 5)


fronts = st.builds(Front, st.booleans(), st.booleans(), st.booleans(), st.floats(0, 10), st.none() | st.floats(0, 10))


@given(now=st.floats(0, 10), front=fronts)
def test_a_backfill_takes_only_what_live_leaves(now: float, front: Front) -> None:
    """With anything live waiting or prepared, its batch does not start; nor before its time."""
    turn = whose_turn(now, front)
    if turn == "spare":
        assert front.spare_is_prepared and not (front.live_is_prepared or front.live_is_waiting)
        assert now >= front.spare_from
        assert front.hand_over_at is None
    if turn == "live":
        assert front.live_is_prepared
        assert front.hand_over_at is None or now >= front.hand_over_at
    if isinstance(turn, Wait):
        assert not front.live_is_prepared or turn.until == front.hand_over_at
        assert turn.until is None or turn.until > now


def test_a_busy_device_is_given_the_next_live_batch_shortly_before_its_end() -> None:
    """Not sooner, and never one of the backfill."""
    assert whose_turn(5.0, Front(True, False, True, hand_over_at=5.1)) == Wait(5.1)
    assert whose_turn(5.1, Front(True, False, True, hand_over_at=5.1)) == "live"
    assert whose_turn(5.1, Front(False, False, True, hand_over_at=5.1)) == Wait(None)


def test_a_free_device_is_given_to_the_backfill() -> None:
    """Nothing live there: it runs at once, or as soon as its share allows."""
    assert whose_turn(5.0, Front(False, False, True)) == "spare"
    assert whose_turn(5.0, Front(False, False, True, 5.5)) == Wait(5.5)
    assert whose_turn(5.0, Front(False, False, False)) == Wait(None)
