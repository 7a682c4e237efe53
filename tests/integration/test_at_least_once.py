"""Publishing at least once, on real brokers: that are away, that refuse, that answer late."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from tests.audit import read_records
from tests.fault_proxy import FaultProxy
from tests.integration.stream import Stream
from tests.servers.base import Server
from tests.servers.kafka import OwnKafka
from worker.consume import Consumer
from worker.errors import FatalError
from worker.item import OutputRecord, Record
from worker.kafka.transaction import Commit, CommitOutcome
from worker.partitions.assignment import Assigned, ConsumePolicy
from worker.publish import PlainPublisher

NOWHERE = "127.0.0.1:1"
MANY = 100  # of 100 kB: far more than the client has on the wire at a time
MAX_TRIES = 100

pytestmark = [pytest.mark.kafka]

CommitOffsets = Callable[[Sequence[TopicPartition]], Future[None]]


def taken(_: Sequence[TopicPartition]) -> Future[None]:
    """The group takes whatever offsets."""
    answer: Future[None] = Future()
    answer.set_result(None)
    return answer


def refused(_: Sequence[TopicPartition]) -> Future[None]:
    """The group's coordinator is on the move."""
    answer: Future[None] = Future()
    answer.set_exception(KafkaException(KafkaError(KafkaError.NOT_COORDINATOR)))
    return answer


def unanswered(_: Sequence[TopicPartition]) -> Future[None]:
    """The consumer's thread is busy."""
    return Future()


@asynccontextmanager
async def publishing(
    servers: str, commit: CommitOffsets = taken, *, seconds: float = 10.0, **properties: str | int
) -> AsyncIterator[PlainPublisher]:
    """A publisher that gives up after ``seconds``; ``properties`` of its client, _ for a dot."""
    config: dict[str, str | int | bool] = {"bootstrap.servers": servers, "enable.idempotence": True, "log_level": 0}
    config |= {name.replace("_", "."): value for name, value in properties.items()}
    publisher = PlainPublisher(config, commit, seconds)
    await publisher.start()
    try:
        yield publisher
    finally:
        await publisher.close()


@asynccontextmanager
async def cut_off(kafka: OwnKafka) -> AsyncIterator[tuple[FaultProxy, str]]:
    """The proxy before this broker, and where clients reach it."""
    proxy = FaultProxy("127.0.0.1", kafka.proxied_port)
    proxy.port = kafka.proxy_port
    async with proxy:
        yield proxy, f"127.0.0.1:{proxy.port}"


def made(servers: str, num_partitions: int = 1) -> Stream:
    """Topics of this test's own."""
    stream = Stream(servers, num_partitions)
    stream.create()
    return stream


@pytest.fixture
def stream(kafka: Server) -> Stream:
    """Topics of this test's own, on a broker that all share."""
    return made(kafka.address, 2)


def commit(stream: Stream, name: str, count: int = 1, *, num_bytes: int = 0) -> Commit:
    """So many records of this name, each its own, and an offset of the input."""
    topic = stream.topics.attributes
    outputs = [OutputRecord(topic, b"key", f"{name}-{n} ".encode().ljust(num_bytes), ()) for n in range(count)]
    return Commit(outputs, [TopicPartition(stream.topics.input, 0, count)])


def visible(stream: Stream) -> Counter[str]:
    """How often each record is there."""
    values = [message.value() or b"" for message in read_records(stream.servers, stream.topics)]
    return Counter(value.split()[0].decode() for value in values)


async def tries_until_fine(publisher: PlainPublisher, commit: Commit) -> int:
    """As the committer does: again and again."""
    for number in range(1, MAX_TRIES + 1):
        if await publisher.send(commit) is CommitOutcome.FINE:
            return number
    raise AssertionError("nothing but aborts")


async def test_a_broker_that_is_away_costs_one_copy_of_what_waits() -> None:
    """However often it is tried: the client's queue has room for one copy, and is never full."""
    outputs = [OutputRecord("events", b"key", b"value", ()) for _ in range(600)]
    async with publishing(NOWHERE, seconds=0.2, queue_buffering_max_messages=600) as publisher:
        for _ in range(3):
            assert await publisher.send(Commit(outputs, [])) is CommitOutcome.ABORTED


async def test_more_than_the_queue_holds_is_no_end_of_the_worker() -> None:
    """It stays full for as long as the broker is away; that is said, and tried again."""
    outputs = [OutputRecord("events", b"key", b"value", ()) for _ in range(600)]
    async with publishing(NOWHERE, seconds=0.2, queue_buffering_max_messages=100) as publisher:
        for _ in range(2):
            assert await publisher.send(Commit(outputs, [])) is CommitOutcome.ABORTED


