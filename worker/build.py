"""From settings to stages: the stage objects of one worker, started, and how they are closed again."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import structlog

from model.config import ModelConfig
from model.extract import Extractor
from model.place import locate
from model.tagging import Tagging
from model.taxonomy import Taxonomy, load_taxonomy
from model.types import ModelInfo, Predictor, TextReader
from model.wording.prices import PRICES_VERSION
from schemas.topics import EVENT_KINDS
from worker.batch import BatchPolicy
from worker.batches import Batches, SparePolicy
from worker.cache.shared_texts import SharedTexts
from worker.cache.text_codec import TextCodec
from worker.cache.vector_codec import VectorCodec
from worker.cache.vector_store import NoVectorStore, RedisVectorStore, StorePolicy, VectorStore
from worker.decode import DecodePolicy, Decoder
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Limits
from worker.flow.lanes import Crossing, Turnstile
from worker.infer import Infer
from worker.machine import cgroup, heap
from worker.machine.threads import Asked, ThreadPlan, plan_threads
from worker.metrics import Metrics
from worker.pipeline import Stages, Tagger, TagPolicy
from worker.read import Read
from worker.recall import Recall, RecallPolicy
from worker.settings import Settings
from worker.telemetry.tracing import Traces, open_traces

VERSION = version("hangtag")
_GUEST_PART = 0.25  # of the memory in flight, while a backfill shares the worker: the ceiling stays where it was
_BATCHES_STARTED = 3  # worth of listings past decoding: on the device, prepared, and waiting
_COLLECT_AFTER = (20_000, 20, 20)  # a listing makes a thousand short-lived objects, hardly one of them in a cycle
log = structlog.get_logger(__name__)

_GPU = Path("/dev/nvidia0")


class Models(Protocol):
    """Where the resident models come from. Each is called on the thread that will own what it gives."""

    def load_predictor(self) -> Predictor:
        """The device's model. Raises ModelError."""
        ...

    def open_reader(self) -> TextReader:
        """The OCR engine. Raises ModelError."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """What a worker tags with. ``info.revision`` covers model, OCR engine and extraction rules."""

    tagger: Tagger
    batches: Batches
    stages: Stages
    info: ModelInfo
    limits: Limits
    crossing: Crossing

    def beside(self, kinds: Sequence[str], metrics: Metrics) -> tuple[Tagger, Limits]:
        """A second tagger on the same stages, for a backfill that lets live listings go first; and its limits.

        ``kinds``: the events that it publishes.
        """
        stages = replace(self.stages, fetch=self.stages.fetch.spare())
        policy = tag_policy_of(kinds, self.tagger.policy.text_threshold)
        limits = _part(_GUEST_PART / (1 - _GUEST_PART), self.limits)
        lane = self.crossing.spare(self.batches.spare)
        return Tagger(stages, policy, limits, lane, metrics, self.tagger.traces), limits


async def build_tagger(
    settings: Settings, models: Models, metrics: Metrics, exits: AsyncExitStack, kinds: Sequence[str] = EVENT_KINDS
) -> Built:
    """Load the models and start every stage; ``exits`` closes them. Raises FatalError, CheckpointError.

    ``kinds``: the events that are published.
    """
    traces = _open_traces(settings, exits)
    log.info("threads.planned", cores=cgroup.cores(), **asdict(threads_of(settings)))
    infer = Infer(models.load_predictor)
    reader = Read(models.open_reader, metrics) if settings.ocr.enabled else None
    exits.push_async_callback(infer.close)
    framing = ModelConfig.load(locate(settings.model.checkpoint) / "config.json").framing  # decoders start beside it
    decode = Decoder(replace(_decode_policy(settings), framing=framing), metrics)
    exits.push_async_callback(decode.close)
    fetch = Fetcher(_fetch_policy(settings), metrics)
    await fetch.start()
    exits.push_async_callback(fetch.close)
    if reader is not None:
        exits.push_async_callback(reader.close)
    await decode.start()
    info, (ocr_revision, taxonomy, extractor) = await asyncio.gather(infer.start(), _start_reading(reader))
    ocr_revision = f"{ocr_revision} {settings.ocr.max_side} {settings.ocr.skip_without_text}"
    rules = (ocr_revision, taxonomy.revision, extractor.revision, PRICES_VERSION)
    info = replace(info, revision=combined_revision(info.revision, *rules))
    store = _store(settings)
    recall = await _recall(settings, store, metrics, info, exits)
    if reader is not None and settings.cache.read_texts:
        reader.shared = SharedTexts(store, TextCodec(ocr_revision, _digest_key(settings)), metrics)
        await reader.shared.start()
        exits.push_async_callback(reader.shared.close)  # before the store, which is recall's to close
    stages = Stages(fetch, decode, recall, infer, reader, extractor, Tagging(infer.labels, taxonomy))
    limits, spare, backfill = _limits(settings, framing.side), None, settings.backfill
    if backfill.name:
        limits, spare = _part(1 - _GUEST_PART, limits), SparePolicy(backfill.max_batch_ms / 1000, backfill.share)
    batches = Batches(recall, infer, BatchPolicy.of(settings.batch.max_listings), metrics, spare)
    if spare is not None:
        await batches.calibrate(info.image_side)  # now, for later live listings would wait for it
    crossing = Crossing(Turnstile(_decode_policy(settings).num_processes))
    _tell_engines(info, reader, metrics)
    # What precision costs, on listings like the calibration rows: of others nothing is promised.
    log.info("targets.bought", **{name: str(one) for name, one in infer.labels.bought.items()})
    policy = tag_policy_of(kinds, info.text_threshold if settings.ocr.skip_without_text else 0.0)
    tagger = Tagger(stages, policy, limits, crossing.live(batches.live), metrics, traces)
    _settle(exits)
    return Built(tagger, batches, stages, info, limits, crossing)


def _open_traces(settings: Settings, exits: AsyncExitStack) -> Traces:
    trace = settings.trace
    who = {"service.name": "hangtag", "service.version": VERSION, "service.instance.id": settings.kafka.instance}
    traces = open_traces(trace.endpoint, trace.sample_ratio, who)
    exits.push_async_callback(traces.close)
    return traces


def tag_policy_of(kinds: Sequence[str], text_threshold: float) -> TagPolicy:
    """What tagging must work out, for these events to be published."""
    # Which pictures are read may be the model's to say, and the same texts must come either way.
    predicts = tuple(kinds) != ("texts",) or text_threshold > 0
    return TagPolicy(predicts, reads=tuple(kinds) != ("scenes",), text_threshold=text_threshold)


def _tell_engines(info: ModelInfo, reader: Read | None, metrics: Metrics) -> None:
    metrics.set_build(VERSION, info.revision, info.device)
    ocr_engine, buckets = reader.engine if reader is not None else "off", ",".join(map(str, info.buckets)) or "none"
    metrics.set_engines(info.engine, buckets, ocr_engine)
    log.info("engines.opened", model=info.engine, buckets=buckets, ocr=ocr_engine)


def _settle(exits: AsyncExitStack) -> None:
    """Everything is loaded: what that left behind goes, the rest stays."""
    gc.collect()
    heap.give_back()
    gc.freeze()  # the collector need not go over a million objects again and again
    threshold = gc.get_threshold()
    gc.set_threshold(*_COLLECT_AFTER)
    exits.callback(gc.set_threshold, *threshold)
    exits.callback(gc.unfreeze)  # or native modules take what is never collected for a leak, and say so at the end


def combined_revision(*parts: str) -> str:
    """One short hash over everything that can change a result."""
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


async def _start_reading(reader: Read | None) -> tuple[str, Taxonomy, Extractor]:
    """The reader of pictures, then that of words: by now the model's thread waits for its engines, not for Python."""
    ocr_revision = await reader.start() if reader is not None else "off"
    taxonomy = await asyncio.to_thread(load_taxonomy)
    return ocr_revision, taxonomy, await asyncio.to_thread(Extractor, taxonomy)


