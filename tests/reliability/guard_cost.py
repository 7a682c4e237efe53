"""What the fetch guard and the decoder's processes cost: the same pipeline with both on and both off, in turns.

Off is what one would write without them: plain connections, and the very same decoding function on a thread of the
worker. Processor time is that of the worker and its decoder processes together; the image host's is in it on both
sides. The tagging pipeline runs the shipped model without OCR, where decoding weighs most.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial

import aiohttp
import numpy as np
from yarl import URL

from tests.reliability.suite import Row, Trial
from worker.batch import BatchPolicy
from worker.batches import Batches
from worker.build import Built, build_tagger
from worker.decode import DecodePolicy, Decoder
from worker.decoding.jail import JailLimits, decode
from worker.demo.imagehost import ImageHost
from worker.demo.photos import enlarged
from worker.demo.samples import load_pictures
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.flow.lanes import Crossing, Turnstile
from worker.item import DecodedImage, FetchedImage, Flight, Record
from worker.machine.processes import cpu_seconds
from worker.metrics import Metrics
from worker.models import ShippedModels
from worker.pipeline import Tagger, TagPolicy
from worker.settings import Settings

TITLE = "Cost of the guard and the decoder's processes"
IN_FLIGHT = 8
MAX_MS, LEAST_SHARE = 0.5, 0.9
_SIDES = (256, 800, 1600)


class OpenGuard:
    """Lets everything pass."""

    def check_url(self, text: str) -> URL:
        """The URL, parsed."""
        return URL(text)


class OpenFetcher(Fetcher):
    """The fetcher on plain connections."""

    async def start(self) -> None:
        """Open a session that dials whatever it is told."""
        self._guard = OpenGuard()  # type: ignore[assignment]  # what is measured is that it is not there
        self._session = aiohttp.ClientSession(
            cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, headers={"Accept-Encoding": "identity"}
        )


class OwnDecoder:
    """The jail's function on a thread of this process."""

    def __init__(self, limits: JailLimits) -> None:
        self._limits = limits
        self._thread = ThreadPoolExecutor(1)

    async def decode(self, fetched: FetchedImage) -> DecodedImage:
        """As `worker.decode.Decoder`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._decode, fetched)

    def _decode(self, fetched: FetchedImage) -> DecodedImage:
        found = decode(fetched.body, self._limits)
        reading = np.array(found.reading) if found.reading else np.zeros((0, 0, 3), np.uint8)
        return DecodedImage(fetched.url, fetched.sha256, found.width, found.height, np.array(found.model), reading)


@dataclass(frozen=True, slots=True)
class Side:
    """On or off: the two stages."""

    fetch: Fetcher
    decode: Decoder | OwnDecoder

    @property
    def cpu_seconds(self) -> float:
        """Processor time so far, of this process and of the decoder's."""
        pids = self.decode.pids if isinstance(self.decode, Decoder) else ()
        return time.process_time() + sum(map(cpu_seconds, pids))


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians of a comparison: what the on side costs more, and what it brings of the other's throughput."""

    extra_ms: float
    off_ms: float
    share: float

    def row(self, what: str) -> Row:
        """As a line of the table."""
        return Row(
            what,
            f"≤ {MAX_MS} CPU-ms more per picture, or ≥ {LEAST_SHARE:.0%} of the throughput",
            f"{self.extra_ms:+.2f} CPU-ms on {self.off_ms:.2f}; throughput {self.share:.0%}",
            self.extra_ms <= MAX_MS or self.share >= LEAST_SHARE,
        )


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    num_pairs = trial.size(short=3, full=7)
    rows = []
    async with AsyncExitStack() as exits:
        pictures = {f"{side}-{name}": body for side in _SIDES for name, body in _scaled(side).items()}
        host = await exits.enter_async_context(ImageHost(pictures))
        on, off = await _sides(host, exits)
        for side in _SIDES:
            urls = [f"{host.base_url}/pictures/{name}" for name in pictures if name.startswith(f"{side}-")]
            count = trial.size(short=96, full=144)
            wanted = (urls * (count // len(urls) + 1))[:count]
            found = await _compare(on, off, num_pairs, count, partial(_fetch_and_decode, urls=wanted))
            mean = statistics.mean(len(body) for name, body in pictures.items() if name.startswith(f"{side}-"))
            rows.append(found.row(f"Fetch and decode, photos of {side} pixels ({mean / 1024:.0f} KiB)"))
            trial.say(f"  {side}: {rows[-1].found}")
        rows.append(await _tagging(trial, host, on, off, num_pairs, exits))
    return rows


async def _sides(host: ImageHost, exits: AsyncExitStack) -> tuple[Side, Side]:
    policy = FetchPolicy(allow_endpoints=(host.endpoint,))
    metrics = Metrics()
    guarded, plain = Fetcher(policy, metrics), OpenFetcher(policy, metrics)
    for fetcher in (guarded, plain):
        await fetcher.start()
        exits.push_async_callback(fetcher.close)
    decoder = Decoder(DecodePolicy(pictures_per_process=10**9), metrics)
    exits.push_async_callback(decoder.close)
    await decoder.start()
    return Side(guarded, decoder), Side(plain, OwnDecoder(DecodePolicy().limits))


async def _compare(
    on: Side, off: Side, num_pairs: int, num_pictures: int, work: Callable[[Side], Awaitable[None]]
) -> Measured:
    """Pairs in turns, the order changing, after one of each that does not count."""
    figures: dict[Side, list[tuple[float, float]]] = {on: [], off: []}
    for number in range(num_pairs + 1):
        for side in (on, off) if number % 2 else (off, on):
            gc.collect()
            cpu, wall = side.cpu_seconds, time.perf_counter()
            await work(side)
            figures[side].append((side.cpu_seconds - cpu, time.perf_counter() - wall))
    pairs = list(zip(figures[on][1:], figures[off][1:], strict=True))
    extra = statistics.median(1000 * (one[0] - other[0]) / num_pictures for one, other in pairs)
    cost = statistics.median(1000 * other[0] / num_pictures for _, other in pairs)
    return Measured(extra, cost, statistics.median(other[1] / one[1] for one, other in pairs))


async def _fetch_and_decode(side: Side, urls: Sequence[str]) -> None:
    waiting = iter(urls)

    async def lane() -> None:
        for url in waiting:
            lease = Budget(64 << 20).lease()
            await side.decode.decode(await side.fetch.fetch(url, lease))
            lease.release()

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


async def _tagging(trial: Trial, host: ImageHost, on: Side, off: Side, num_pairs: int, exits: AsyncExitStack) -> Row:
    settings = Settings.model_validate({"ocr": {"enabled": False}})
    built = await build_tagger(settings, ShippedModels(settings), Metrics(), exits)
    names = [name for name in host.pictures if name.startswith("800-")]
    count = trial.size(short=32, full=96)
    records = [_record(number, f"{host.base_url}/pictures/{names[number % len(names)]}") for number in range(count)]
    found = await _compare(on, off, num_pairs, count, lambda side: _tag(built, side, records))
    return found.row("Tagging, shipped model without OCR, one photo of 800 pixels per listing")


async def _tag(built: Built, side: Side, records: Sequence[Record]) -> None:
    stages = replace(built.stages, fetch=side.fetch, decode=side.decode)  # type: ignore[arg-type]  # the same methods
    batches = Batches(stages.recall, stages.infer, BatchPolicy(16), Metrics())
    tagger = Tagger(stages, TagPolicy(), built.limits, Crossing(Turnstile(1)).live(batches.live), Metrics())
    loop = asyncio.create_task(batches.run())
    now = asyncio.get_running_loop().time()
    outcomes = await asyncio.gather(*(tagger.tag(Flight(record, now)) for record in records))
    loop.cancel()
    with suppress(asyncio.CancelledError):
        await loop
    assert all(outcome.error is None for outcome in outcomes), next(one.error for one in outcomes if one.error)


def _record(number: int, url: str) -> Record:
    value = {"listing_id": f"cost-{number}", "title": f"Oak chair number {number}", "image_urls": [url]}
    return Record(None, json.dumps(value).encode(), (), None)


def _scaled(side: int) -> dict[str, bytes]:
    """The demo's photos at this size."""
    return {name: enlarged(body, side) for name, body in list(load_pictures().items())[:24]}
