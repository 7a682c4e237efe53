"""From start to ready, and what an idle worker holds: the shipped model, as ``hangtag run``."""

from __future__ import annotations

import asyncio
import statistics
import time

import aiohttp

from tests.bench.figure import Bench, Figure, median_of
from tests.integration.stream import Stream, WorkerProcess
from tests.servers.base import free_port
from worker.demo.imagehost import ImageHost
from worker.demo.samples import load_pictures
from worker.machine.processes import memory_mib, tree_cpu_seconds

TITLE = "Start and rest, shipped model with OCR"
_REST_SECONDS = 5.0


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    ready, loading, memory, busy = [], [], [], []
    stream = Stream(bench.kafka().address, 8)
    stream.create()
    async with ImageHost(load_pictures()) as host:
        for number in range(bench.size(short=3, full=5)):
            port = free_port()
            environment = stream.environment(host, f"start-{number}", {"HTTP__PORT": str(port)})
            worker = await WorkerProcess.start(environment)
            try:
                ready.append(await _until_ready(worker, port))
                loading.append(worker.events["model.loaded"] - worker.events["threads.planned"])
                cpu = tree_cpu_seconds(worker.process.pid)
                await asyncio.sleep(_REST_SECONDS)
                memory.append(memory_mib(worker.process.pid))
                busy.append(1000 * (tree_cpu_seconds(worker.process.pid) - cpu) / _REST_SECONDS)
                await worker.stop()
            finally:
                await worker.kill()
    return [
        median_of("start to ready", "s", ready, ("<=", 10), "process start to 200 from /readyz, cached weights"),
        median_of("loading", "s", loading, ("<=", 3), "weights to warm engines, model and OCR; imports not in it"),
        median_of("memory of an idle worker", "MiB", memory, ("<=", 1200), "worker and decoders, shared pages once"),
        Figure("processor time of an idle worker", round(statistics.median(busy), 1), "CPU-ms/s"),
    ]


async def _until_ready(worker: WorkerProcess, port: int) -> float:
    async with aiohttp.ClientSession() as session:
        while worker.process.returncode is None:
            try:
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return time.monotonic() - worker.began
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError(f"the worker ended: {''.join(worker.log[-10:])}")
