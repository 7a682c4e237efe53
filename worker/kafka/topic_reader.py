"""Reads ranges of topics by hand.

Joins no group, and reads up to ends that are frozen at the start, so that what arrives meanwhile is not picked up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from worker.errors import FatalError

_SECONDS = 15.0
_SETTLING_SECONDS = 5.0
_SETTLING = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,  # it is, and has not heard of it yet
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets ``[first, end)`` of one partition."""

    first: int
    end: int


class TopicReader:
    """A consumer that reads ranges of topics by hand: no group is joined, nothing is committed by it.

    Reading waits for a broker that is away for as long as it is. Who reads on a thread that somebody waits for gives
    ``closing``, which ends it.
    """

    def __init__(self, config: Mapping[str, Any], group_id: str, closing: threading.Event | None = None) -> None:
        self._closing = closing or threading.Event()
        self._config = {
            **config,
            "group.id": group_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
        self.kafka = Consumer(self._config)

    def close(self) -> None:
        """Let go of the broker."""
        self.kafka.close()

    def exists(self, topic: str) -> bool:
        """Is there such a topic? Raises FatalError when nobody answers."""
        try:
            return topic in self.kafka.list_topics(timeout=_SECONDS).topics
        except KafkaException as error:
            raise FatalError(f"no broker answers: {error.args[0].str()}; check kafka.bootstrap_servers") from error

    def ranges(self, topic: str) -> dict[int, Range]:
        """What the topic holds now, by partition. Raises FatalError when it is not there or nobody answers.

        Brokers hear of a topic one after another: who was told that it is made may ask one that does not know it yet,
        or not that it leads it. So they are asked again for some seconds.
        """
        deadline = time.monotonic() + _SETTLING_SECONDS
        while True:
            try:
                return self._ranges(topic)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.code() not in _SETTLING or time.monotonic() > deadline:
                    raise FatalError(f"the topic {topic} cannot be read: {cause.str()}; {_remedy(cause)}") from error
            if self._closing.wait(0.2):
                raise FatalError(f"stopped while looking for the topic {topic}")

    def _ranges(self, topic: str) -> dict[int, Range]:
        found = self.kafka.list_topics(topic, timeout=_SECONDS).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        marks = {
            number: self.kafka.get_watermark_offsets(TopicPartition(topic, number), timeout=_SECONDS)
            for number in sorted(found.partitions)
        }
        return {number: Range(low, high) for number, (low, high) in marks.items()}

    def read(self, topic: str, ranges: Mapping[int, Range], *, leave: Container[int] = ()) -> Iterator[Message]:
        """Every record of these ranges, in offset order per partition. Raises FatalError when the broker refuses,
        and soon after ``closing`` was set.

        A partition that turns up in ``leave`` meanwhile is not read on.
        """
        left = {number: one.end for number, one in ranges.items() if one.end > one.first}
        self.kafka.assign([TopicPartition(topic, number, ranges[number].first) for number in left])
        while left:
            if self._closing.is_set():
                raise FatalError(f"stopped while reading the topic {topic}")
            for message in self.kafka.consume(500, 0.1):
                if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise FatalError(f"the topic {topic} cannot be read: {error.str()}")
                number, offset = message.partition() or 0, message.offset() or 0
                if number not in left:
                    continue
                if error is None and offset < left[number]:
                    yield message
                if error is not None or offset + 1 >= left[number] or number in leave:
                    del left[number]  # the end, or past it: offsets have holes
        self.kafka.unassign()

    def first_times(self, topic: str, ranges: Mapping[int, Range]) -> dict[int, int]:
        """Timestamp in ms of each range's first record that can be read; a range without one is left out."""
        found: dict[int, int] = {}
        for message in self._first_records(topic, ranges):
            kind, at = message.timestamp()
            if kind:
                found[message.partition() or 0] = at
        return found

    def last_times(self, topic: str, ranges: Mapping[int, Range]) -> dict[int, int]:
        """Timestamp in ms of each range's last record. Steps back from the end until one is met: offsets have holes."""
        found: dict[int, int] = {}
        left = {number: one for number, one in ranges.items() if one.end > one.first}
        step = 1
        while left:
            tails = {number: Range(max(one.first, one.end - step), one.end) for number, one in left.items()}
            for message in self.read(topic, tails):
                kind, at = message.timestamp()
                if kind:
                    found[message.partition() or 0] = at
            left = {
                number: one for number, one in left.items() if number not in found and tails[number].first > one.first
            }
            step *= 16
        return found

    def _first_records(self, topic: str, ranges: Mapping[int, Range]) -> Iterator[Message]:
        seen: set[int] = set()
        for message in self.read(topic, ranges, leave=seen):
            if (number := message.partition() or 0) not in seen:
                seen.add(number)
                yield message


def _remedy(cause: KafkaError) -> str:
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return "check kafka.*_topic; 'hangtag topics create' makes those that are missing"
    return "check kafka.bootstrap_servers, kafka.client"
