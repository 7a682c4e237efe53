"""``python -m tests.reliability.bomb_fetch``: fetches URLs in a process of its own, one JSON line in, one out.

In: ``{"url", "linger_seconds", "policy": {...}}``. Out: how it ended, in what time, and what it took from wire,
memory (growth of the peak, in bytes) and processor.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

_KIB = 1024


async def fetch_measured(order: dict[str, Any]) -> dict[str, Any]:
    """One fetch by a fetcher of its own, through the product's own door."""
    metrics = Metrics()
    fetcher = Fetcher(FetchPolicy(**order["policy"]), metrics)
    await fetcher.start()
    before, began, worked = _start_peak(), time.monotonic(), time.process_time()
    ended = await _ended(fetcher, order["url"])
    seconds = time.monotonic() - began
    if order["linger_seconds"]:
        await asyncio.sleep(order["linger_seconds"])  # what comes over a kept connection counts as well
    found = {
        "ended": ended,
        "seconds": seconds,
        "wire_bytes": metrics.snapshot()["fetch_wire_bytes"],
        "grown_bytes": max(0, _status("VmHWM") - before),
        "cpu_seconds": time.process_time() - worked,
    }
    await fetcher.close()
    return found


async def _ended(fetcher: Fetcher, url: str) -> str:
    lease = Budget(64 << 20).lease()
    try:
        await fetcher.fetch(url, lease)
    except RejectedError as error:
        return error.reason.value if lease.held == 0 else f"{error.reason.value}, {lease.held} bytes still leased"
    except Exception as error:  # noqa: BLE001, RUF100  # anything else is a fault, and is reported as one
        return f"{type(error).__name__}: {error}"
    return "fetched"


def _start_peak() -> int:
    """Begin a new peak of resident memory at what is resident now; bytes."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * _KIB for line in lines if line.startswith(name))


def _main() -> None:
    for line in sys.stdin:
        print(json.dumps(asyncio.run(fetch_measured(json.loads(line)))), flush=True)  # noqa: T201  # its answer


if __name__ == "__main__":
    _main()
