"""Sole owner of the producers: results, dead letters and offsets in one transaction, or at least once.

What an `Outcome` means, and why, is said in `worker.kafka.transaction`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Producer as KafkaProducer

from worker.item import OutputRecord
from worker.kafka.transaction import Commit, Outcome, ProducerSession, PublishPolicy, Step, produce, watch_nothing
from worker.machine.owner_thread import OwnerThread

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


class Publisher(Protocol):
    """What the pipeline knows of publishing."""

    async def start(self) -> None:
        """Ready to send. Raises FatalError when another worker holds the name or the broker refuses."""
        ...

    async def send(self, commit: Commit) -> Outcome:
        """Produce and commit. Raises FatalError when this worker was fenced, or a record is too large."""
        ...

    async def close(self) -> None:
        """End the thread; an open transaction is aborted."""
        ...


class TransactionalPublisher:
    """Exactly once: each `Commit` is one Kafka transaction."""

    def __init__(
        self,
        config: Mapping[str, Any],
        policy: PublishPolicy,
        group_metadata: Callable[[], Any],
        watch: Callable[[Step], None] = watch_nothing,
    ) -> None:
        self._new_session = partial(ProducerSession, config, policy, group_metadata, watch)
        self._session = self._new_session()

    async def start(self) -> None:
        """See `Publisher.start`."""
        await self._session.start()

    async def send(self, commit: Commit) -> Outcome:
        """See `Publisher.send`."""
        work = asyncio.ensure_future(self._session.transact(commit))
        try:
            while not (await asyncio.wait({work}, timeout=_LOOK_SECONDS))[0]:
                if self._session.is_overdue():
                    return await self._replace()
        finally:
            work.cancel()
        return work.result()

    async def close(self) -> None:
        """See `Publisher.close`."""
        await self._session.close()

    async def _replace(self) -> Outcome:
        """A new producer under the same name: it fences the one that hangs, and ends its transaction."""
        outcome = self._session.abandon()
        log.warning("producer.hung", effect="left to itself; a new one takes its place", outcome=outcome.value)
        self._session = self._new_session()
        await self._session.start()
        return outcome


class PlainPublisher:
    """At least once: produce, wait for every delivery, then have the consumer commit."""

    def __init__(
        self, config: Mapping[str, Any], commit_offsets: Callable[[Sequence[TopicPartition]], Any], seconds: float
    ) -> None:
        self._config = dict(config)
        self._commit_offsets = commit_offsets
        self._seconds = seconds
        self._thread = OwnerThread("hangtag-producer")
        self._kafka: KafkaProducer | None = None

    async def start(self) -> None:
        """See `Publisher.start`."""
        self._thread.start()
        self._kafka = await self._thread.run(lambda: KafkaProducer(self._config))

    async def send(self, commit: Commit) -> Outcome:
        """See `Publisher.send`. ABORTED: something was not delivered; sending again may double what was."""
        undelivered = await self._thread.run(lambda: self._deliver(commit.outputs))
        if undelivered:
            log.warning("producer.undelivered", records=undelivered)
            return Outcome.ABORTED
        try:
            await asyncio.wrap_future(self._commit_offsets(commit.offsets))
        except KafkaException as error:
            # Harmless: the results are out, and the next commit carries these offsets too.
            log.warning("consumer.commit_failed", error=error.args[0].str())
        return Outcome.FINE

    async def close(self) -> None:
        """See `Publisher.close`."""
        await self._thread.run(self._let_go)
        await self._thread.close()

    def _let_go(self) -> None:
        self._kafka = None

    def _deliver(self, outputs: Sequence[OutputRecord]) -> int:
        kafka = self._kafka
        assert kafka is not None  # noqa: S101  # start() comes first
        failed: list[KafkaError] = []
        deadline = time.monotonic() + self._seconds

        def on_delivery(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failed.append(error)

        for output in outputs:
            produce(kafka, output, deadline, on_delivery)
        return int(kafka.flush(self._seconds)) + len(failed)
