"""One worker process driven by a stream of listings, and the ideal loop driven by the same pictures."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

import aiohttp

from model.stand_in import Pace
from tests.bench.worker import device_environment
from tests.integration.stream import Stream, WorkerProcess
from tests.servers.base import free_port
from worker.decoding.cell import KEEP_MEMORY
from worker.demo.imagehost import ImageHost
from worker.machine.cgroup import cores
from worker.machine.processes import cpu_seconds, tree
from worker.machine.threads import Asked, plan_threads

_T = TypeVar("_T")
COMMAND = ("-m", "tests.bench.worker")
SETTINGS = {
    "OCR__ENABLED": "false", "LOG__LEVEL": "info", "STORM__RATIO": "0", "STORM__CONSECUTIVE": "0",
    "DECODE__NUM_PROCESSES": str(plan_threads(cores(), Asked(), on_gpu=True, reads=False).decoders),
}  # fmt: skip
_PICTURES = re.compile(rb"^hangtag_batch_pictures_sum (\S+)", re.MULTILINE)
_BATCHES = re.compile(rb"^hangtag_batch_pictures_count (\S+)", re.MULTILINE)
_IN_FLIGHT = re.compile(rb'^hangtag_in_flight\{stage="listings"\} (\S+)', re.MULTILINE)
_BUSY = re.compile(rb"^hangtag_device_busy_seconds_total (\S+)", re.MULTILINE)
EVENT_BYTES = (2974, 1280, 432)  # of the three events of a bench's listing
STEADY = (0.15, 0.9)  # of the stream: what lies between is the steady state


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker had done at one moment. Seconds; ``host`` is the worker's own process, without its decoders.

    ``in_flight``: listings just then, as the worker counts them once a second.
    """

    at: float
    pictures: float
    batches: float
    busy: float
    host: float
    decoders: float
    in_flight: float

    def since(self, other: Look) -> Look:
        """What it did from ``other`` to this."""
        return Look(*(getattr(self, name) - getattr(other, name) for name in self.__slots__))


@dataclass(frozen=True, slots=True)
class Driven:
    """Steady state of a run: listings a second, and CPU-ms per listing.

    ``batch``: pictures in a batch, mean; ``in_flight``: listings, the most that a look saw.
    """

    rate: float
    host_ms: float
    decoder_ms: float
    busy_share: float
    batch: float
    in_flight: float


async def drive(
    stream: Stream,
    host: ImageHost,
    count: int,
    pace: Pace,
    settings: dict[str, str],
    looks: Sequence[float] = STEADY,
) -> Driven:
    """Send ``count`` listings of one picture each, start a worker on them, and look as `watch` does."""
    told, environment = {**SETTINGS, **settings}, device_environment(pace)
    return await watch(stream, host, letters(host, count), told, COMMAND, _rate_at_best(pace), environment, looks)


async def watch(
    stream: Stream,
    host: ImageHost,
    records: Sequence[tuple[str, bytes]],
    settings: Mapping[str, str],
    command: Sequence[str],
    rate: float,
    environment: Mapping[str, str] = MappingProxyType({}),
    looks: Sequence[float] = STEADY,
) -> Driven:
    """Send listings of one picture each, run a worker on them, and look a few times.

    ``rate``: how fast it may be. ``looks``: when, shares of the stream; what lies between first and last is measured.
    """
    stream.create()
    await asyncio.to_thread(stream.send, records)
    count, port = len(records), free_port()
    own = stream.environment(host, "bench", {**settings, "HTTP__PORT": str(port)})
    worker = await WorkerProcess.start({**own, **environment}, command)
    try:
        async with aiohttp.ClientSession() as session:
            seen = [await _look_after(session, worker, port, share * count, rate) for share in looks]
        done = seen[-1].since(seen[0])
        await worker.stop()
    finally:
        await worker.kill()
    per_listing = 1000 / done.pictures
    return Driven(
        rate=done.pictures / done.at,
        host_ms=done.host * per_listing,
        decoder_ms=done.decoders * per_listing,
        busy_share=done.busy / done.at,
        batch=done.pictures / done.batches,
        in_flight=max(look.in_flight for look in seen),
    )


