"""The worker end to end against the ideal loop: real Kafka, a local image host, a simulated device."""

from __future__ import annotations

from model.stand_in import Pace
from tests.bench.driven import Driven, drive, floor, ideal, in_turns
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos
from tests.integration.stream import Stream
from worker.demo.imagehost import ImageHost

TITLE = "Worker end to end, simulated device (30 ms + 6 ms per picture, batches of 16, JPEG of 800 pixels)"
PACE = Pace(0.030, 0.006)
LIMIT = 16 / (0.030 + 16 * 0.006)  # listings a second


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=1000, full=2400)
    workers: list[Driven] = []
    loops: list[tuple[float, float]] = []
    bare: list[float] = []
    floors: list[tuple[float, float]] = []
    async with ImageHost(photos(800)) as host:
        for number in range(bench.size(short=3, full=5)):
            for side in in_turns(number, ("worker", "loop")):
                if side == "worker":
                    workers.append(await drive(Stream(bench.kafka().address, 8), host, count, PACE, {}))
                else:
                    loops.append(await ideal(host, count, PACE))
                    bare.append((await ideal(host, count // 2, PACE, decodes=False))[1])
                    floors.append(await floor(Stream(bench.kafka().address, 8), host, count, PACE))
            bench.say(f"  pair {number + 1}: worker {workers[-1]}, loop {loops[-1][0]:.1f}/s, GET {bare[-1]:.2f} ms")
    return _figures(workers, loops, bare, floors)


def _figures(
    workers: list[Driven], loops: list[tuple[float, float]], bare: list[float], floors: list[tuple[float, float]]
) -> list[Figure]:
    ratios = [one.rate / rate for one, (rate, _) in zip(workers, loops, strict=True)]
    hosts = [one.host_ms - get for one, get in zip(workers, bare, strict=True)]
    costs = [one.host_ms + one.decoder_ms for one in workers]
    return [
        median_of("worker ÷ ideal loop", "", ratios, (">=", 0.95), "listings a second; loop: two decoding threads"),
        median_of(
            "floor ÷ ideal loop", "", [one / rate for (one, _), (rate, _) in zip(floors, loops, strict=True)], None,
            "listings a second: the floor of the stream, below, with this device; broker and image host share cores",
        ),
        median_of("useful device busy", "", [one.rate / LIMIT for one in workers], (">=", 0.97), "share of 127/s"),
        median_of(
            "host cost per listing", "CPU-ms", hosts, ("<=", 0.5),
            "worker process without decoders, beyond a bare GET of the same bytes; the hand-over of pixels is in it",
        ),
        median_of("worker and decoders", "CPU-ms", costs, None, "per listing, all processes"),
        median_of("worker's process alone", "CPU-ms", [one.host_ms for one in workers], None, "per listing"),
        median_of("bare GET", "CPU-ms", bare, None, "per picture, aiohttp, same host"),
        median_of(
            "floor of the stream", "CPU-ms", [cost for _, cost in floors], None,
            "per listing: consume, GET, hash, hand over, produce and commit in transactions, and nothing else",
        ),
        median_of("ideal loop", "CPU-ms", [cost for _, cost in loops], None, "per listing: GET and decode"),
    ]  # fmt: skip
