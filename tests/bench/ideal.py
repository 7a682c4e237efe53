"""The ideal loop: fetch, decode, batch and a device, with no stream and no events: ``python -m tests.bench.ideal``.

Reads one JSON object from standard input: ``urls`` to fetch, ``fixed`` and ``item`` seconds of the device, ``batch``.
Two threads decode ahead of the device; nothing is checked, confined or published. Prints what it took as JSON.
With ``"decodes": false`` it only fetches: a bare GET of the same bytes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import numpy as np

from worker.benching.loop import fetch, open_session, pixels_of

_AHEAD = 4  # batches' worth of pictures on their way


async def main() -> None:
    """Run the loop once."""
    told = json.loads(sys.stdin.read())
    async with open_session() as session:
        await fetch(session, told["urls"][0])
        cpu, began = time.process_time(), time.perf_counter()
        if told.get("decodes", True):
            began = await _run(session, told)
        else:
            await _only_fetch(session, told["urls"])
        took = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(took))  # noqa: T201  # read by the bench


async def _run(session: aiohttp.ClientSession, told: dict[str, object]) -> float:
    """When the device began its first batch: filling the queue before it is no part of the loop's pace."""
    urls, size = list(told["urls"]), int(told["batch"])  # type: ignore[call-overload]
    ready: asyncio.Queue[np.ndarray] = asyncio.Queue(maxsize=2 * size)
    room = asyncio.Semaphore(_AHEAD * size)
    loop = asyncio.get_running_loop()
    decoders = ThreadPoolExecutor(2)

    async def prepare(url: str) -> None:
        async with room:
            body = await fetch(session, url)
            await ready.put(await loop.run_in_executor(decoders, pixels_of, body))

    preparing = [asyncio.create_task(prepare(url)) for url in urls]
    began = 0.0
    with ThreadPoolExecutor(1) as device:
        for start in range(0, len(urls), size):
            batch = [await ready.get() for _ in urls[start : start + size]]
            began = began or time.perf_counter()
            seconds = float(told["fixed"]) + float(told["item"]) * len(batch)  # type: ignore[arg-type]
            await loop.run_in_executor(device, time.sleep, seconds)
    await asyncio.gather(*preparing)
    return began


async def _only_fetch(session: aiohttp.ClientSession, urls: list[str]) -> None:
    room = asyncio.Semaphore(16)

    async def one(url: str) -> None:
        async with room:
            await fetch(session, url)

    await asyncio.gather(*map(one, urls))


if __name__ == "__main__":
    asyncio.run(main())
