"""The consumer's thread while brokers come and go: no partition is stranded, and readiness comes back."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from confluent_kafka import OFFSET_INVALID, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as KafkaConsumer
from structlog.testing import capture_logs

from worker.consume import Consumer
from worker.errors import FatalError
from worker.item import Record
from worker.partitions.assignment import Assigned, ConsumePolicy
from worker.partitions.connection import Connection


@dataclass
class Client:
    """A Kafka client of two partitions, committed at 10. ``away``: partitions whose leader does not answer."""

    away: set[int] = field(default_factory=set)
    at: int = 10
    log: tuple[int, int] = (0, 100)
    paused: list[int] = field(default_factory=list)
    commits: list[list[tuple[int, int]]] = field(default_factory=list)
    seeks: list[tuple[int, int]] = field(default_factory=list)
    questions: int = 0

    def committed(self, wanted: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        """The group's commits."""
        return [TopicPartition(one.topic, one.partition, self.at) for one in wanted]

    def get_watermark_offsets(self, place: TopicPartition, timeout: float = 0, cached: bool = False) -> tuple[int, int]:
        """The log's ends."""
        self.questions += 1
        if place.partition in self.away:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return self.log

    def pause(self, places: Sequence[TopicPartition]) -> None:
        """Noted."""
        self.paused += [place.partition for place in places]

    def seek(self, place: TopicPartition) -> None:
        """Noted."""
        self.seeks.append((place.partition, place.offset))

    def consumer_group_metadata(self) -> object:
        """Opaque."""
        return object()

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        """Nothing to do."""

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        """Nothing to do."""

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        """Noted."""
        self.commits.append([(one.partition, one.offset) for one in offsets])

    def poll(self, timeout: float) -> None:
        """No record."""


@dataclass
class Heard:
    """What the consumer's thread says."""

    assigned: list[list[tuple[int, int, int]]] = field(default_factory=list)

    def on_records(self, records: Sequence[Record]) -> None:
        """None come here."""

    def on_assigned(self, assigned: Sequence[Assigned]) -> None:
        """Noted: partition, epoch, offset."""
        self.assigned.append([(one.partition, one.epoch, one.offset) for one in assigned])

    def on_end(self, partition: int, epoch: int) -> None:
        """No end here."""

    def on_caught_up(self, partition: int, epoch: int, position: int) -> None:
        """See `Listener`."""

    def on_revoked(self, partitions: Sequence[int], *, is_lost: bool) -> Future[None]:
        """Nothing to drain."""
        done: Future[None] = Future()
        done.set_result(None)
        return done

    def on_failed(self, error: FatalError) -> None:
        """Not here."""
        raise error


def assigned_consumer(client: Client | None = None, start_at: str = "earliest") -> tuple[Consumer, Client, Heard]:
    """A consumer that holds both partitions."""
    client, heard = client or Client(), Heard()
    consumer = Consumer({}, ConsumePolicy("in", start_at), heard)
    consumer._kafka = cast(KafkaConsumer, client)
    consumer._on_assign(cast(KafkaConsumer, client), [TopicPartition("in", 0), TopicPartition("in", 1)])
    return consumer, client, heard


def test_a_rewind_that_one_broker_does_not_answer_is_done_again_for_all() -> None:
    """Else the partitions that were looked up first would be sought by nobody, and their records dropped for ever."""
    consumer, client, heard = assigned_consumer()
    consumer.rewind()
    client.away = {1}
    consumer._turn()
    assert heard.assigned == [[(0, 1, 10), (1, 1, 10)]], "nothing is told while one of them is unknown"
    client.away = set()
    consumer._turn()
    assert heard.assigned[1:] == [[(0, 2, 10), (1, 2, 10)]]
    assert client.seeks == [(0, 10), (1, 10)]
    assert all(held.is_read for held in consumer._held.values())


def test_a_rewind_to_what_is_no_longer_in_the_log_stops_the_partition_loudly() -> None:
    """Retention overtook what is committed, and the outcome was unknown: somebody must choose, as at an assignment."""
    consumer, client, _ = assigned_consumer()
    client.log = (20, 100)
    consumer.rewind()
    with capture_logs() as logs:
        consumer._turn()
    assert client.paused == [0, 1]
    assert [one["event"] for one in logs] == ["consumer.partition_stopped"] * 2
    assert not client.seeks


def test_a_rewind_before_the_first_commit_goes_back_to_where_it_began() -> None:
    """With ``start_at: latest`` the log's end has moved on: what came meanwhile would be read by nobody."""
    consumer, client, heard = assigned_consumer(Client(at=OFFSET_INVALID), "latest")
    client.log = (0, 150)
    consumer.rewind()
    consumer._turn()
    assert heard.assigned == [[(0, 1, 100), (1, 1, 100)], [(0, 2, 100), (1, 2, 100)]]
    assert client.seeks == [(0, 100), (1, 100)]


def test_a_late_commit_leaves_a_partition_alone_that_went_meanwhile() -> None:
    """A broker takes it from any member of the group: what its next owner has committed would be set back."""
    consumer, client, _ = assigned_consumer()
    places = [TopicPartition("in", 0, 12), TopicPartition("in", 1, 12)]
    consumer._on_lost(cast(KafkaConsumer, client), places[1:])
    answers = [consumer.commit(places), consumer.commit(places[1:])]
    consumer._turn()
    assert [answer.result(0) for answer in answers] == [None, None]
    assert client.commits == [[(0, 12)]]


def test_readiness_comes_back_when_a_broker_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short outage brings no new assignment, and an idle topic no record: the broker is asked."""
    consumer, client, _ = assigned_consumer()
    clock = [0.0]
    monkeypatch.setattr(consumer, "_connection", Connection(lambda: clock[0]))
    consumer._connection.works()
    client.away = {0, 1}
    consumer._on_client_error(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    before = client.questions
    for clock[0] in (1.0, 3.0, 3.5, 6.0):
        consumer._turn()
    assert not consumer.is_connected
    assert client.questions == before + 2, "not at every turn, for each question may wait"
    client.away, clock[0] = set(), 9.0
    consumer._turn()
    assert consumer.is_connected
    clock[0] = 99.0
    consumer._turn()
    assert client.questions == before + 3, "nor when all is well"


def test_an_outage_is_said_once_in_a_while() -> None:
    """The client says it twenty times a second; each reason is said by itself."""
    now = 0.0
    connection = Connection(lambda: now)
    said: list[Any] = []
    for now in (0.0, 0.1, 20.0, 31.0):
        said += [(now, code) for code in (1, 2) if connection.is_news(code)]
    assert said == [(0.0, 1), (0.0, 2), (31.0, 1), (31.0, 2)]
