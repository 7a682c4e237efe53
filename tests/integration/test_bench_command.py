"""``hangtag bench`` on a simulated device: needs no servers and prints what it measured."""

from __future__ import annotations

import json

from tests.program import hangtag

LIMIT = 16 / (0.030 + 16 * 0.006)  # listings a second that the device takes at most


def test_it_measures_worker_and_loop_in_one_run() -> None:
    """Both below what the device takes, the worker with all that it costs; as a line of JSON where nobody looks."""
    done = hangtag("bench", "--simulated", "--listings", "64")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert (found["engine"], found["listings"]) == ("stand-in", 64)
    assert 0 < found["rate"] < LIMIT * 1.1 > found["loop_rate"] > 0
    assert found["cpu_ms"] > found["loop_cpu_ms"] / 2 > 0
    assert found["latency_p99_ms"] >= found["latency_p50_ms"] >= 36, "the device alone takes so long"
    assert found["memory_mib"] > found["loop_memory_mib"] / 4 > 0
    assert "the worker" in done.stderr
