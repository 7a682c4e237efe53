"""What a listing costs on the host with few partitions and with many."""

from __future__ import annotations

from tests.bench.driven import Driven, drive, in_turns
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos
from tests.bench.stream import PACE
from tests.integration.stream import Stream
from worker.demo.imagehost import ImageHost

TITLE = "Cost growth over partitions, simulated device"
FEW, MANY = 8, 64


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=1000, full=2400)
    found: dict[str, list[Driven]] = {"few": [], "many": []}
    async with ImageHost(photos(800)) as host:
        for number in range(bench.size(short=3, full=5)):
            for side in in_turns(number, ("few", "many")):
                partitions = FEW if side == "few" else MANY
                found[side].append(await drive(Stream(bench.kafka().address, partitions), host, count, PACE, {}))
    pairs = list(zip(found["few"], found["many"], strict=True))
    growth = [many.host_ms / few.host_ms for few, many in pairs]
    return [
        median_of(f"{FEW} → {MANY} partitions", "×", growth, ("<=", 1.05), "CPU-ms per listing, worker's process"),
        median_of(f"{FEW} partitions", "CPU-ms", [few.host_ms for few, _ in pairs]),
        median_of(f"{MANY} partitions", "CPU-ms", [many.host_ms for _, many in pairs]),
    ]
