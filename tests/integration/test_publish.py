"""Transactions on a real broker while the client itself hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.audit import read_records
from tests.integration.stream import Stream
from tests.servers.base import Server
from tests.servers.kafka import OwnKafka
from worker.errors import FatalError
from worker.item import OutputRecord
from worker.kafka.topic_reader import TopicReader
from worker.kafka.transaction import Commit, CommitOutcome, PublishPolicy, Step, watch_nothing
from worker.publish import TransactionalPublisher

_TRANSACTIONS = "__transaction_state"


class Hang:
    """Holds the first transaction that comes to ``step`` until ``may_go_on`` is set."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._is_armed = True
        self.may_go_on = threading.Event()
        self.thread: threading.Thread | None = None

    def __call__(self, step: Step) -> None:
        if step is self._step and self._is_armed:
            self._is_armed = False
            self.thread = threading.current_thread()
            assert self.may_go_on.wait(60)

    def release(self) -> None:
        """Let it go on, to its end."""
        self.may_go_on.set()
        assert self.thread is not None
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def stream(kafka: Server) -> Stream:
    """Topics of this test's own."""
    made = Stream(kafka.address, num_partitions=1)
    made.create()
    return made


@asynccontextmanager
async def publishing(
    stream: Stream, watch: Callable[[Step], None], *, seconds: float = 2.0, **properties: int
) -> AsyncIterator[TransactionalPublisher]:
    """A publisher whose calls are overdue after ``seconds`` and one more; ``properties`` of its client, _ for a dot."""
    reader = Consumer({"bootstrap.servers": stream.servers, "group.id": stream.name})
    config: dict[str, str | int] = {"bootstrap.servers": stream.servers, "transactional.id": stream.name}
    config |= {"transaction.timeout.ms": 10_000}
    config |= {name.replace("_", "."): value for name, value in properties.items()}
    policy = PublishPolicy(stream.name, transaction_seconds=seconds, overdue_seconds=1.0)
    publisher = TransactionalPublisher(config, policy, reader.consumer_group_metadata, watch)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close()
        reader.close()


def commit(stream: Stream, value: bytes, offset: int) -> Commit:
    """One record, and the input's offset with it."""
    place = TopicPartition(stream.topics.input, 0, offset)
    return Commit([OutputRecord(stream.topics.attributes, b"key", value, ())], [place])


def visible(stream: Stream) -> list[bytes | None]:
    """What a ``read_committed`` reader sees."""
    return [message.value() for message in read_records(stream.servers, stream.topics)]


@pytest.mark.parametrize("step", [Step.BEGUN, Step.PRODUCED, Step.OFFSETS_SENT])
async def test_transaction_that_hangs_before_its_end_is_aborted(stream: Stream, step: Step) -> None:
    """A new producer takes over; what hung neither counts nor commits later, when it comes back."""
    hang = Hang(step)
    async with publishing(stream, hang) as publisher:
        assert await publisher.send(commit(stream, b"first", 1)) is CommitOutcome.ABORTED
        assert await publisher.send(commit(stream, b"again", 1)) is CommitOutcome.FINE
        hang.release()
        assert await publisher.send(commit(stream, b"next", 2)) is CommitOutcome.FINE
    assert visible(stream) == [b"again", b"next"]
    assert stream.committed() == {0: 2}


async def test_transaction_that_hangs_at_its_end_is_unknown(stream: Stream) -> None:
    """Whether it was committed only the broker knows: here it was."""
    hang = Hang(Step.COMMITTED)
    async with publishing(stream, hang) as publisher:
        assert await publisher.send(commit(stream, b"first", 1)) is CommitOutcome.UNKNOWN
        hang.release()
        assert await publisher.send(commit(stream, b"next", 2)) is CommitOutcome.FINE
    assert visible(stream) == [b"first", b"next"]


@pytest.mark.parametrize("step", [Step.BEGUN, Step.PRODUCED])
async def test_publisher_whose_name_is_taken_says_so(stream: Stream, step: Step) -> None:
    """Whether the client notices while records are still being handed to it or later: it never fights for the name."""

    def take_over(now: Step) -> None:
        if now is step:
            Producer({"bootstrap.servers": stream.servers, "transactional.id": stream.name}).init_transactions(30)

    one = commit(stream, b"first", 1)
    many = Commit(list(one.outputs) * 1_000_000, one.offsets)  # more than can be handed over before it is noticed
    async with publishing(stream, take_over, seconds=9.0, queue_buffering_max_messages=1_000_000) as publisher:
        with pytest.raises(FatalError, match="another live worker"):
            await publisher.send(many if step is Step.BEGUN else one)
    assert visible(stream) == []


async def test_close_does_not_wait_for_a_thread_that_hangs(stream: Stream) -> None:
    """A worker that is told to stop stops."""
    hang = Hang(Step.PRODUCED)
    async with publishing(stream, hang) as publisher:
        assert await publisher.send(commit(stream, b"first", 1)) is CommitOutcome.ABORTED
    hang.release()
    assert visible(stream) == []


async def test_name_that_the_broker_has_forgotten_is_taken_anew(forgetful_kafka: OwnKafka) -> None:
    """After days without a listing the first one is published like any other, by the same process."""
    stream = Stream(forgetful_kafka.address, num_partitions=1)
    stream.create()
    async with publishing(stream, watch_nothing) as publisher:
        assert await publisher.send(commit(stream, b"first", 1)) is CommitOutcome.FINE
        await asyncio.to_thread(_wait_until_forgotten, stream)
        assert await publisher.send(commit(stream, b"next", 2)) is CommitOutcome.UNKNOWN
        assert await publisher.send(commit(stream, b"next", 2)) is CommitOutcome.FINE
    assert visible(stream) == [b"first", b"next"]
    assert stream.committed() == {0: 2}


def _wait_until_forgotten(stream: Stream) -> None:
    """The broker's own log of transactions says so: a record without a value under the id."""
    reader = TopicReader({"bootstrap.servers": stream.servers}, f"{stream.name}-log")
    reader.kafka.assign([TopicPartition(_TRANSACTIONS, number, 0) for number in reader.ranges(_TRANSACTIONS)])
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for message in reader.kafka.consume(100, 0.5):
            if stream.name.encode() in (message.key() or b"") and message.value() is None:
                reader.close()
                return
    pytest.fail("the broker did not forget the transactional id within 60 s")
