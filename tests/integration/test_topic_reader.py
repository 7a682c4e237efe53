"""Reading a topic that was made a moment ago: brokers do not hear of it all at once."""

from __future__ import annotations

import threading

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.base import Server
from worker.errors import FatalError
from worker.kafka.topic_reader import Range, TopicReader

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


class MakesIt(threading.Event):
    """Makes the topic at the first wait: when the reader was told that there is none."""

    def __init__(self, servers: str, topic: str) -> None:
        super().__init__()
        self._admin = AdminClient({"bootstrap.servers": servers})
        self._topic = topic
        self.waits = 0

    def wait(self, timeout: float | None = None) -> bool:
        """As an event's, which nobody sets."""
        if self.waits == 0:
            self._admin.create_topics([NewTopic(self._topic, 2)])[self._topic].result(30)
        self.waits += 1
        return super().wait(timeout)


def test_a_topic_that_the_broker_does_not_know_yet_is_asked_for_again(kafka: Server) -> None:
    """A plan is kept right after its topic was made, and must not fail because a broker is late."""
    closing = MakesIt(kafka.address, "t-known-late")
    reader = TopicReader({"bootstrap.servers": kafka.address}, "look", closing)
    try:
        assert reader.ranges("t-known-late") == {0: Range(0, 0), 1: Range(0, 0)}
    finally:
        reader.close()
    assert closing.waits


def test_a_topic_that_nobody_makes_is_named_with_the_remedy(kafka: Server) -> None:
    """Asking again ends; who misspelled a name is told."""
    reader = TopicReader({"bootstrap.servers": kafka.address}, "look")
    try:
        with pytest.raises(FatalError, match=r"t-never-made cannot be read: .*'hangtag topics create'"):
            reader.ranges("t-never-made")
    finally:
        reader.close()


def test_asking_again_ends_when_the_reader_is_closed(kafka: Server) -> None:
    """SIGTERM waits for nobody's patience."""
    closing = threading.Event()
    closing.set()
    reader = TopicReader({"bootstrap.servers": kafka.address}, "look", closing)
    try:
        with pytest.raises(FatalError, match="stopped while looking for the topic t-never-made"):
            reader.ranges("t-never-made")
    finally:
        reader.close()
