"""``hangtag demo``: the samples through the same `Worker` as ``hangtag run``, all in this process."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console

from schemas.topics import Topics
from worker.app import Worker
from worker.demo.broker import PROMPT, EmbeddedBroker
from worker.demo.endings import Ending, OutputEvent
from worker.demo.imagehost import ImageHost
from worker.demo.progress import DemoProgress, Summary, summarise
from worker.demo.report import MAX_CARDS, Figure, write_report
from worker.demo.samples import Sample, load_pictures, load_samples
from worker.demo.traffic import DemoTraffic
from worker.demo.view import JsonView, TerminalView, View
from worker.metrics import Metrics
from worker.models import ShippedModels
from worker.settings import Settings

STALL_SECONDS = 90.0


def run_demo(settings: Settings, listings: int | None, out: Path) -> int:
    """Run the demo with ``listings`` samples (None: all there are) and write ``events.jsonl`` and ``report.html``
    into the folder ``out``.

    Gives the exit code: 0 only if every listing ended in results or in a dead letter. Raises FatalError when a part
    of it cannot start, OSError when ``out`` cannot be written.
    """
    view: View = TerminalView(Console()) if sys.stdout.isatty() else JsonView(sys.stdout)
    out.mkdir(parents=True, exist_ok=True)
    summary = asyncio.run(Demo(settings, listings, out, view).run())
    return 1 if summary.missing else 0


@dataclass(slots=True)
class Demo:
    """One run. Everything but the traffic's thread lives on the event loop that calls ``run``."""

    settings: Settings
    num_listings: int | None
    out: Path
    view: View
    metrics: Metrics = field(default_factory=Metrics)
    _kept: list[OutputEvent] = field(default_factory=list)
    _kept_keys: frozenset[str] = frozenset()
    _last_moved: float = 0.0

    async def run(self) -> Summary:
        """Start host and broker, run the worker on them, write the files."""
        pictures = load_pictures()
        broker = EmbeddedBroker()
        async with ImageHost(pictures) as host:
            samples = load_samples(self.num_listings, host.base_url)
            await asyncio.to_thread(broker.start)
            try:
                settings = demo_settings(self.settings, broker.bootstrap_servers, host.endpoint)
                topics = settings.kafka.topics
                broker.create_topics(dataclasses.astuple(topics))
                summary = await self._work(settings, topics, samples)
            finally:
                broker.close()
            images = {f"{host.base_url}/pictures/{name}": body for name, body in pictures.items()}
        await self._report(samples, images, topics, summary)
        return summary

    async def _work(self, settings: Settings, topics: Topics, samples: Sequence[Sample]) -> Summary:
        progress = DemoProgress(len(samples), titles_of(samples), topics, phase="loading the model")
        self._kept_keys = frozenset(sample.key.decode() for sample in samples[:MAX_CARDS])
        self.view.open(progress)
        worker = Worker(settings, ShippedModels(settings), metrics=self.metrics)
        try:
            await worker.start()
            progress.phase = "tagging"
            self.view.update(progress, None)
            return await self._tag(worker, progress, settings.kafka.bootstrap_servers, samples)
        finally:
            await worker.close()
            self.view.close()

    async def _tag(self, worker: Worker, progress: DemoProgress, servers: str, samples: Sequence[Sample]) -> Summary:
        loop = asyncio.get_running_loop()
        started = self._last_moved = time.monotonic()
        ended: asyncio.Future[None] = loop.create_future()
        with (self.out / "events.jsonl").open("w", encoding="utf-8") as sink:
            traffic = DemoTraffic(
                servers,
                progress.topics,
                samples,
                on_event=lambda event, ending: _hand_over(loop, self._take, progress, sink, event, ending),
                on_end=lambda error: _hand_over(loop, _settle, ended, error),
            )
            running = asyncio.create_task(worker.run_until_stopped())
            traffic.start()
            try:
                await self._wait(ended, running)
                seconds = time.monotonic() - started
            finally:
                await asyncio.to_thread(traffic.stop)
                worker.request_stop()
                await running
        endings = traffic.endings
        return summarise(progress, self.metrics.snapshot(), seconds, endings.num_copies, endings.missing)

    async def _wait(self, ended: asyncio.Future[None], running: asyncio.Task[None]) -> None:
        """Until all listings ended, the worker stopped, or nothing moved for ``STALL_SECONDS``."""
        while time.monotonic() - self._last_moved < STALL_SECONDS:
            done, _ = await asyncio.wait({ended, running}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
            if done:
                break
        if ended.done():
            ended.result()

    def _take(self, progress: DemoProgress, sink: TextIO, event: OutputEvent, ending: Ending | None) -> None:
        self._last_moved = time.monotonic()
        sink.write(event.to_json() + "\n")
        if event.key in self._kept_keys:
            self._kept.append(event)
        self.view.update(progress, progress.add(event, ending))

    async def _report(
        self, samples: Sequence[Sample], images: Mapping[str, bytes], topics: Topics, summary: Summary
    ) -> None:
        figures = (
            Figure("title cache hits", f"{summary.cache_hits:,}"),
            Figure("listings per batch", f"{summary.listings_per_batch:.1f}"),
            Figure("seconds", f"{summary.seconds:.1f}"),
        )
        path = self.out / "report.html"
        await asyncio.to_thread(write_report, path, samples, self._kept, images, topics, figures)
        self.view.summary(summary, (self.out / "events.jsonl", path))


def _hand_over(loop: asyncio.AbstractEventLoop, action: Callable[..., None], *arguments: object) -> None:
    """From the traffic's thread to the loop's."""
    loop.call_soon_threadsafe(action, *arguments)


def _settle(ended: asyncio.Future[None], error: Exception | None) -> None:
    if ended.done():
        return
    if error is None:
        ended.set_result(None)
    else:
        ended.set_exception(error)


def demo_settings(settings: Settings, bootstrap_servers: str, image_endpoint: str, name: str = "demo") -> Settings:
    """The settings of the demo's worker, or of another of this ``name``: its own broker, no Redis, any free port,
    and its image host allowed.

    Kafka's and Redis' settings are the defaults, whatever the user's say: they are about other servers.
    """
    kafka = type(settings.kafka)(
        bootstrap_servers=bootstrap_servers,
        group_id=f"hangtag-{name}",
        instance=name,
        consumer=dict(PROMPT),
        max_record_bytes=1_000_000,  # the embedded broker cannot be asked
    )
    return settings.model_copy(
        update={
            "kafka": kafka,
            "redis": type(settings.redis)(),
            "fetch": settings.fetch.model_copy(update={"allow_endpoints": (image_endpoint,)}),
            "http": settings.http.model_copy(update={"port": 0}),
        }
    )


def titles_of(samples: Sequence[Sample]) -> dict[str, str]:
    """Titles by key, of the samples whose value can be read."""
    return {sample.key.decode(): title for sample in samples if (title := _title(sample.value))}


def _title(value: bytes | None) -> str:
    try:
        title = json.loads(value or b"{}").get("title", "")
    except ValueError:
        return ""
    return title if isinstance(title, str) else ""
