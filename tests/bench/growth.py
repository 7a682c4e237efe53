"""What a listing costs on the host as batches grow, and as more listings are in flight.

The device takes 5 ms per picture and nothing per batch, no processor time, and is the narrowest place: its queue is
full, so that batches are as large as they may be and as many listings in flight, and its pace is the same for all.
Pictures are small, for the decoders' work is not measured and must not be the narrowest.
"""

from __future__ import annotations

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
_NUM_BEFORE = 200  # listings, until all that is filled once is full
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Point:
    """One setting of both."""

    batch: int
    in_flight: int

    @property
    def settings(self) -> dict[str, str]:
        """The worker's; bytes and pixels must not bound what is in flight before their number does."""
        told = {"MAX_LISTINGS": self.in_flight, "MAX_BYTES": 1024 * _MIB, "MAX_PIXELS": 512 * _MIB}
        return {"BATCH__MAX_LISTINGS": str(self.batch), **{f"LIMITS__{name}": str(one) for name, one in told.items()}}


OVER_BATCHES = {size: Point(size, _USUAL_IN_FLIGHT) for size in BATCHES}
OVER_IN_FLIGHT = {most: Point(_USUAL_BATCH, most) for most in IN_FLIGHT}
POINTS = {f"{one.batch}/{one.in_flight}": one for one in (*OVER_BATCHES.values(), *OVER_IN_FLIGHT.values())}


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=500, full=2000)
    found: dict[Point, list[Driven]] = {point: [] for point in POINTS.values()}
    async with ImageHost(photos(_SIDE)) as host:
        for number in range(bench.size(short=3, full=5)):
            for name in in_turns(number, list(POINTS)):
                point = POINTS[name]
                found[point].append(await _at(point, Stream(bench.kafka().address, 8), host, count))
                bench.say(f"  round {number + 1}, batch / in flight {name}: {found[point][-1]}")
    return [
        *_sweep("batches of", OVER_BATCHES, found, (BATCHES[0], BATCHES[-1])),
        *_sweep("in flight", OVER_IN_FLIGHT, found, (IN_FLIGHT[0], IN_FLIGHT[-1])),
    ]


async def _at(point: Point, stream: Stream, host: ImageHost, count: int) -> Driven:
    """``count`` listings, with as many behind them as it takes to stay full to the end."""
    last = _NUM_BEFORE + count
    total = last + point.in_flight + 100
    return await drive(stream, host, total, PACE, point.settings, (_NUM_BEFORE / total, last / total))


def _sweep(
    what: str, points: Mapping[int, Point], found: Mapping[Point, Sequence[Driven]], ends: tuple[int, int]
) -> list[Figure]:
    few, many = (found[points[end]] for end in ends)
    growth = [after.host_ms / before.host_ms for before, after in zip(few, many, strict=True)]
    note = "CPU-ms per listing, worker's process"
    return [
        median_of(f"{what} {ends[0]} → {ends[1]}", "×", growth, None, note),
        *(_cost(f"{what} {size}", found[point]) for size, point in points.items()),
    ]


def _cost(what: str, found: Sequence[Driven]) -> Figure:
    batch, in_flight = (
        sorted(values)[len(found) // 2] for values in zip(*((one.batch, one.in_flight) for one in found), strict=True)
    )
    return median_of(
        what,
        "CPU-ms",
        [one.host_ms for one in found],
        None,
        f"seen: batches of {batch:.1f}, {in_flight:,.0f} in flight",
    )
