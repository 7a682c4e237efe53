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
from dataclasses import replace

import structlog

from model.errors import ModelError
from schemas.topics import EVENT_KINDS
from worker.admission import Limits
from worker.assignment import ConsumePolicy
from worker.backfill import Backfill
from worker.broker_check import max_record_bytes, wait_for_topics
from worker.build import VERSION, Built, Models, build_tagger
from worker.committer import Committer
from worker.consume import Consumer
from worker.errors import FatalError
from worker.gauges import Gauges
from worker.guard import shown
from worker.health import HealthServer, Verdict
from worker.intake import Intake
from worker.intake_policy import IntakePolicy
from worker.kafka_config import client_config, consumer_config, producer_config, transactional_id
from worker.metrics import Metrics
from worker.outcome import Identity, Outputs
from worker.pace import Pace
from worker.pipeline import Pipeline
from worker.publish import PlainPublisher, Publisher, TransactionalPublisher
from worker.settings import Settings
from worker.storm import StormBreaker, StormPolicy
from worker.transaction import PublishPolicy, Step, watch_nothing

log = structlog.get_logger(__name__)

_LEAVE_SECONDS = 10.0
_CONSUMER_SILENT_SECONDS = 120.0  # above what a rebalance or a look-up of offsets may take


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
    ) -> None:
        self._settings = settings
        self._models = models
        self._watch = watch
        self._rebuild_after_unknown = rebuild_after_unknown
        self._backfill = backfill
        self.metrics = metrics or Metrics()
        self.http_port = 0
        self._exits = AsyncExitStack()
        self._stopping = asyncio.Event()
        self._failed: asyncio.Future[None] | None = None
        self._built: Built | None = None
        self._consumer: Consumer | None = None
        self._intake: Intake | None = None
        self._pipeline: Pipeline | None = None
        self._gauges: Gauges | None = None
        self._storm = StormBreaker(_storm_policy(settings))
        self._is_draining = False

    async def start(self) -> None:
        """Ready to run. Raises FatalError or ModelError, for the operator."""
        settings = self._settings
        server = HealthServer(settings.http.host, settings.http.port, self.metrics, self)
        self.http_port = await server.start()
        self._exits.push_async_callback(server.close)
        log.info("worker.starting", version=VERSION, http_port=self.http_port)
        self._built = await build_tagger(settings, self._models, self.metrics, self._exits)
        if self._backfill is not None and not self._backfill.needs_reading:
            self._built.tagger.reads = False
        log.info("model.loaded", revision=self._built.info.revision, device=self._built.info.device)
        await self._connect(self._built)

    async def run_until_stopped(self) -> None:
        """Work until ``request_stop``; then drain. Raises FatalError when the process cannot go on."""
        pipeline, failed = self._pipeline, self._failed
        assert pipeline is not None and failed is not None and self._consumer is not None  # noqa: S101  # started
        assert self._gauges is not None  # noqa: S101
        self._consumer.start()
        work = asyncio.create_task(pipeline.run(), name="pipeline")
        look = asyncio.create_task(self._gauges.run(pipeline), name="gauges")
        stop = asyncio.create_task(self._stopping.wait(), name="stop")
        try:
            watched: set[asyncio.Future[object]] = {work, stop, failed}  # type: ignore[arg-type]  # only waited for
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if stop.done() and not work.done() and not failed.done():
                await self._drain()
            if work.done():
                work.result()
            if failed.done():
                failed.result()
        except BaseExceptionGroup as group:
            raise _first_cause(group) from group
        finally:
            tasks: list[asyncio.Task[object]] = [work, look, stop]
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def counts(self) -> dict[str, float]:
        """What this process has done so far, in listings; ``superseded`` were passed over."""
        finished = self.metrics.snapshot()["finished_listings"]
        assert isinstance(finished, dict)  # noqa: S101  # it has a label
        passed = self._intake.num_passed_over if self._intake is not None else 0
        return {
            "tagged": finished.get("tagged", 0),
            "dead_letters": finished.get("dead_letter", 0),
            "superseded": passed,
        }

    def request_stop(self) -> None:
        """Drain and come back from ``run_until_stopped``."""
        self._stopping.set()

    async def close(self) -> None:
        """Leave the group and close everything, in the reverse order of starting. Safe at any moment."""
        if self._consumer is not None:
            self._consumer.stop()
            if not await asyncio.to_thread(self._consumer.join, _LEAVE_SECONDS):
                log.warning("consumer.left_behind", effect="the group notices after its session timeout")
        await self._exits.aclose()

    # ---- probes -------------------------------------------------------------------------------------------------

    def started(self) -> Verdict:
        """See `worker.health.Probes`."""
        return (
            Verdict(True)
            if self._pipeline is not None
            else Verdict(False, "loading the model or waiting for the broker")
        )

    def ready(self) -> Verdict:
        """See `worker.health.Probes`."""
        if self._pipeline is None or self._intake is None or self._consumer is None:
            return self.started()
        if self._is_draining:
            return Verdict(False, "draining")
        if not self._consumer.is_connected:
            return Verdict(False, "not connected to the broker, or not yet a member of the group")
        if self._storm.is_open:
            return Verdict(False, "nearly everything ended as a dead letter; single records probe (storm.*)")
        return Verdict(True)

    def alive(self) -> Verdict:
        """See `worker.health.Probes`."""
        if self._pipeline is None or self._consumer is None:
            return Verdict(True, "starting")
        stalled = self._pipeline.stalled_seconds()
        if stalled > self._settings.health.stall_seconds:
            return Verdict(False, f"nothing has moved for {stalled:.0f} s; {self._culprit()}")
        silent = time.monotonic() - self._consumer.last_turn
        if self._consumer.is_running and silent > _CONSUMER_SILENT_SECONDS + self._settings.shutdown.drain_seconds:
            return Verdict(False, f"the consumer's thread has not turned for {silent:.0f} s")
        return Verdict(True)

    def _culprit(self) -> str:
        """The listing that has been under way for longest: the first place to look at."""
        oldest = self._intake.oldest() if self._intake is not None else None
        if oldest is None:
            return "no listing is under way: results wait for their transaction"
        flight, origin = oldest.flight, oldest.origin
        age = asyncio.get_running_loop().time() - flight.began
        at = f" waiting for {shown(flight.url)}" if flight.url else ""
        return (
            f"oldest: partition {origin.partition}, offset {origin.offset}, stage {flight.stage.value}{at}, {age:.0f} s"
        )

    # ---- parts --------------------------------------------------------------------------------------------------

    async def _connect(self, built: Built) -> None:
        kafka = self._settings.kafka
        topics = kafka.topics
        await wait_for_topics(client_config(kafka), topics, kafka.wait_seconds, stopping=self._stopping)
        limits = await self._limits(built.limits)
        self._failed = asyncio.get_running_loop().create_future()
        drain_seconds = self._settings.shutdown.drain_seconds
        backfill = self._backfill
        find = backfill.find_superseded if backfill else None
        intake = Intake(topics.input, IntakePolicy(drain_seconds=drain_seconds), self._fail, find)
        policy = ConsumePolicy(topics.input, kafka.start_time, bounds=backfill.ranges if backfill else None)
        consumer = Consumer(consumer_config(kafka, tells_end=backfill is not None), policy, intake)
        intake.consumer = consumer
        publisher = self._publisher(consumer)
        await publisher.start()
        self._exits.push_async_callback(publisher.close)
        kinds = backfill.kinds if backfill else EVENT_KINDS
        identity = Identity(kafka.group_id, VERSION, topics, kinds)
        committer = Committer(intake, publisher, limits, self.metrics, kinds)
        outputs = Outputs(identity, built.info, limits.max_output_bytes, self.metrics)
        pace = Pace(backfill.rate if backfill else 0.0)
        pipeline = Pipeline(built.tagger, intake, committer, outputs, limits, self._storm, self.metrics, pace)
        self._consumer, self._intake = consumer, intake
        self._gauges = Gauges(self.metrics, intake, built.tagger, self._storm, consumer)
        self._pipeline = pipeline
        log.info("worker.started", topic=topics.input, group=kafka.group_id, delivery=kafka.delivery)

    async def _limits(self, limits: Limits) -> Limits:
        """With the largest record that the output topics really take."""
        kafka = self._settings.kafka
        if kafka.max_record_bytes is not None:
            return replace(limits, max_output_bytes=kafka.max_record_bytes)
        most = await asyncio.to_thread(max_record_bytes, client_config(kafka), kafka.topics, limits.max_output_bytes)
        return replace(limits, max_output_bytes=min(most, limits.max_output_bytes))

    def _publisher(self, consumer: Consumer) -> Publisher:
        kafka = self._settings.kafka
        seconds = kafka.transaction_timeout_seconds
        config = producer_config(kafka)
        if kafka.delivery == "at_least_once":
            return PlainPublisher(config, consumer.commit, seconds)
        policy = PublishPolicy(transactional_id(kafka), seconds, rebuild_after_unknown=self._rebuild_after_unknown)
        return TransactionalPublisher(config, policy, lambda: consumer.group_metadata, self._watch)

    def _fail(self, error: FatalError) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def _drain(self) -> None:
        assert self._intake is not None and self._consumer is not None  # noqa: S101  # started
        self._is_draining = True
        log.info("worker.draining", budget_seconds=self._settings.shutdown.drain_seconds)
        await self._intake.drain()
        self._consumer.stop()
        await asyncio.to_thread(self._consumer.join, _LEAVE_SECONDS)
        log.info("worker.drained")


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


def _storm_policy(settings: Settings) -> StormPolicy:
    storm = settings.storm
    return StormPolicy(storm.window, storm.ratio, storm.consecutive, storm.probe_seconds)


def _first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
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
