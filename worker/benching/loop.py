"""The best loop on a device: fetch a batch, decode it, predict it, one after the other, in a process of its own.

Nothing is checked, confined, cached or published: what a worker costs beyond this is what safety and delivery cost.
With a CPU as the device overlapping only takes turns; with a GPU two threads decode ahead of it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import aiohttp
import numpy as np

from model.types import ListingInput, Pixels, Predictor
from worker.benching.goods import Goods
from worker.decode import DecodePolicy
from worker.decoding.jail import decode
from worker.machine.processes import memory_mib

if TYPE_CHECKING:
    from worker.build import Models  # the whole worker

_LIMITS = DecodePolicy(reading_side=0).limits
_NUM_WARM = 2  # batches
_AHEAD = 2  # batches that are fetched and decoded while the device works


@dataclass(frozen=True, slots=True)
class LoopResult:
    """``rate``: listings a second; ``cpu_ms``: processor time a listing; ``memory_mib``: of its process."""

    rate: float
    cpu_ms: float
    memory_mib: float
    engine: str


def run_loop(told: Connection, models: Models, listings: Sequence[Goods], size: int) -> None:
    """The process's body: sends a `LoopResult`."""
    predictor = models.load_predictor()
    predictor.warm_up()
    told.send(asyncio.run(_loop(predictor, listings, size)))


async def _loop(predictor: Predictor, listings: Sequence[Goods], size: int) -> LoopResult:
    batches = [listings[start : start + size] for start in range(0, len(listings), size)]
    ahead = 0 if predictor.info.device == "cpu" else _AHEAD
    ready: asyncio.Queue[list[ListingInput]] = asyncio.Queue(max(1, ahead))
    done = asyncio.Semaphore(ahead + 1)
    began = cpu = 0.0
    with ThreadPoolExecutor(2) as decoders, ThreadPoolExecutor(1) as device:
        async with open_session() as session:

            async def prepare() -> None:
                for batch in batches:
                    await done.acquire()
                    await ready.put(await _prepared(session, decoders, batch))

            preparing = asyncio.create_task(prepare())
            for number in range(len(batches)):
                if number == _NUM_WARM:
                    began, cpu = time.perf_counter(), time.process_time()
                inputs = await ready.get()
                await asyncio.get_running_loop().run_in_executor(device, predictor.predict, inputs)
                done.release()
            await preparing
    count = sum(map(len, batches[_NUM_WARM:]))
    seconds, spent = time.perf_counter() - began, time.process_time() - cpu
    return LoopResult(count / seconds, 1000 * spent / count, memory_mib(os.getpid()), predictor.info.engine)


async def _prepared(
    session: aiohttp.ClientSession, decoders: ThreadPoolExecutor, batch: Sequence[Goods]
) -> list[ListingInput]:
    loop = asyncio.get_running_loop()
    bodies = await asyncio.gather(*(fetch(session, one.url) for one in batch))
    pixels = await asyncio.gather(*(loop.run_in_executor(decoders, pixels_of, body) for body in bodies))
    return [ListingInput(one.title, (own,)) for one, own in zip(batch, pixels, strict=True)]


def open_session() -> aiohttp.ClientSession:
    """To be called on the event loop that it is for."""
    return aiohttp.ClientSession(headers={"Accept-Encoding": "identity"})


async def fetch(session: aiohttp.ClientSession, url: str) -> bytes:
    """One picture's bytes. Raises aiohttp.ClientError: a picture that is not there ends the bench."""
    async with session.get(url) as response:
        response.raise_for_status()
        return await response.read()


def pixels_of(body: bytes) -> Pixels:
    """(S, S, 3), S the model's side."""
    return np.asarray(decode(body, _LIMITS).model, np.uint8)
