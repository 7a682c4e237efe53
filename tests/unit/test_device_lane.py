"""A device with streams is kept busy, its buffers are not used too early, and nothing reaches it after the end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.runtime.device_lane import BUCKETS, DeviceLane, LaneClosedError, bucket_of
from tests.virtual_device import Takes, VirtualDevice


def pictures(count: int, first: int = 0) -> np.ndarray:
    """Plain ones, each of another level."""
    return np.stack([np.full((2, 2, 3), (first + place) % 251, np.uint8) for place in range(count)])


def means(count: int, first: int = 0) -> list[float]:
    return [float((first + place) % 251) for place in range(count)]


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(1, 4))
def test_each_picture_gets_its_own_features(counts: list[int], num_slots: int) -> None:
    """However many come at once, on however many slots, begun one after the other and finished in that order."""
    lane = DeviceLane(VirtualDevice(Takes(0.2, 1.0, 0.1), num_slots))
    firsts = [sum(counts[:place]) for place in range(len(counts))]
    begun = [lane.begin(pictures(count, first)) for count, first in zip(counts, firsts, strict=True)]
    for finish, count, first in zip(begun, counts, firsts, strict=True):
        assert finish().flatten().tolist() == means(count, first)


def test_results_may_be_asked_for_in_any_order() -> None:
    """What another has begun is kept for it."""
    lane = DeviceLane(VirtualDevice(Takes(0.2, 1.0, 0.1)))
    begun = [lane.begin(pictures(40, 100 * place)) for place in range(4)]
    for place in (2, 0, 3, 1):
        assert begun[place]().flatten().tolist() == means(40, 100 * place)


@given(st.floats(0, 1), st.floats(0, 1), st.integers(4, 20))
def test_the_device_never_stands_idle_while_a_full_batch_is_ready(up: float, down: float, num_full: int) -> None:
    """With copies no longer than a computation, computations follow each other without a gap."""
    device = VirtualDevice(Takes(up, 1.0, down))
    DeviceLane(device).begin(pictures(BUCKETS[-1] * num_full))()
    assert len(device.runs) == num_full
    assert device.idle_seconds() == pytest.approx(0, abs=1e-9)


@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0, 0.02))
def test_the_slowest_stage_sets_the_pace(up: float, compute: float, down: float, launch: float) -> None:
    """Also where a copy takes longer than a computation; calls cost the host time and do not add up."""
    num_full, device = 12, VirtualDevice(Takes(up, compute, down, launch=launch))
    DeviceLane(device).begin(pictures(BUCKETS[-1] * num_full))()
    slowest = max(up, compute, down)
    assert device.now <= num_full * slowest + up + compute + down + 3 * num_full * launch + 1e-9


def test_with_one_slot_the_device_waits() -> None:
    """The measure above can fail: without a second pair of buffers every copy stands in the device's way."""
    device = VirtualDevice(Takes(0.5, 1.0, 0.5), num_slots=1)
    DeviceLane(device).begin(pictures(BUCKETS[-1] * 4))()
    assert device.idle_seconds() == pytest.approx(3.0)


def test_a_buffer_in_use_is_noticed() -> None:
    """The virtual device would say so: a slot whose copy down is under way takes nothing new."""
    device = VirtualDevice(Takes(0.1, 1.0, 0.1))
    device.upload(0, pictures(1), 1)
    device.compute(0, 1)
    device.download(0, 1)
    with pytest.raises(AssertionError, match="used anew"):
        device.upload(0, pictures(1), 1)


def test_the_host_is_free_while_the_device_works() -> None:
    """To begin takes the host no longer than its calls; only asking for the result waits."""
    device = VirtualDevice(Takes(0.5, 1.0, 0.5, launch=0.01))
    finish = DeviceLane(device).begin(pictures(64))
    assert device.now == pytest.approx(6 * 0.01)
    finish()
    assert device.now >= 3.0


def test_nothing_goes_up_after_the_end() -> None:
    """What is under way ends; what waited, and what comes later, is refused."""
    device = VirtualDevice(Takes())
    lane = DeviceLane(device)
    first, last = lane.begin(pictures(96)), lane.begin(pictures(4))
    lane.cancel()
    assert first().flatten().tolist() == means(96)
    with pytest.raises(LaneClosedError, match="before these pictures went up"):
        last()
    with pytest.raises(LaneClosedError, match="takes no more"):
        lane.begin(pictures(1))
    assert len(device.runs) == 3


def test_what_does_not_fit_fails_alone() -> None:
    """Out of memory is the part's that was too large; the lane goes on with its slots."""
    lane = DeviceLane(VirtualDevice(Takes(), fails_above=16))
    large, small = lane.begin(pictures(40)), lane.begin(pictures(16))
    with pytest.raises(MemoryError):
        large()
    assert small().flatten().tolist() == means(16)
    assert lane.begin(pictures(100)[:12])().flatten().tolist() == means(12)


def test_what_nobody_asks_for_any_more_keeps_no_slot() -> None:
    """Whoever begins and then fails elsewhere leaves the lane as it was."""
    lane = DeviceLane(VirtualDevice(Takes()))
    for _ in range(5):
        lane.begin(pictures(64))
    assert lane.begin(pictures(5))().flatten().tolist() == means(5)


@given(st.integers(1, 32))
def test_filling_is_small(count: int) -> None:
    """A bucket holds what it is for, and at most a third of it is filling."""
    bucket = bucket_of(count)
    assert count <= bucket and bucket - count <= bucket / 3


def test_filling_is_counted() -> None:
    """37 pictures are 32 and 5, and 5 run as 6."""
    lane = DeviceLane(VirtualDevice(Takes()))
    lane.begin(pictures(37))()
    assert (lane.rows.computed, lane.rows.padding) == (38, 1)