def letters(host: ImageHost, count: int) -> list[tuple[str, bytes]]:
    """Listings with a title of their own and one picture each."""
    names = sorted(host.pictures)
    made = []
    for number in range(count):
        url = f"{host.base_url}/pictures/{names[number % len(names)]}"
        value = {"listing_id": f"bench-{number}", "title": f"oak chair number {number}, navy", "image_urls": [url]}
        made.append((f"bench-{number}", json.dumps(value).encode()))
    return made


async def ideal(
    host: ImageHost, count: int, pace: Pace, batch: int = 16, *, decodes: bool = True
) -> tuple[float, float]:
    """The ideal loop on the same pictures: listings a second and CPU-ms per listing."""
    names = sorted(host.pictures)
    urls = [f"{host.base_url}/pictures/{names[number % len(names)]}" for number in range(count)]
    told = {"urls": urls, "fixed": pace.fixed_seconds, "item": pace.item_seconds, "batch": batch, "decodes": decodes}
    found = await ask("tests.bench.ideal", told)
    return count / found["seconds"], 1000 * found["cpu_seconds"] / count


async def floor(stream: Stream, host: ImageHost, count: int, pace: Pace) -> tuple[float, float]:
    """Listings a second and CPU-ms each of a loop that makes the same calls, and only those: `tests.bench.floor`."""
    stream.create()
    await asyncio.to_thread(stream.send, letters(host, count))
    found = await ask("tests.bench.floor", floor_order(stream, count, pace))
    return count / found["seconds"], 1000 * found["cpu_seconds"] / count


def floor_order(stream: Stream, count: int, pace: Pace) -> dict[str, Any]:
    """What `tests.bench.floor` is told."""
    topics = stream.topics
    return {
        "servers": stream.servers, "input": topics.input, "outputs": [topics.attributes, topics.scenes, topics.texts],
        "group": f"{stream.name}-floor", "count": count, "values": EVENT_BYTES,
        "decoders": int(SETTINGS["DECODE__NUM_PROCESSES"]),
        "fixed": pace.fixed_seconds, "item": pace.item_seconds, "batch": 16,
    }  # fmt: skip


async def ask(module: str, told: object) -> Any:
    """Run ``python -m module``, hand it a JSON object, and take the one that it prints. Raises RuntimeError.

    It keeps freed memory as decoder processes do, so that no loop is beaten for want of that.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **KEEP_MEMORY},
    )  # fmt: skip
    said, _ = await process.communicate(json.dumps(told).encode())
    if process.returncode:
        raise RuntimeError(f"{module} ended with exit code {process.returncode}")
    return json.loads(said.splitlines()[-1])


async def _look_after(
    session: aiohttp.ClientSession, worker: WorkerProcess, port: int, pictures: float, rate: float
) -> Look:
    """A look at which the device has seen so many; few, as each costs the worker. Raises RuntimeError when it ends."""
    while True:
        if worker.process.returncode is not None:
            raise RuntimeError(f"the worker ended: {''.join(worker.log[-10:])}")
        try:
            async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
                page = await response.read()
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0.1)
            continue
        look = _look(worker.process.pid, page)
        if look.pictures >= pictures:
            return look
        await asyncio.sleep(max(0.2, (pictures - look.pictures) / rate))


def _look(pid: int, page: bytes) -> Look:
    pictures, batches, busy, in_flight = (_number(one, page) for one in (_PICTURES, _BATCHES, _BUSY, _IN_FLIGHT))
    decoders = sum(map(cpu_seconds, tree(pid)[1:]))
    return Look(time.monotonic(), pictures, batches, busy, cpu_seconds(pid), decoders, in_flight)


def _number(pattern: re.Pattern[bytes], page: bytes) -> float:
    found = pattern.search(page)
    return float(found[1]) if found else 0.0


def _rate_at_best(pace: Pace, batch: int = 16) -> float:
    """The simulated device's limit, pictures a second."""
    return batch / (pace.fixed_seconds + batch * pace.item_seconds)


def in_turns(number: int, sides: Sequence[_T]) -> Sequence[_T]:
    """The order changes from pair to pair."""
    return sides if number % 2 else list(reversed(sides))