async def test_what_a_silent_broker_was_sent_comes_once(proxied_kafka: OwnKafka) -> None:
    """Requests on the wire are waited for, records in the queue are taken back: nothing is missing, nothing doubled."""
    stream = made(proxied_kafka.address)
    async with cut_off(proxied_kafka) as (proxy, servers), publishing(servers, seconds=0.5) as publisher:
        await tries_until_fine(publisher, commit(stream, "first"))
        proxy.swallow()
        many = commit(stream, "many", MANY, num_bytes=100_000)
        for _ in range(3):
            assert await publisher.send(many) is CommitOutcome.ABORTED
        proxy.flow()
        await tries_until_fine(publisher, many)
    assert visible(stream) == {"first-0": 1, **{f"many-{number}": 1 for number in range(MANY)}}


async def test_what_is_given_up_meanwhile_is_not_sent_later(proxied_kafka: OwnKafka) -> None:
    """Its partition's next owner publishes it: only what was on the wire already can still come."""
    stream = made(proxied_kafka.address)
    async with cut_off(proxied_kafka) as (proxy, servers), publishing(servers, seconds=0.5) as publisher:
        await tries_until_fine(publisher, commit(stream, "first"))
        proxy.swallow()
        given_up = commit(stream, "old", MANY, num_bytes=100_000)
        assert await publisher.send(given_up) is CommitOutcome.ABORTED
        proxy.flow()
        await tries_until_fine(publisher, commit(stream, "next"))
    found = visible(stream)
    assert found["next-0"] == 1
    assert set(found.values()) == {1}
    assert len(found) < MANY


@pytest.mark.parametrize("failing", [refused, unanswered])
async def test_offsets_that_are_not_committed_are_tried_again_alone(stream: Stream, failing: CommitOffsets) -> None:
    """Nothing counts as committed before the group has it; what was delivered is not produced again."""
    answers = iter([failing, failing, taken])
    async with publishing(stream.servers, lambda offsets: next(answers)(offsets), seconds=2.0) as publisher:
        assert await tries_until_fine(publisher, commit(stream, "one")) >= 3
    assert visible(stream) == {"one-0": 1}


class Assignments:
    """Hears what a consumer tells, and waits for its partitions."""

    def __init__(self) -> None:
        self.came = threading.Event()

    def on_records(self, records: Sequence[Record]) -> None:
        """See `Listener`."""

    def on_assigned(self, assigned: Sequence[Assigned]) -> None:
        """See `Listener`."""
        self.came.set()

    def on_end(self, partition: int, epoch: int) -> None:
        """See `Listener`."""

    def on_caught_up(self, partition: int, epoch: int, position: int) -> None:
        """See `Listener`."""

    def on_revoked(self, partitions: Sequence[int], *, is_lost: bool) -> Future[None]:
        """See `Listener`."""
        return taken(())

    def on_failed(self, error: FatalError) -> None:
        """See `Listener`."""
        raise error


@pytest.fixture
def consumer(stream: Stream) -> Iterator[Consumer]:
    """The group's only member, which has its partitions."""
    config = {"bootstrap.servers": stream.servers, "group.id": stream.name, "enable.auto.commit": False}
    config |= {"partition.assignment.strategy": "cooperative-sticky"}
    listener = Assignments()
    made = Consumer(config, ConsumePolicy(stream.topics.input), listener)
    made.start()
    assert listener.came.wait(60)
    yield made
    made.stop()
    assert made.join(30)


async def test_offsets_that_are_committed_in_part_are_not_committed(stream: Stream, consumer: Consumer) -> None:
    """The broker takes one partition's and refuses the other's, whose metadata is too large."""
    one, places = commit(stream, "one"), [TopicPartition(stream.topics.input, number, 5) for number in (0, 1)]
    too_large = TopicPartition(stream.topics.input, 1, 5, metadata="x" * 5_000)
    async with publishing(stream.servers, consumer.commit) as publisher:
        assert await publisher.send(Commit(one.outputs, [places[0], too_large])) is CommitOutcome.ABORTED
        assert await publisher.send(Commit(one.outputs, places)) is CommitOutcome.FINE
    assert stream.committed() == {0: 5, 1: 5}
    assert visible(stream) == {"one-0": 1}
