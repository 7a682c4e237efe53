"""From event to result at given loads: open loop, as customers send, not as the worker takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import statistics
import sys
import threading
import time
from collections.abc import Callable, Sequence

import aiohttp
from confluent_kafka import Consumer, Producer

from model.stand_in import Pace
from tests.bench.driven import COMMAND, SETTINGS, drive, floor_order, letters
from tests.bench.figure import Bench, Figure
from tests.bench.goods import photos
from tests.bench.worker import device_environment
from tests.integration.stream import Stream, WorkerProcess
from tests.servers.base import free_port
from worker.demo.imagehost import ImageHost

TITLE = "Event to published result, simulated device (8 ms + 0.6 ms per picture), Poisson arrivals"
PACE = Pace(0.008, 0.0006)
LOADS = (0.2, 0.5, 0.8, 0.95)
_JUDGED = 0.5
_FETCHING = re.compile(r'^hangtag_stage_seconds_(sum|count)\{stage="fetch"\} (\S+)', re.MULTILINE)


async def run(bench: Bench) -> list[Figure]:
    """See the module. What is judged is without the mean time of a fetch, which the worker itself tells. Beside it: a
    loop that fetches, decodes, waits for the device and publishes in transactions, and does nothing else.
    """
    async with ImageHost(photos(800)) as host:
        capacity = (
            await drive(Stream(bench.kafka().address, 8), host, bench.size(short=1500, full=4000), PACE, {})
        ).rate
        bench.say(f"  capacity {capacity:.0f} listings a second")
        figures = [Figure("capacity of this host", round(capacity, 1), "listings/s", None, "saturated, same device")]
        for load in LOADS:
            rate = load * capacity
            count = int(rate * bench.size(short=12, full=40))
            late, fetching = await _latencies(Stream(bench.kafka().address, 8), host, rate, count)
            figures += _figures(load, late, fetching)
            bench.say(f"  load {load:.0%}: p50 {statistics.median(late):.3f} s of {len(late)}, fetch {fetching:.3f} s")
            if load == _JUDGED:
                least = await _least_latencies(Stream(bench.kafka().address, 8), host, rate, count)
                figures += _floor_figures(load, least)
    return figures


def _figures(load: float, late: Sequence[float], fetching: float) -> list[Figure]:
    p50, p99 = statistics.median(late), _p99(late)
    note = f"{len(late):,} listings, seen by a read_committed reader; fetching from this machine included"
    figures = [
        Figure(f"p50 at {load:.0%} load", round(1000 * p50, 1), "ms", None, note),
        Figure(f"p99 at {load:.0%} load", round(1000 * p99, 1), "ms", None, note),
    ]
    if load == _JUDGED:
        figures.append(
            Figure(
                f"p99 at {load:.0%} load beyond fetching", round(1000 * (p99 - fetching), 1), "ms", ("<=", 60.0),
                f"less the mean fetch, {1000 * fetching:.1f} ms by the worker's own metrics",
            )
        )  # fmt: skip
    return figures


def _floor_figures(load: float, least: Sequence[float]) -> list[Figure]:
    note = f"{len(least):,} listings; GET, decoder, device and transactions, and nothing else"
    return [
        Figure(f"floor, p50 at {load:.0%} load", round(1000 * statistics.median(least), 1), "ms", None, note),
        Figure(f"floor, p99 at {load:.0%} load", round(1000 * _p99(least), 1), "ms", None, note),
    ]


def _p99(late: Sequence[float]) -> float:
    return sorted(late)[int(0.99 * len(late))]


async def _latencies(stream: Stream, host: ImageHost, rate: float, count: int) -> tuple[list[float], float]:
    """Seconds from a record's time to when a reader of committed results has its event; a fetch's mean seconds."""
    stream.create()
    port = free_port()
    environment = stream.environment(host, "bench", {**SETTINGS, "HTTP__PORT": str(port)})
    worker = await WorkerProcess.start({**environment, **device_environment(PACE)}, COMMAND)
    try:
        await worker.until("worker.started")
        late = await _send_and_see(stream, host, rate, count)
        fetching = await _mean_fetch(port)
        await worker.stop()
    finally:
        await worker.kill()
    return late, fetching


async def _least_latencies(stream: Stream, host: ImageHost, rate: float, count: int) -> list[float]:
    """The same through `tests.bench.floor`."""
    stream.create()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.floor", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        order = floor_order(stream, count, PACE)
        process.stdin.write(json.dumps(order).encode())
        process.stdin.write_eof()
        async with asyncio.timeout(60):
            said = await process.stdout.readline()
        if said != b"ready\n":
            raise RuntimeError(f"the floor of the stream said {said!r}, not that it is ready")
        late = await _send_and_see(stream, host, rate, count)
        await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return late


async def _send_and_see(stream: Stream, host: ImageHost, rate: float, count: int) -> list[float]:
    reader = Reader(stream, count)
    await asyncio.to_thread(reader.wait_ready)
    await asyncio.to_thread(_send, stream, letters(host, count), rate, reader.sent)
    await asyncio.to_thread(reader.wait_done)
    warm = count // 5  # the first join the group, open connections, fill caches
    return [reader.seen[key] - at for key, at in list(reader.sent.items())[warm:] if key in reader.seen]


async def _mean_fetch(port: int) -> float:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        found = dict(_FETCHING.findall(await response.text()))
    return float(found["sum"]) / float(found["count"])


def _send(stream: Stream, records: Sequence[tuple[str, bytes]], rate: float, sent: dict[str, float]) -> None:
    """At Poisson moments, each as soon as its moment comes."""
    producer = Producer({"bootstrap.servers": stream.servers, "partitioner": "murmur2_random", "linger.ms": 0})
    choose = random.Random(7)
    due = time.monotonic()
    for key, value in records:
        due += choose.expovariate(rate)
        while (left := due - time.monotonic()) > 0:
            producer.poll(left)
        sent[key] = time.monotonic()
        producer.produce(stream.topics.input, value, key.encode())
    producer.flush(10)


class Reader:
    """Reads the attributes topic on a thread of its own; ``seen``: when each key's result was there."""

    def __init__(self, stream: Stream, count: int) -> None:
        self.sent: dict[str, float] = {}
        self.seen: dict[str, float] = {}
        self._count = count
        self._ready = threading.Event()
        self._done = threading.Event()
        config = {
            "bootstrap.servers": stream.servers, "group.id": f"{stream.name}-reader", "auto.offset.reset": "earliest",
            "isolation.level": "read_committed", "fetch.wait.max.ms": 5, "enable.auto.commit": False,
        }  # fmt: skip
        self._consumer = Consumer(config)
        self._consumer.subscribe([stream.topics.attributes], on_assign=lambda *_: self._ready.set())
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self) -> None:
        """Until it has its partitions."""
        _within(self._ready.wait, 60, "the reader was assigned no partitions")

    def wait_done(self) -> None:
        """Until every result was seen."""
        _within(self._done.wait, 120, "results are missing")

    def _read(self) -> None:
        while len(self.seen) < self._count:
            # Not consume(100, 0.05): it waits for a hundred, or for all of its time, which would count as the worker's.
            first = self._consumer.poll(0.05)
            for message in (first, *self._consumer.consume(100, 0)) if first is not None else ():
                if message.error() is None:
                    self.seen.setdefault((message.key() or b"").decode(), time.monotonic())
        self._done.set()
        self._consumer.close()


def _within(wait: Callable[[float], bool], seconds: float, trouble: str) -> None:
    if not wait(seconds):
        raise RuntimeError(f"{trouble} after {seconds:g} s")
