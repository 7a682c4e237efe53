"""One bench: the best loop, then the worker on the same pictures, engine and cores; broker and image host are ours."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from worker.app import Worker
from worker.app import run as run_worker
from worker.benching.goods import Goods, goods, photos
from worker.benching.loop import LoopResult, run_loop
from worker.benching.stream import BenchStream
from worker.build import Models
from worker.demo.broker import EmbeddedBroker
from worker.demo.imagehost import ImageHost
from worker.demo.run import demo_settings
from worker.errors import FatalError
from worker.machine.processes import memory_mib, tree_cpu_seconds
from worker.settings import Settings
from worker.telemetry.logs import configure_logging

_NUM_WARM = 64  # listings, before anything is measured
_LOAD = 0.5  # of the rate that was found: latency is measured there
_LATENCY_SHARE = 0.5  # of the listings
_STOP_SECONDS = 60.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Rates in listings a second, processor time in milliseconds a listing, latency in milliseconds from when a listing
    was due to when its tags could be read, memory in MiB of the worker and its decoders.
    """

    engine: str
    listings: int
    loop_rate: float
    loop_cpu_ms: float
    loop_memory_mib: float
    rate: float
    cpu_ms: float
    load: float
    latency_p50_ms: float
    latency_p99_ms: float
    memory_mib: float


def run_bench(settings: Settings, models: Models, count: int, say: Say) -> BenchResult:
    """Measure with ``count`` listings. Raises FatalError when a part of it fails."""
    num_late = max(20, int(count * _LATENCY_SHARE))
    say(f"making {_NUM_WARM + count + num_late:,} pictures")
    host, broker = _Host(photos(_NUM_WARM + count + num_late)), EmbeddedBroker()
    broker.start()
    try:
        settings = demo_settings(settings, broker.bootstrap_servers, host.endpoint, "bench")
        settings = settings.model_copy(update={"ocr": settings.ocr.model_copy(update={"enabled": False})})
        broker.create_topics(dataclasses.astuple(settings.kafka.topics))
        every = goods(host.base_url, 0, _NUM_WARM + count + num_late)
        say("the best loop")
        loop = _measure_loop(models, every[: _NUM_WARM + count], settings.batch.max_listings)
        say("the worker")
        return _measure_worker(settings, models, every, count, loop, say)
    finally:
        host.close()
        broker.close()


def _measure_loop(models: Models, listings: Sequence[Goods], size: int) -> LoopResult:
    ours, theirs = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(target=run_loop, args=(theirs, models, listings, size), name="hangtag-bench-loop")
    process.start()
    theirs.close()
    try:
        found: LoopResult = ours.recv()
    except EOFError as error:
        raise FatalError("the loop ended early; what it said stands above") from error
    finally:
        process.join(_STOP_SECONDS)
    return found


def _measure_worker(
    settings: Settings, models: Models, every: Sequence[Goods], count: int, loop: LoopResult, say: Say
) -> BenchResult:
    warm, measured, late = every[:_NUM_WARM], every[_NUM_WARM : _NUM_WARM + count], every[_NUM_WARM + count :]
    stream = BenchStream(settings.kafka.bootstrap_servers, settings.kafka.topics)
    process = _CONTEXT.Process(target=_work, args=(settings, models), name="hangtag-bench-worker")
    process.start()
    pid = process.pid or 0
    try:
        stream.drive(warm)
        began, cpu = time.monotonic(), tree_cpu_seconds(pid)
        stream.drive(measured)
        rate = count / (time.monotonic() - began)
        spent = tree_cpu_seconds(pid) - cpu
        memory = memory_mib(pid)
        say(f"latency at {_LOAD * rate:.1f} listings a second")
        waits = [1000 * (came - due) for due, came in stream.drive(late, _LOAD * rate).values()]
    finally:
        process.terminate()
        process.join(_STOP_SECONDS)
        stream.close()
    p50, p99 = np.percentile(waits, [50, 99])
    return BenchResult(
        loop.engine, count, loop.rate, loop.cpu_ms, loop.memory_mib, rate, 1000 * spent / count, _LOAD, float(p50),
        float(p99), memory,
    )  # fmt: skip


def _work(settings: Settings, models: Models) -> None:
    """The worker's process."""
    configure_logging("warning", settings.log.format, secrets=settings.secrets)
    sys.exit(run_worker(lambda: Worker(settings, models)))


class _Host:
    """An image host on a thread of its own."""

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self._loop = asyncio.new_event_loop()
        self._host = ImageHost(pictures)
        self._thread = threading.Thread(target=self._loop.run_forever, name="bench-host", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._host.start(), self._loop).result()

    @property
    def endpoint(self) -> str:
        return self._host.endpoint

    @property
    def base_url(self) -> str:
        return self._host.base_url

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._host.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()


_CONTEXT = multiprocessing.get_context("spawn")  # a fork would take threads' locks along
