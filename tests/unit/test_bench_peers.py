"""The bench of peers: what it says of those that are not there, and the one device that all of them share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from model.stand_in import Pace
from tests.bench.peer_servers.client import Served
from tests.bench.peer_servers.work import SimulatedDevice, environment, port, workers
from tests.bench.peers import Peer, figures_of

_PICTURE = np.zeros((224, 224, 3), np.uint8)


def test_a_peer_that_is_not_installed_is_a_row_with_the_remedy() -> None:
    """Neither an error nor silence."""
    (row,) = figures_of(Peer("None such", ("json", "no_such_package"), "on_nothing", 1, ""), [], {})
    assert row.what == "None such"
    assert "pip install 'hangtag[bench]'" in row.note
    assert row.holds is None


def test_a_peer_is_compared_with_the_loop_of_its_own_round() -> None:
    """Machines are noisy: two rounds of different pace give the same ratio."""
    served = {64: [Served(50.0, 9.0), Served(100.0, 7.0)]}
    ratio, cost = figures_of(Peer("JSON", ("json",), "on_json", 1, ""), [(100.0, 4.0), (200.0, 3.0)], {"JSON": served})
    assert (ratio.value, ratio.raw) == (0.5, (0.5, 0.5))
    assert (cost.value, cost.unit) == (8.0, "CPU-ms")


def test_workers_take_turns_on_the_device(tmp_path: Path) -> None:
    """Two copies of the model are not two devices: what both are given takes as long as on one."""
    told = environment(Pace(0.02, 0.005), 18_000, 2, str(tmp_path))
    assert (port(told), workers(told)) == (18_000, 2)
    devices = SimulatedDevice(told), SimulatedDevice(told)
    began = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda device: device.run([_PICTURE] * 4), devices))
    assert time.monotonic() - began >= 2 * (0.02 + 4 * 0.005)
    assert [len(one) for one in answers] == [4, 4]
