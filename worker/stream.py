"""One consumer group's way through the worker: consumer, intake, pipeline, committer, producer. Edge file.

A worker has one for live traffic; with ``run --backfill`` a second one for the replay, with a consumer and a producer
of its own, which shares the stages and the device.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from model.types import ModelInfo
from schemas.topics import EVENT_KINDS
from worker.build import VERSION
from worker.committer import Committer
from worker.consume import Consumer
from worker.deadletter import MIN_BYTES
from worker.errors import FatalError
from worker.flow.admission import Limits
from worker.flow.pace import Pace
from worker.flow.storm import StormBreaker, StormPolicy
from worker.kafka.broker_check import record_limits, wait_for_topics
from worker.kafka.config import client_config, consumer_config, own_record_limit, producer_config, transactional_id
from worker.kafka.transaction import PublishPolicy, Step, watch_nothing
from worker.metrics import Metrics
from worker.outcome import Identity, Outputs
from worker.partitions.assignment import ConsumePolicy
from worker.partitions.intake import Intake
from worker.partitions.intake_policy import IntakePolicy
from worker.pipeline import Pipeline, Tagger
from worker.publish import PlainPublisher, Publisher, TransactionalPublisher
from worker.replays.backfill import Backfill
from worker.settings import KafkaSettings, Settings
from worker.telemetry.gauges import Gauges

log = structlog.get_logger(__name__)

_LEAVE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stream:
    """The parts of one stream, connected and ready to run. Runs on the event loop that made it."""

    consumer: Consumer
    intake: Intake
    committer: Committer
    pipeline: Pipeline
    gauges: Gauges
    storm: StormBreaker
    failed: asyncio.Future[None]  # set when the stream cannot go on
    drain_seconds: float

    async def drain(self) -> None:
        """Take no more, finish what the device has started, commit it, leave the group."""
        log.info("worker.draining", budget_seconds=self.drain_seconds)
        await self.intake.drain()
        await self.leave()
        log.info("worker.drained")

    async def leave(self) -> None:
        """Close the consumer, whatever is under way. Safe to call twice."""
        self.consumer.stop()
        if not await asyncio.to_thread(self.consumer.join, _LEAVE_SECONDS):
            log.warning("consumer.left_behind", effect="the group notices after its session timeout")


@dataclass(frozen=True, slots=True)
class Connector:
    """Makes a `Stream`. ``backfill``: a bounded one. ``exits`` closes its producer."""

    settings: Settings
    metrics: Metrics
    exits: AsyncExitStack
    backfill: Backfill | None = None
    watch: Callable[[Step], None] = watch_nothing
    rebuild_after_unknown: bool = True

    async def connect(self, tagger: Tagger, info: ModelInfo, limits: Limits, stopping: asyncio.Event) -> Stream:
        """Wait for broker and topics, then make everything but the first poll. Raises FatalError."""
        kafka, backfill = self.settings.kafka, self.backfill
        topics = kafka.topics
        await wait_for_topics(client_config(kafka), topics, kafka.wait_seconds, stopping=stopping)
        record_bytes = await _record_limits(kafka)
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        drain_seconds = self.settings.shutdown.drain_seconds
        find = backfill.find_superseded if backfill else None
        intake = Intake(topics.input, IntakePolicy(drain_seconds=drain_seconds), _failing(failed), find)
        policy = ConsumePolicy(topics.input, kafka.start_time, bounds=backfill.ranges if backfill else None)
        consumer = Consumer(consumer_config(kafka), policy, intake)
        intake.consumer = consumer
        publisher = self._publisher(consumer, record_bytes)
        await publisher.start()
        self.exits.push_async_callback(publisher.close)
        kinds = backfill.kinds if backfill else EVENT_KINDS
        committer = Committer(intake.books, intake.rewind, publisher, limits, self.metrics, kinds)
        outputs = Outputs(Identity(kafka.group_id, VERSION, topics, kinds), info, record_bytes, self.metrics)
        storm = StormBreaker(_storm_policy(self.settings))
        pace = Pace(backfill.rate if backfill else 0.0)
        pipeline = Pipeline(tagger, intake.starts, committer, outputs, limits, storm, self.metrics, pace)
        gauges = Gauges(self.metrics, intake, tagger, storm, consumer)
        log.info("stream.connected", topic=topics.input, group=kafka.group_id, delivery=kafka.delivery)
        return Stream(consumer, intake, committer, pipeline, gauges, storm, failed, drain_seconds)

    def _publisher(self, consumer: Consumer, record_bytes: Mapping[str, int]) -> Publisher:
        kafka = self.settings.kafka
        seconds = kafka.transaction_timeout_seconds
        config = producer_config(kafka, record_bytes)
        if kafka.delivery == "at_least_once":
            return PlainPublisher(config, consumer.commit, seconds)
        policy = PublishPolicy(transactional_id(kafka), seconds, rebuild_after_unknown=self.rebuild_after_unknown)
        return TransactionalPublisher(config, policy, lambda: consumer.group_metadata, self.watch)


async def _record_limits(kafka: KafkaSettings) -> dict[str, int]:
    """The largest record of each output topic, in bytes. Raises FatalError where no dead letter would fit."""
    topics = kafka.topics
    outputs = (topics.attributes, topics.scenes, topics.texts, topics.dead_letter)
    asked, own = kafka.max_record_bytes, own_record_limit(kafka)
    limits = await asyncio.to_thread(record_limits, client_config(kafka), outputs, asked, own)
    log.info("stream.record_limits", bytes=limits)
    if (most := limits[topics.dead_letter]) < MIN_BYTES:
        raise FatalError(
            f"a record for {topics.dead_letter} may have {most:,} bytes, and a dead letter needs {MIN_BYTES:,}; raise "
            "its max.message.bytes ('hangtag topics plan' shows what it should be), or the producer's message.max.bytes"
        )
    return limits


def _failing(failed: asyncio.Future[None]) -> Callable[[FatalError], None]:
    def fail(error: FatalError) -> None:
        if not failed.done():
            failed.set_exception(error)

    return fail


def _storm_policy(settings: Settings) -> StormPolicy:
    storm = settings.storm
    return StormPolicy(storm.window, storm.ratio, storm.consecutive, storm.probe_seconds)
