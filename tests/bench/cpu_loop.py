"""The best loop on a CPU, real model, no stream: ``python -m tests.bench.cpu_loop``.

Reads one JSON object from standard input: ``urls`` and ``titles`` of listings with one picture each, ``batch``, and
``threads`` for the model. Batch by batch: fetch, decode, predict, one after the other, for with a CPU as the device
whatever overlaps only takes turns. Nothing is checked, confined, cached or published. Prints as JSON what it took per
listing, without the first two batches.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from worker.machine.quick_imports import quick_imports

with quick_imports():  # as the worker does
    from model.predictor import load_predictor
    from model.types import ListingInput
    from worker.benching.loop import fetch, open_session, pixels_of

_NUM_WARM = 2


async def main() -> None:
    """Run the loop once."""
    told = json.loads(sys.stdin.read())
    predictor = load_predictor("", "cpu", num_threads=told["threads"])
    predictor.warm_up()
    listings, size = list(zip(told["urls"], told["titles"], strict=True)), told["batch"]
    starts = range(0, len(listings), size)
    spent = {"fetch": 0.0, "decode": 0.0, "model": 0.0}
    cpu = began = 0.0
    async with open_session() as session:
        for number, start in enumerate(starts):
            if number == _NUM_WARM:
                spent = dict.fromkeys(spent, 0.0)
                cpu, began = time.process_time(), time.perf_counter()
            marks = [time.process_time()]
            bodies = await asyncio.gather(*(fetch(session, url) for url, _ in listings[start : start + size]))
            marks.append(time.process_time())
            pixels = [pixels_of(body) for body in bodies]
            marks.append(time.process_time())
            titles = [title for _, title in listings[start : start + size]]
            predictor.predict([ListingInput(title, (one,)) for title, one in zip(titles, pixels, strict=True)])
            marks.append(time.process_time())
            for place, name in enumerate(spent):
                spent[name] += marks[place + 1] - marks[place]
    count = len(listings) - _NUM_WARM * size
    took = {"rate": count / (time.perf_counter() - began), "cpu_ms": 1000 * (time.process_time() - cpu) / count}
    parts = {name: 1000 * seconds / count for name, seconds in spent.items()}
    print(json.dumps({**took, **parts, "engine": predictor.info.engine}))  # noqa: T201  # read by the bench


if __name__ == "__main__":
    asyncio.run(main())
