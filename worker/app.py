"""Builds the worker from its settings, runs it, and stops it: with `worker.build`, the only place that makes real
clients.

Start, in this order: probes (so that a slow start can be seen), models, broker and topics, producer, consumer.
Stop, on SIGTERM: take no more, finish what the device has started, commit it, leave the group, exit 0. A second signal
ends the process at once; what was not committed is done again by whoever comes next.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import structlog

from model.errors import ModelError
from schemas.topics import EVENT_KINDS
from worker.build import VERSION, Built, Models, build_tagger
from worker.errors import FatalError
from worker.fetching.guard import shown
from worker.kafka.transaction import Step, watch_nothing
from worker.metrics import Metrics
from worker.replays.backfill import Backfill
from worker.settings import Settings
from worker.stream import Connector, Stream
from worker.telemetry.health import HealthServer, Verdict

log = structlog.get_logger(__name__)

_CONSUMER_SILENT_SECONDS = 120.0  # above what a rebalance or a look-up of offsets may take


class Companion(Protocol):
    """Work of another kind beside live traffic: `worker.replays.guest`."""

    async def run(self, built: Built, live: Stream, metrics: Metrics) -> None:
        """Work until done. Whatever happens to it, it raises nothing and live traffic goes on."""
        ...

    async def stop(self) -> None:
        """Finish what the device has started; ``run`` returns."""
        ...


class Worker:
    """One worker process. Everything here runs on the event loop that calls ``start``."""

    def __init__(
        self,
        settings: Settings,
        models: Models,
        *,
        metrics: Metrics | None = None,
        watch: Callable[[Step], None] = watch_nothing,
        rebuild_after_unknown: bool = True,
        backfill: Backfill | None = None,
        companion: Companion | None = None,
    ) -> None:
        self._settings = settings
        self._models = models
        self._watch = watch
        self._rebuild_after_unknown = rebuild_after_unknown
        self._backfill = backfill
        self._companion = companion
        self.metrics = metrics or Metrics()
        self.http_port = 0
        self._exits = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._built: Built | None = None
        self._stream: Stream | None = None
        self._is_draining = False

    async def start(self) -> None:
        """Ready to run. Raises FatalError or ModelError, for the operator."""
        settings = self._settings
        server = HealthServer(settings.http.host, settings.http.port, self.metrics, self)
        self.http_port = await server.start()
        self._exits.push_async_callback(server.close)
        log.info("worker.starting", version=VERSION, http_port=self.http_port)
        kinds = self._backfill.kinds if self._backfill else EVENT_KINDS
        self._built = await build_tagger(settings, self._models, self.metrics, self._exits, kinds)
        log.info("model.loaded", revision=self._built.info.revision, device=self._built.info.device)
        connector = Connector(
            settings, self.metrics, self._exits, self._backfill, self._watch, self._rebuild_after_unknown
        )
        self._stream = await connector.connect(self._built.tagger, self._built.info, self._built.limits, self._stopping)
        log.info("worker.started", topic=settings.kafka.input_topic, group=settings.kafka.group_id)

    async def run_until_stopped(self) -> None:
        """Work until ``request_stop``; then drain. Raises FatalError when the process cannot go on."""
        stream, built = self._stream, self._built
        assert stream is not None and built is not None  # noqa: S101  # started
        stream.consumer.start()
        work = asyncio.create_task(stream.pipeline.run(), name="pipeline")
        device = asyncio.create_task(built.batches.run(), name="batches")
        look = asyncio.create_task(stream.gauges.run(stream.pipeline), name="gauges")
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        beside = asyncio.create_task(self._run_companion(built, stream), name="companion")
        try:
            needed: list[asyncio.Future[Any]] = [work, device, look, stream.failed]  # the end of one is an error
            await asyncio.wait([*needed, stop], return_when=asyncio.FIRST_COMPLETED)
            if stop.done() and not any(one.done() for one in needed):
                await self._drain(stream)
            for one in needed:
                if one.done():
                    one.result()
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        finally:
            tasks: list[asyncio.Task[object]] = [work, device, look, stop, beside]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _run_companion(self, built: Built, live: Stream) -> None:
        if self._companion is not None:
            await self._companion.run(built, live, self.metrics)

    async def _drain(self, live: Stream) -> None:
        self._is_draining = True
        await asyncio.gather(live.drain(), *([self._companion.stop()] if self._companion else []))

    def counts(self) -> dict[str, float]:
        """What this process has done so far, in listings; ``left_out``: superseded, or not meant."""
        finished = self.metrics.snapshot()["finished_listings"]
        assert isinstance(finished, dict)  # noqa: S101  # it has a label
        passed = self._stream.intake.starts.num_passed_over if self._stream is not None else 0
        return {
            "tagged": finished.get("tagged", 0),
            "dead_letters": finished.get("dead_letter", 0),
            "left_out": passed,
        }

    def request_stop(self) -> None:
        """Drain and come back from ``run_until_stopped``."""
        self._stopping.set()

    async def close(self) -> None:
        """Leave the group and close everything, in the reverse order of starting. Safe at any moment."""
        if self._stream is not None:
            await self._stream.leave()
        await self._exits.aclose()

    # ---- probes -------------------------------------------------------------------------------------------------

    def started(self) -> Verdict:
        """See `worker.telemetry.health.Probes`."""
        return (
            Verdict(True) if self._stream is not None else Verdict(False, "loading the model or waiting for the broker")
        )

    def ready(self) -> Verdict:
        """See `worker.telemetry.health.Probes`."""
        if self._stream is None:
            return self.started()
        if self._is_draining:
            return Verdict(False, "draining")
        if not self._stream.consumer.is_connected:
            return Verdict(False, "not connected to the broker, or not yet a member of the group")
        aborting = self._stream.committer.aborting_seconds
        if aborting > self._settings.health.stall_seconds:
            return Verdict(False, f"one transaction has been aborted for {aborting:.0f} s (transaction.keeps_aborting)")
        reader = self._built.stages.read if self._built is not None else None
        if reader is not None and reader.is_broken:
            return Verdict(False, "the OCR engine has failed on every picture of late (read.picture_failed)")
        if self._stream.storm.is_open:
            return Verdict(False, "nearly everything ended as a dead letter; single records probe (storm.*)")
        return Verdict(True)

    def alive(self) -> Verdict:
        """See `worker.telemetry.health.Probes`."""
        if self._stream is None:
            return Verdict(True, "starting")
        consumer, stalled = self._stream.consumer, self._stream.pipeline.stalled_seconds()
        if stalled > self._settings.health.stall_seconds:
            return Verdict(False, f"nothing has moved for {stalled:.0f} s; {self._culprit()}")
        silent = time.monotonic() - consumer.last_turn
        if consumer.is_running and silent > _CONSUMER_SILENT_SECONDS + self._settings.shutdown.drain_seconds:
            return Verdict(False, f"the consumer's thread has not turned for {silent:.0f} s")
        return Verdict(True)

    def _culprit(self) -> str:
        """The listing that has been under way for longest: the first place to look at."""
        oldest = self._stream.intake.starts.oldest() if self._stream is not None else None
        if oldest is None:
            return "no listing is under way: results wait for their transaction"
        flight, origin = oldest.flight, oldest.origin
        age = asyncio.get_running_loop().time() - flight.began
        at = f" waiting for {shown(flight.url)}" if flight.url else ""
        return (
            f"oldest: partition {origin.partition}, offset {origin.offset}, stage {flight.stage.value}{at}, {age:.0f} s"
        )


def run(worker: Callable[[], Worker]) -> int:
    """``hangtag run`` with the worker that ``worker`` makes: until a signal (exit code 0) or something fatal (1)."""
    return asyncio.run(run_until(worker))


async def run_until(make: Callable[[], Worker], watch: Callable[[Worker], Awaitable[None]] | None = None) -> int:
    """As ``run``, and also until ``watch`` returns. Raises what ``watch`` raises."""
    worker = make()
    loop = asyncio.get_running_loop()
    starting = asyncio.ensure_future(worker.start())
    watching = asyncio.ensure_future(watch(worker)) if watch else loop.create_future()
    watching.add_done_callback(lambda _: worker.request_stop())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, worker, starting)
    try:
        await starting
        await worker.run_until_stopped()
    except asyncio.CancelledError:
        log.info("worker.stopped_while_starting")
    except (FatalError, ModelError) as error:
        log.error("worker.failed", error=str(error))
        return 1
    finally:
        has_watched = watching.done() and not watching.cancelled()
        watching.cancel()
        await worker.close()
    if has_watched:
        watching.result()
    log.info("worker.stopped", redone_device_seconds=worker.metrics.snapshot()["redone_device_seconds"])
    return 0


def _on_signal(worker: Worker, starting: asyncio.Future[None]) -> None:
    if worker._stopping.is_set():
        log.error("worker.aborted", why="second signal")
        os._exit(1)  # at once: Kafka's transaction makes that safe
    worker.request_stop()
    if not starting.done():
        starting.cancel()


def first_cause(group: BaseException) -> BaseException:
    """The fatal error among several, or the first: the others are its echo."""
    leaves: list[BaseException] = []
    queue: list[BaseException] = [group]
    while queue:
        error = queue.pop(0)
        if isinstance(error, BaseExceptionGroup):
            queue.extend(error.exceptions)
        else:
            leaves.append(error)
    return next((leaf for leaf in leaves if isinstance(leaf, FatalError)), leaves[0])
