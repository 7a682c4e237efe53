"""Resident memory of a worker and its decoder processes over time, and the bar it is held to."""

from __future__ import annotations

import asyncio
import os
import statistics
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.stream import WorkerProcess
from tests.reliability.suite import Row

GROWTH = 1.05
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / (1 << 20)


@dataclass(slots=True)
class Resident:
    """Resident memory of a worker and its decoder processes, MiB, once a second."""

    worker: WorkerProcess
    samples: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            if (found := _tree_mib(self.worker.process.pid)) > 0:
                self.samples.append(found)
            await asyncio.sleep(1.0)

    @property
    def quarters(self) -> list[float]:
        """The median of each quarter."""
        size = len(self.samples) // 4
        return [statistics.median(self.samples[place * size : (place + 1) * size]) for place in range(4)]


async def watched(worker: WorkerProcess, work: Awaitable[object]) -> Resident:
    """What the worker held while ``work`` went on."""
    resident = Resident(worker)
    watching = asyncio.create_task(resident.watch())
    await work
    watching.cancel()
    return resident


def row(what: str, found: Sequence[Resident]) -> Row:
    """Last quarter against second, the worst of all."""
    growth = max(one.quarters[3] / one.quarters[1] for one in found)
    told = "; ".join(" → ".join(f"{quarter:.0f}" for quarter in one.quarters) for one in found)
    return Row(
        f"{what}: resident memory, last quarter against second",
        f"<= {GROWTH}",
        f"{growth:.3f} (MiB by quarter: {told})",
        growth <= GROWTH,
    )


def _tree_mib(pid: int) -> float:
    """Of a process and all below it; 0 when it is gone."""
    try:
        own = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB
        children = [
            int(name) for path in Path(f"/proc/{pid}/task").glob("*/children") for name in path.read_text().split()
        ]
    except OSError:
        return 0.0
    return own + sum(map(_tree_mib, children))
