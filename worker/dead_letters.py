"""Reading dead letters: what is in the topic, and which of them an operator means.

Reads without joining a group and up to ends that are frozen at the start, so that letters which arrive meanwhile are
not picked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.deadletter import DeadLetterHeaders, Reason, Stage
from worker.errors import FatalError
from worker.item import Headers

_SECONDS = 15.0
_HOST = re.compile(r"https?://([^/\s#?]+)")


@dataclass(frozen=True, slots=True)
class Range:
    """Offsets ``[first, end)`` of one partition."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic. ``told`` is None for a record that hangtag did not write."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    told: DeadLetterHeaders | None

    @property
    def host(self) -> str | None:
        """The image host that the message names, if any."""
        found = _HOST.search(self.told.message) if self.told else None
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; empty or None: any."""

    reasons: frozenset[Reason] = frozenset()
    stages: frozenset[Stage] = frozenset()
    host: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Is this letter meant? One that hangtag did not write only if nothing is asked for."""
        told = letter.told
        if told is None:
            return self == Filter()
        return (
            (not self.reasons or told.reason in self.reasons)
            and (not self.stages or told.stage in self.stages)
            and (self.host is None or letter.host == self.host)
            and (self.since is None or told.failed_at >= self.since)
            and (self.until is None or told.failed_at < self.until)
        )


class TopicReader:
    """A consumer that reads ranges of topics by hand: no group is joined, nothing is committed by it."""

    def __init__(self, config: Mapping[str, Any], group_id: str) -> None:
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

    def ranges(self, topic: str) -> dict[int, Range]:
        """What the topic holds now, by partition. Raises FatalError when it is not there or nobody answers."""
        try:
            found = self.kafka.list_topics(topic, timeout=_SECONDS).topics[topic]
            if found.error is not None:
                raise FatalError(f"the topic {topic} cannot be read: {found.error.str()}")
            marks = {
                number: self.kafka.get_watermark_offsets(TopicPartition(topic, number), timeout=_SECONDS)
                for number in sorted(found.partitions)
            }
        except KafkaException as error:
            raise FatalError(
                f"the topic {topic} cannot be read: {error.args[0].str()}; check kafka.bootstrap_servers, kafka.client"
            ) from error
        return {number: Range(low, high) for number, (low, high) in marks.items()}

    def read(self, topic: str, ranges: Mapping[int, Range]) -> Iterator[Message]:
        """Every record of these ranges, in offset order per partition. Raises FatalError when the broker refuses."""
        left = {number: one.end for number, one in ranges.items() if one.end > one.first}
        self.kafka.assign([TopicPartition(topic, number, ranges[number].first) for number in left])
        while left:
            for message in self.kafka.consume(500, 1.0):
                if (error := message.error()) is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise FatalError(f"the topic {topic} cannot be read: {error.str()}")
                number, offset = message.partition() or 0, message.offset() or 0
                if number not in left:
                    continue
                if error is None and offset < left[number]:
                    yield message
                if error is not None or offset + 1 >= left[number]:
                    del left[number]  # the end, or past it: offsets have holes
        self.kafka.unassign()


def to_letter(message: Message) -> DeadLetter:
    """A record of the dead-letter topic, with its headers understood."""
    pairs: Any = message.headers() or ()
    headers: Headers = tuple((name, value) for name, value in pairs)
    try:
        told = DeadLetterHeaders.from_headers(headers)
    except ValueError:
        told = None
    return DeadLetter(message.partition() or 0, message.offset() or 0, message.key(), message.value(), headers, told)
