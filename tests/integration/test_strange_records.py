"""Single records of a stranger's on a real broker: each ends in three events or one dead letter, and work goes on.

The client's own behaviour is what these are about: what it makes of headers, and which sizes it and the broker take.
"""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import astuple

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.deadletter import DeadLetterHeaders
from tests.audit import read_records
from tests.header_names import send_with_bad_name
from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host
from tests.servers.base import Server
from tests.servers.record_limits import limit_records
from worker.deadletter import HEADERS_OMITTED
from worker.item import OutputRecord
from worker.kafka.broker_check import record_limits
from worker.kafka.message_headers import read_headers
from worker.kafka.transaction import Commit, OversizedError, PublishPolicy
from worker.publish import PlainPublisher, Publisher, TransactionalPublisher

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(480)]

GOOD = json.dumps({"listing_id": "good", "title": "oak table 120 x 60 cm"}).encode()


def limit(stream: Stream, **num_bytes: int) -> None:
    """Set the largest record of these of the stream's topics."""
    limit_records(stream.servers, {getattr(stream.topics, kind): most for kind, most in num_bytes.items()})


@pytest.fixture
def stream(kafka: Server) -> Stream:
    """Topics of this test's own, with one partition each."""
    made = Stream(kafka.address, num_partitions=1)
    made.create()
    return made


async def work(stream: Stream, count: int) -> None:
    """Run a worker until it has committed so many records; fails when it ends before."""
    async with image_host() as host, Fleet(stream, host) as fleet:
        await fleet.start("one")
        assert await fleet.until(count, 200), fleet.dying_words()
        assert await fleet.stop() == [0]


def letters(stream: Stream) -> list[OutputRecord]:
    """The dead letters so far."""
    found = []
    for message in read_records(stream.servers, stream.topics):
        if message.topic() == stream.topics.dead_letter:
            headers = read_headers(message)
            found.append(OutputRecord(stream.topics.dead_letter, message.key(), message.value(), headers or ()))
    return found


async def test_strange_headers_and_sizes_end_as_they_must(stream: Stream) -> None:
    """A name that is no UTF-8, one of a megabyte in a script of three bytes a letter, a time before the first year, a
    dead letter larger than librdkafka's usual limit: one worker takes them all, and the good one behind them.
    """
    limit(stream, input=4 << 20, attributes=1 << 20, scenes=1 << 20, texts=1 << 20, dead_letter=(1 << 20) + (64 << 10))
    large = b"{" + b"x" * 1_040_000
    send_with_bad_name(stream.servers, stream.topics.input, b"name", GOOD)
    early = [
        ("hangtag.redrive.topic", stream.topics.input), ("hangtag.redrive.partition", "0"),
        ("hangtag.redrive.offset", "0"), ("hangtag.redrive.timestamp", "0001-01-01T00:00:00+14:00"),
    ]  # fmt: skip
    stream.send([("wide", b"nope", [("€" * 345_000, b"v")]), ("early", GOOD, early), ("large", large), ("good", GOOD)])
    await work(stream, 5)
    outputs = list(read_records(stream.servers, stream.topics))
    assert len(outputs) == 3 + 2 * 3
    found = {letter.key: letter for letter in letters(stream)}
    assert found.keys() == {b"name", b"wide", b"large"}
    assert found[b"name"].value == GOOD
    assert HEADERS_OMITTED in dict(found[b"name"].headers)
    told = DeadLetterHeaders.from_headers(found[b"name"].headers)
    assert (told.reason.value, told.source.offset) == ("schema_violation", 0)
    assert found[b"wide"].headers[0] == ("€" * 345_000, b"v"), "it fits into this topic as it is"
    assert found[b"large"].value == large, "a dead letter keeps the original's bytes where its topic takes them"


async def test_each_topic_has_a_limit_of_its_own(stream: Stream) -> None:
    """A dead-letter topic that takes next to nothing costs good listings nothing; its letters come in as many parts as
    they need, since a batch may not be larger than its topic takes either.
    """
    limit(stream, dead_letter=2_000)
    stream.send([(f"bad-{number}", b"nope" * 300) for number in range(40)] + [("good", GOOD)])
    await work(stream, 41)
    found = [message.topic() for message in read_records(stream.servers, stream.topics)]
    assert found.count(stream.topics.dead_letter) == 40
    assert len(found) == 43
    assert all(letter.num_bytes <= 2_000 for letter in letters(stream))


def test_the_least_of_three_limits_holds(stream: Stream) -> None:
    """The topic's, what kafka.max_record_bytes asks for, and the producer's own."""
    limit(stream, attributes=300_000, dead_letter=1_500_000)
    config, names = {"bootstrap.servers": stream.servers}, astuple(stream.topics)
    topics = stream.topics
    told = record_limits(config, names)
    assert (told[topics.attributes], told[topics.dead_letter]) == (300_000, 1_500_000)
    asked = record_limits(config, names, 1_200_000)
    assert (asked[topics.attributes], asked[topics.dead_letter]) == (300_000, 1_200_000)
    assert record_limits(config, names, 1_200_000, 200_000) == dict.fromkeys(names, 200_000)


async def test_a_record_too_large_for_the_client_stops_the_worker(stream: Stream) -> None:
    """Aborted and tried again it would be refused again, for ever: both publishers say so instead."""
    reader = Consumer({"bootstrap.servers": stream.servers, "group.id": stream.name})
    config = {"bootstrap.servers": stream.servers}
    output = OutputRecord(stream.topics.attributes, b"key", b"x" * 1_100_000, ())
    commit = Commit([output], [TopicPartition(stream.topics.input, 0, 1)])
    policy = PublishPolicy(stream.name, transaction_seconds=10.0)
    exactly = TransactionalPublisher(
        {**config, "transactional.id": stream.name}, policy, reader.consumer_group_metadata
    )
    plain = PlainPublisher(config, lambda offsets: Future(), 10.0)
    publishers: tuple[Publisher, ...] = (exactly, plain)
    for publisher in publishers:
        await publisher.start()
        with pytest.raises(OversizedError, match="1,100,083 bytes"):
            await publisher.send(commit)
        await publisher.close()
    reader.close()
