"""Sole owner of the producers: results, dead letters and offsets in one transaction, or at least once.

What a `CommitOutcome` means, and why, is said in `worker.kafka.transaction`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Protocol

import structlog
from confluent_kafka import KafkaException, TopicPartition

from worker.errors import FatalError
from worker.kafka.deliveries import Deliveries
from worker.kafka.transaction import Commit, CommitOutcome, ProducerSession, PublishPolicy, Step, watch_nothing
from worker.machine.owner_thread import OwnerThread

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0


class Publisher(Protocol):
    """What the pipeline knows of publishing."""

    async def start(self) -> None:
        """Ready to send. Raises FatalError when another worker holds the name or the broker refuses."""
        ...

    async def send(self, commit: Commit) -> CommitOutcome:
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

    async def send(self, commit: Commit) -> CommitOutcome:
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

    async def _replace(self) -> CommitOutcome:
        """A new producer under the same name: it fences the one that hangs, and ends its transaction."""
        outcome = self._session.abandon()
        log.warning("producer.hung", effect="left to itself; a new one takes its place", outcome=outcome.value)
        self._session = self._new_session()
        await self._session.start()
        return outcome


class PlainPublisher:
    """At least once: produce, wait for every delivery, then have the consumer commit."""

    def __init__(
        self,
        config: Mapping[str, Any],
        commit_offsets: Callable[[Sequence[TopicPartition]], Future[None]],
        seconds: float,
    ) -> None:
        self._deliveries = Deliveries(config)
        self._commit_offsets = commit_offsets
        self._seconds = seconds
        self._thread = OwnerThread("hangtag-producer")

    async def start(self) -> None:
        """See `Publisher.start`."""
        try:
            await self._thread.start(self._deliveries.open)
        except KafkaException as error:
            raise FatalError(f"the producer cannot be made: {error.args[0].str()}") from error

    async def send(self, commit: Commit) -> CommitOutcome:
        """See `Publisher.send`. ABORTED: something was not delivered, or the offsets are not committed.

        Sent again, only what is missing is done. Offsets may be committed all the same, after results that are out.
        """
        undelivered = await self._thread.run(lambda: self._deliveries.deliver(commit.outputs, self._seconds))
        if undelivered is not None:
            log.warning("producer.undelivered", records=undelivered.num_records, why=undelivered.why)
            return CommitOutcome.ABORTED
        if (why := await self._commit_failure(commit.offsets)) is not None:
            log.warning("consumer.commit_failed", error=why)
            return CommitOutcome.ABORTED
        await self._thread.run(self._deliveries.forget)
        return CommitOutcome.FINE

    async def close(self) -> None:
        """See `Publisher.close`."""
        await self._thread.run(self._deliveries.close)
        await self._thread.close()

    async def _commit_failure(self, offsets: Sequence[TopicPartition]) -> str | None:
        """Why these offsets are not known to be committed; None: they are. There may be no later commit to carry them:
        marks and a replay's end wait for this very one.
        """
        try:
            async with asyncio.timeout(self._seconds):
                await asyncio.wrap_future(self._commit_offsets(offsets))
        except TimeoutError:
            return f"the consumer has not answered within {self._seconds:g} s"
        except KafkaException as error:
            return str(error.args[0].str())
        return None