def _store(settings: Settings) -> VectorStore:
    """What all workers share: title vectors, and what was read in pictures."""
    cache = settings.cache
    if url := settings.redis.url.get_secret_value():
        policy = StorePolicy(budget_seconds=cache.budget_ms / 1000, ttl_seconds=cache.ttl_days * 86_400)
        return RedisVectorStore(url, policy)
    return NoVectorStore()


def _digest_key(settings: Settings) -> bytes:
    return settings.cache.digest_key.get_secret_value().encode()


async def _recall(
    settings: Settings, store: VectorStore, metrics: Metrics, info: ModelInfo, exits: AsyncExitStack
) -> Recall:
    codec = VectorCodec(info.text_revision, info.text_dim, _digest_key(settings))
    recall = Recall(store, codec, metrics, RecallPolicy(process_tier_max_items=settings.cache.process_items))
    await recall.start()
    exits.push_async_callback(recall.close)
    return recall


def _fetch_policy(settings: Settings) -> FetchPolicy:
    fetch = settings.fetch
    return FetchPolicy(
        timeout_seconds=fetch.timeout_seconds,
        max_bytes=fetch.max_bytes,
        max_redirects=fetch.max_redirects,
        give_up_seconds=fetch.give_up_seconds,
        max_host_rate=fetch.max_host_rate,
        allow_endpoints=fetch.allow_endpoints,
        user_agent=f"hangtag/{VERSION}",
    )


def threads_of(settings: Settings) -> ThreadPlan:
    """The cores this container really has, shared out; what the settings fix stays fixed."""
    device = settings.model.device
    on_gpu = device.startswith("cuda") or (device == "auto" and _GPU.exists())
    asked = Asked(settings.model.num_threads, settings.ocr.num_threads, settings.decode.num_processes)
    return plan_threads(cgroup.cores(), asked, on_gpu=on_gpu, reads=settings.ocr.enabled)


def _decode_policy(settings: Settings) -> DecodePolicy:
    decode = settings.decode
    defaults = DecodePolicy()
    return DecodePolicy(
        num_processes=threads_of(settings).decoders,
        memory_bytes=decode.memory_bytes,
        seconds=decode.seconds,
        max_body_bytes=settings.fetch.max_bytes,
        max_pixels_jpeg=decode.max_pixels or defaults.max_pixels_jpeg,
        max_pixels=decode.max_pixels or defaults.max_pixels,
        reading_side=settings.ocr.max_side if settings.ocr.enabled else 0,
        avif=decode.avif,
        confine=decode.confine,
    )


def _limits(settings: Settings, model_side: int) -> Limits:
    limits = settings.limits
    side = settings.ocr.max_side if settings.ocr.enabled else 0
    started = max(Limits().max_started, _BATCHES_STARTED * settings.batch.max_listings)
    per_picture = side * side + model_side**2
    return Limits(limits.max_listings, limits.max_bytes, limits.max_pixels, per_picture, started)


def _part(part: float, limits: Limits) -> Limits:
    """This part of what may be held at once."""
    return replace(
        limits, max_listings=max(1, int(limits.max_listings * part)), max_bytes=int(limits.max_bytes * part),
        max_pixels=int(limits.max_pixels * part), max_parked=max(1, int(limits.max_parked * part)),
        max_unpublished_bytes=int(limits.max_unpublished_bytes * part),
    )  # fmt: skip
