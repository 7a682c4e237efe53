"""The batch decision and the cost model, as properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from worker.batch import BatchPolicy, CostModel, Run, Wait, decide, fitting

costs = st.lists(st.integers(1, 40), max_size=60)
policies = st.builds(BatchPolicy, st.integers(1, 32), st.integers(1, 64), st.floats(0, 0.05))


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
