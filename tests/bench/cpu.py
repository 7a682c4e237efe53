"""The worker on a CPU with the real model, against the best loop on the same engine, pictures and cores."""

from __future__ import annotations

import json
from typing import Any

from tests.bench.driven import Driven, ask, in_turns, watch
from tests.bench.figure import Bench, Figure, median_of
from tests.integration.stream import RUN, Stream
from worker.benching.goods import photos
from worker.demo.imagehost import ImageHost
from worker.machine.cgroup import cores
from worker.machine.threads import Asked, plan_threads

TITLE = "Worker with the real model on a CPU, without OCR (JPEG of 800 pixels, every picture and title another)"
_SETTINGS = {"OCR__ENABLED": "false", "LOG__LEVEL": "info", "STORM__RATIO": "0", "STORM__CONSECUTIVE": "0"}
_BATCH = 16
_RATE = 150.0  # listings a second, more than any processor does: a look must not come after the last listing


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=320, full=800)
    threads = plan_threads(cores(), Asked(), on_gpu=False, reads=False).model
    workers: list[Driven] = []
    loops: list[dict[str, Any]] = []
    async with ImageHost(photos(count)) as host:
        for number in range(bench.size(short=3, full=5)):
            for side in in_turns(number, ("worker", "loop")):
                if side == "worker":
                    workers.append(await _worker(bench, host))
                else:
                    urls, titles = zip(*_listings(host), strict=True)
                    told = {"urls": urls, "titles": titles, "batch": _BATCH, "threads": threads}
                    loops.append(await ask("tests.bench.cpu_loop", told))
            bench.say(f"  pair {number + 1}: worker {workers[-1]}, loop {loops[-1]}")
    return _figures(workers, loops)


async def _worker(bench: Bench, host: ImageHost) -> Driven:
    stream = Stream(bench.kafka().address, 8)
    letters = [
        (f"cpu-{number}", json.dumps({"listing_id": f"cpu-{number}", "title": title, "image_urls": [url]}).encode())
        for number, (url, title) in enumerate(_listings(host))
    ]
    return await watch(stream, host, letters, _SETTINGS, RUN, _RATE)


def _figures(workers: list[Driven], loops: list[dict[str, Any]]) -> list[Figure]:
    spent = [one.host_ms + one.decoder_ms for one in workers]
    ratios = [loop["cpu_ms"] / ours for loop, ours in zip(loops, spent, strict=True)]
    rates = [one.rate / loop["rate"] for one, loop in zip(workers, loops, strict=True)]
    engine = loops[0]["engine"]
    return [
        median_of("best loop ÷ worker", "", ratios, (">=", 0.90), f"CPU-ms per listing, process trees; {engine}"),
        median_of("worker ÷ best loop, wall", "", rates, None, "broker, image host and bench share the cores"),
        median_of("worker and decoders", "CPU-ms", spent, None, "per listing, all processes"),
        median_of("decoders", "CPU-ms", [one.decoder_ms for one in workers], None, "per listing"),
        *(
            median_of(f"best loop, {what}", "CPU-ms", [loop[name] for loop in loops], None, "per listing")
            for name, what in (("cpu_ms", "all"), ("fetch", "fetch"), ("decode", "decode"), ("model", "model"))
        ),
    ]


def _listings(host: ImageHost) -> list[tuple[str, str]]:
    """URL and title of each."""
    return [
        (f"{host.base_url}/pictures/{name}", f"oak chair number {number}, navy")
        for number, name in enumerate(sorted(host.pictures))
    ]
