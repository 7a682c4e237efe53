"""What a listing costs on the host as batches grow, and as more listings are in flight.

The device takes 5 ms per picture and nothing per batch, so its pace is the same for all, and no processor time. It is
meant to be the narrowest place, for then batches are as large as they may be; pictures are small, so that the
decoders are not it. What was seen of both stands beside each figure.

All listings are there at the start, and as many are taken in as may be in flight: much of what they cost is spent
before the first is done. So a stream is measured from its beginning to its end, and is longer by what is in flight.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.stand_in import Pace
from tests.bench.driven import Driven, drive, in_turns
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos
from tests.integration.stream import Stream
from worker.demo.imagehost import ImageHost

TITLE = "Cost growth over batch sizes and listings in flight, simulated device (5 ms per picture)"
PACE = Pace(0.0, 0.005)
BATCHES = (1, 4, 16, 64)
IN_FLIGHT = (64, 256, 1024, 4096)
_USUAL_BATCH, _USUAL_IN_FLIGHT = 16, 256  # the settings' defaults
_SIDE = 256
_LOOKS = (0.001, 0.1, 0.5, 0.99)  # of the stream; few, as each costs the worker
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Point:
    """The two settings: listings in a batch, and in flight."""

    batch: int
    in_flight: int

    @property
    def settings(self) -> dict[str, str]:
        """The worker's. Bytes and pixels must not bound what is in flight before its number does."""
        limits = {"MAX_LISTINGS": self.in_flight, "MAX_BYTES": 1024 * _MIB, "MAX_PIXELS": 512 * _MIB}
        return {"BATCH__MAX_LISTINGS": str(self.batch), **{f"LIMITS__{name}": str(one) for name, one in limits.items()}}


OVER_BATCHES = {size: Point(size, _USUAL_IN_FLIGHT) for size in BATCHES}
OVER_IN_FLIGHT = {most: Point(_USUAL_BATCH, most) for most in IN_FLIGHT}
POINTS = {f"{one.batch} of {one.in_flight}": one for one in (*OVER_BATCHES.values(), *OVER_IN_FLIGHT.values())}
Found = Mapping[Point, Sequence[Driven]]


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=500, full=2400)
    found: dict[Point, list[Driven]] = {point: [] for point in POINTS.values()}
    async with ImageHost(photos(_SIDE)) as host:
        for number in range(bench.size(short=2, full=5)):
            for name in in_turns(number, list(POINTS)):
                point, stream = POINTS[name], Stream(bench.kafka().address, 8)
                total = count + point.in_flight
                found[point].append(await drive(stream, host, total, PACE, point.settings, _LOOKS))
                bench.say(f"  round {number + 1}, batches {name} in flight: {found[point][-1]}")
    return [*_sweep("batch size", OVER_BATCHES, found), *_sweep("in flight", OVER_IN_FLIGHT, found)]


def _sweep(what: str, points: Mapping[int, Point], found: Found) -> list[Figure]:
    least, most = min(points), max(points)
    pairs = zip(found[points[least]], found[points[most]], strict=True)
    growth = [many.host_ms / few.host_ms for few, many in pairs]
    note = "CPU-ms per listing, worker's process"
    costs = [_cost(f"{what} {size}", found[point]) for size, point in points.items()]
    return [median_of(f"{what} {least} → {most}", "×", growth, None, note), *costs]


def _cost(what: str, found: Sequence[Driven]) -> Figure:
    batch, in_flight = statistics.median(one.batch for one in found), max(one.in_flight for one in found)
    seen = f"seen: {batch:.1f} pictures in a batch, {in_flight:,.0f} listings in flight"
    return median_of(what, "CPU-ms", [one.host_ms for one in found], None, seen)
