"""What a listing weighs and costs here: bytes in and out, memory in the cache, processor time.

The demo's listings with real photos through the shipped model, none of it simulated; what docs/sizing.md reckons with.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from redis import Redis

from schemas.topics import Topics
from tests.reliability.suite import Row, Trial
from worker.build import Built, build_tagger
from worker.cache.vector_codec import VectorCodec
from worker.demo.imagehost import ImageHost
from worker.demo.samples import RESULTS, load_pictures, load_samples
from worker.enrich import build_events
from worker.item import Flight, Origin, OutputRecord, Record
from worker.machine.processes import cpu_seconds
from worker.metrics import Metrics
from worker.models import ShippedModels
from worker.outcome import Outcome
from worker.settings import Settings

TITLE = "What a listing weighs and costs"
NUM_TITLES = 2_000


@dataclass(frozen=True, slots=True)
class _Costs:
    """Processor seconds of all listings together: of the worker with model and OCR, and of its decoders."""

    worker: float
    decoders: float


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    count = trial.size(short=12, full=95)  # each sample once: a picture that was seen before costs next to nothing
    async with ImageHost(load_pictures()) as host:
        settings = Settings.model_validate({"fetch": {"allow_endpoints": [host.endpoint]}})
        records = [
            Record(one.key, one.value, one.headers, Origin("listings.created", 0, number, 0))
            for number, one in enumerate(load_samples(count, host.base_url))
            if one.expects == RESULTS
        ]
        async with AsyncExitStack() as exits:
            built = await build_tagger(settings, ShippedModels(settings), Metrics(), exits)
            outcomes, with_ocr = await _tag(built, records)
            resident = [_resident_mib(pid) for pid in (os.getpid(), *built.stages.decode.pids)]
        async with AsyncExitStack() as exits:  # another one, which has seen none of these pictures
            blind = await build_tagger(settings, ShippedModels(settings), Metrics(), exits)
            blind.tagger.policy = replace(blind.tagger.policy, reads=False)
            _, without_ocr = await _tag(blind, records)
    events = [_events(outcome, built) for outcome in outcomes]
    per_title = await asyncio.to_thread(_redis_bytes, trial, built)
    return [
        *_weight_rows(records, outcomes, events),
        _cache_row(per_title),
        _row("Resident MiB: the worker with model and OCR; each decoder", "; ".join(f"{one:,.0f}" for one in resident)),
        *_cost_rows(with_ocr, without_ocr, len(records)),
    ]


async def _tag(built: Built, records: Sequence[Record]) -> tuple[list[Outcome], _Costs]:
    loops = [asyncio.create_task(built.batches.run())]
    worker, decoders = time.process_time(), _decoder_seconds(built)
    outcomes = await asyncio.gather(*(built.tagger.tag(Flight(record, 0.0)) for record in records))
    worker, decoders = time.process_time() - worker, _decoder_seconds(built) - decoders
    for loop in loops:
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
    return outcomes, _Costs(worker, decoders)


def _decoder_seconds(built: Built) -> float:
    return sum(map(cpu_seconds, built.stages.decode.pids))


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def _events(outcome: Outcome, built: Built) -> tuple[OutputRecord, ...]:
    assert outcome.item is not None and outcome.tags is not None, outcome.error
    now = datetime.now(UTC)
    return build_events(outcome.item, outcome.tags, outcome.texts, outcome.prices, built.info, Topics(), now=now)


def _redis_bytes(trial: Trial, built: Built) -> float:
    """What one title's vector takes in Redis, key and overhead included, as Redis itself says."""
    codec = VectorCodec(built.info.text_revision, built.info.text_dim)
    vector = np.full(built.info.text_dim, built.info.text_dim**-0.5, np.float32)
    with Redis.from_url(trial.redis().address) as client:
        before = int(client.info("memory")["used_memory_dataset"])
        for number in range(NUM_TITLES):
            key = codec.key_for(f"{trial.seed} {number}")
            client.set(key, codec.encode(key, vector), ex=3600)
        return (int(client.info("memory")["used_memory_dataset"]) - before) / NUM_TITLES


def _weight_rows(
    records: Sequence[Record], outcomes: Sequence[Outcome], events: Sequence[Sequence[OutputRecord]]
) -> list[Row]:
    names = [output.topic for output in events[0]]
    sizes = {name: [output.num_bytes for one in events for output in one if output.topic == name] for name in names}
    pictures = [len(outcome.item.images) for outcome in outcomes if outcome.item is not None]
    photos = [len(body) for body in load_pictures().values()]
    told = "; ".join(f"{name} {statistics.mean(one):,.0f} (largest {max(one):,})" for name, one in sizes.items())
    whole = statistics.mean(sum(output.num_bytes for output in one) for one in events)
    return [
        _row("Listings, and pictures of each", f"{len(records)}; {statistics.mean(pictures):.2f}"),
        _row("Bytes of an input record", f"{statistics.mean(record.num_bytes for record in records):,.0f}"),
        _row("Bytes of a picture", f"{statistics.mean(photos):,.0f}"),
        _row("Bytes of the three events, headers included", f"{whole:,.0f}: {told}"),
    ]


def _cache_row(per_title: float) -> Row:
    return _row("Bytes of memory for one title in Redis", f"{per_title:,.0f}")


def _cost_rows(with_ocr: _Costs, without_ocr: _Costs, count: int) -> list[Row]:
    def each(seconds: float) -> str:
        return f"{seconds / count * 1000:,.1f} ms a listing"

    return [
        _row("Processor time of the worker, the model on the processor, no OCR", each(without_ocr.worker)),
        _row("The same with OCR", each(with_ocr.worker)),
        _row("Processor time of the decoders", each(with_ocr.decoders)),
    ]


def _row(what: str, found: str) -> Row:
    return Row(what, "", found, None)
