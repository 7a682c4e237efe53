"""The worker's batching in virtual time."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from worker.batch import BatchPolicy
from worker.simulate import Device, Result, Simulation, Traffic, adaptive, lingering, single, spare

POLICY = BatchPolicy(max_listings=16, max_cost=32)

traffics = st.builds(
    Traffic,
    rate=st.just(0.0) | st.floats(1, 400),
    count=st.integers(1, 300),
    burst=st.integers(1, 20),
    max_pictures=st.integers(1, 4),
    num_hands=st.integers(1, 32),
    max_in_flight=st.integers(1, 64),
)
devices = st.builds(Device, st.floats(0.001, 0.1), st.floats(0, 0.02))


def run(traffic: Traffic, device: Device = Device(), seed: int = 1) -> Result:  # noqa: B008  # frozen
    """Our policy on this traffic."""
    return Simulation(traffic, device, adaptive(POLICY), seed).run()


@given(traffics, devices, st.integers(0, 99))
def test_every_listing_leaves_once(traffic: Traffic, device: Device, seed: int) -> None:
    """Whatever the load and the device, nothing is lost, kept back or counted twice, and no batch is over its limit."""
    result = run(traffic, device, seed)
    assert len(result.latencies) == sum(result.batches) == traffic.count
    assert 1 <= min(result.batches) <= max(result.batches) <= POLICY.max_listings


@given(traffics, devices)
def test_same_seed_same_result(traffic: Traffic, device: Device) -> None:
    """No clock, no chance but the seed's."""
    assert run(traffic, device) == run(traffic, device)


def test_saturated_device_never_waits() -> None:
    """With work always there, batches are full and the device is busy from first to last."""
    result = run(Traffic(rate=0, count=2_000))
    assert result.busy_share > 0.99
    assert sum(result.batches) / len(result.batches) > 15


def test_lone_listing_does_not_wait_for_company() -> None:
    """At a trickle a listing takes what fetching and the device take, and no linger."""
    result = run(Traffic(rate=2, count=200, prepare_seconds=0.005))
    assert result.percentile(0.5) < 0.005 + Device().seconds(1) + 0.001


def test_never_slower_than_a_fixed_linger_at_low_load() -> None:
    """What a linger saves in batches it costs in latency, while the device is idle anyway."""
    traffic = Traffic(rate=20, count=1_000)
    ours = run(traffic)
    theirs = Simulation(traffic, Device(), lingering(POLICY, 0.05), 1).run()
    assert ours.percentile(0.5) < theirs.percentile(0.5)
    assert ours.percentile(0.99) <= theirs.percentile(0.99)


def test_batching_is_what_throughput_comes_from() -> None:
    """One by one, the same device does a fraction."""
    traffic = Traffic(rate=0, count=500)
    alone = Simulation(traffic, Device(), single(), 1).run()
    assert run(traffic).throughput > 3 * alone.throughput


def beside_backfill(traffic: Traffic, max_seconds: float, seed: int = 1) -> Result:
    """Our policy on this traffic, with a saturated backfill whose batches are capped."""
    return Simulation(traffic, Device(), adaptive(POLICY), seed, spare(POLICY, max_seconds)).run()


@settings(max_examples=25, deadline=None)
@given(rate=st.floats(0.5, 100), burst=st.integers(1, 8), cap=st.floats(0.037, 0.2), seed=st.integers(0, 99))
def test_live_waits_for_one_capped_batch_at_most(rate: float, burst: int, cap: float, seed: int) -> None:
    """Whatever the live load, its slowest listings are slower by a capped batch, and no batch breaks the cap."""
    traffic = Traffic(rate=rate, count=400, burst=burst)
    without, beside = run(traffic, seed=seed), beside_backfill(traffic, cap, seed)
    assert beside.max_spare_seconds <= cap * 1.001
    for share in (0.5, 0.99, 1.0):
        assert beside.percentile(share) <= without.percentile(share) + cap + 0.001


def test_a_backfill_gets_what_live_leaves() -> None:
    """Alone it has the whole device; beside live traffic what is left, less with a tighter cap."""
    capacity = 5 / Device().seconds(5)
    idle = beside_backfill(Traffic(rate=0.1, count=20), 0.065)
    assert idle.busy_share > 0.99 and 0.95 * capacity < idle.spare_throughput <= capacity
    busy = Traffic(rate=60, count=3_000)
    wide, tight = beside_backfill(busy, 0.2), beside_backfill(busy, 0.05)
    assert idle.spare_throughput > wide.spare_throughput > tight.spare_throughput > 0
    assert wide.busy_share > 0.98
