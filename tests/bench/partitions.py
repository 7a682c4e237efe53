"""What a listing costs on the host with one partition, with few and with many."""

from __future__ import annotations

from tests.bench.driven import Driven, drive, in_turns
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos
from tests.bench.stream import PACE
from tests.integration.stream import Stream
from worker.demo.imagehost import ImageHost

TITLE = "Cost growth over partitions, simulated device"
ONE, FEW, MANY = 1, 8, 64


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=1000, full=2400)
    found: dict[int, list[Driven]] = {ONE: [], FEW: [], MANY: []}
    async with ImageHost(photos(800)) as host:
        for number in range(bench.size(short=3, full=5)):
            for partitions in in_turns(number, list(found)):
                found[partitions].append(await drive(Stream(bench.kafka().address, partitions), host, count, PACE, {}))
    costs = {partitions: [one.host_ms for one in runs] for partitions, runs in found.items()}
    growth = [many / few for few, many in zip(costs[FEW], costs[MANY], strict=True)]
    return [
        median_of(f"{FEW} → {MANY} partitions", "×", growth, ("<=", 1.05), "CPU-ms per listing, worker's process"),
        *(median_of(_named(partitions), "CPU-ms", cost) for partitions, cost in costs.items()),
    ]


def _named(partitions: int) -> str:
    return f"{partitions} partitions" if partitions > 1 else "1 partition"
