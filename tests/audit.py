"""The auditor: given what went in and what came out under ``read_committed``, is every promise kept?"""

from __future__ import annotations

import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.topics import Topics
from worker.enrich import EVENT_ID_NAMESPACE

Source = tuple[int, int]  # partition, offset
_FIXED_HEADERS = {"ce_specversion": b"1.0", "content-type": b"application/json"}


@dataclass(frozen=True, slots=True)
class Sent:
    """One input record, and where it landed."""

    key: bytes
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Output:
    """One output record, and what input it says it comes from."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: dict[str, bytes]
    source: Source
    event_id: str | None
    listing_id: str | None = None  # as the body says
    right_id: str | None = None  # the event id computed anew from what the body says


@dataclass(slots=True)
class Report:
    """What is wrong; empty lists mean that nothing is."""

    missing: list[Source] = field(default_factory=list)
    doubled: list[Source] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    num_tagged: int = 0
    num_dead: int = 0
    reasons: Counter[str] = field(default_factory=Counter)  # of the dead letters

    @property
    def is_clean(self) -> bool:
        """Was every promise kept?"""
        return not (self.missing or self.doubled or self.wrong or self.out_of_order)


def judge(sent: Sequence[Sent], outputs: Sequence[Output], topics: Topics) -> Report:
    """Exactly three events or one dead letter per input; keys, headers, event ids and order per key right."""
    report = Report()
    by_source: dict[Source, list[Output]] = defaultdict(list)
    for output in outputs:
        by_source[output.source].append(output)
    for one in sent:
        _judge_record(one, by_source.pop((one.partition, one.offset), []), topics, report)
    report.wrong += [f"{source}: from no input" for source in by_source]
    _judge_ids(outputs, topics, report)
    _judge_order(outputs, report)
    return report


def _judge_record(one: Sent, outputs: Sequence[Output], topics: Topics, report: Report) -> None:
    source = (one.partition, one.offset)
    found = sorted(output.topic for output in outputs)
    if found == sorted((topics.attributes, topics.scenes, topics.texts)):
        report.num_tagged += 1
    elif found == [topics.dead_letter]:
        report.num_dead += 1
        report.reasons[outputs[0].headers.get("hangtag.dlq.reason", b"none").decode()] += 1
    elif len(found) > len(set(found)) or topics.dead_letter in found:
        report.doubled.append(source)
    else:
        report.missing.append(source)
    report.wrong += [f"{source}: key {output.key!r}" for output in outputs if output.key != one.key]


def _judge_ids(outputs: Sequence[Output], topics: Topics, report: Report) -> None:
    """Headers name the event that the body holds, and each record's events have ids of their own."""
    types = {getattr(topics, kind): f"listing.{kind}.v1".encode() for kind in ("attributes", "scenes", "texts")}
    owners: dict[str, tuple[str, Source]] = {}
    for output in outputs:
        if output.event_id is None:
            continue
        told = {"ce_id": output.event_id.encode(), "ce_type": types.get(output.topic), **_FIXED_HEADERS}
        report.wrong += [f"{output.source}: {name}" for name, text in told.items() if output.headers.get(name) != text]
        if output.right_id is not None and output.event_id != output.right_id:
            report.wrong.append(f"{output.source}: event id")
        if output.listing_id is not None and output.listing_id.encode() != output.key:
            report.wrong.append(f"{output.source}: listing_id")
        owner = (output.topic, output.source)
        if owners.setdefault(output.event_id, owner) != owner:
            report.wrong.append(f"{output.source}: event id of {owners[output.event_id]}")


def _judge_order(outputs: Sequence[Output], report: Report) -> None:
    last: dict[tuple[str, bytes | None, int], int] = {}
    for output in sorted(outputs, key=lambda one: (one.topic, one.partition, one.offset)):
        place = (output.topic, output.key, output.source[0])
        if output.source[1] < last.get(place, -1):
            report.out_of_order.append(f"{output.topic} {output.key!r}: {output.source[1]} after {last[place]}")
        last[place] = output.source[1]


def audit(bootstrap_servers: str, topics: Topics, sent: Sequence[Sent]) -> Report:
    """Read all outputs to the end and judge them."""
    return judge(sent, list(read_outputs(bootstrap_servers, topics)), topics)


def read_outputs(bootstrap_servers: str, topics: Topics) -> Iterable[Output]:
    """Every committed record on the output and dead-letter topics; see ``read_records``."""
    for message in read_records(bootstrap_servers, topics):
        yield _output(message, is_dead=message.topic() == topics.dead_letter)


def read_events(
    bootstrap_servers: str, topics: Topics
) -> Iterable[tuple[str, str, dict[str, bytes], dict[str, Any] | None]]:
    """Topic, key, headers and body of every output; no body for dead letters."""
    for message in read_records(bootstrap_servers, topics):
        body = None if message.topic() == topics.dead_letter else json.loads(message.value() or b"")
        yield message.topic() or "", (message.key() or b"").decode(), headers_of(message), body


def read_records(bootstrap_servers: str, topics: Topics) -> Iterable[Message]:
    """Every committed record on the output and dead-letter topics, from the first to the present end.

    Raises KafkaException when the broker refuses to be read: an audit that saw half of the outputs proves nothing.
    """
    config = {"bootstrap.servers": bootstrap_servers, "group.id": "audit", "enable.auto.commit": False}
    reader = Consumer(
        {**config, "isolation.level": "read_committed", "enable.partition.eof": True, "auto.offset.reset": "earliest"}
    )
    try:
        names = (topics.attributes, topics.scenes, topics.texts, topics.dead_letter)
        metadata = reader.list_topics(timeout=10).topics
        places = [TopicPartition(name, number, 0) for name in names for number in metadata[name].partitions]
        reader.assign(places)
        open_places = {(place.topic, place.partition) for place in places}
        while open_places:
            for message in reader.consume(500, 1.0):
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    open_places.discard((message.topic(), message.partition()))
                    continue
                yield message
    finally:
        reader.close()


def headers_of(message: Message) -> dict[str, bytes]:
    """A record's headers by name."""
    found: dict[str, Any] = dict(message.headers() or [])
    return {name: value or b"" for name, value in found.items()}


def place_of(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a record that was read."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    return topic, partition, offset


def _output(message: Message, *, is_dead: bool) -> Output:
    place, key, headers = place_of(message), message.key(), headers_of(message)
    if is_dead:
        source = (int(headers["__dlq.errors.partition"]), int(headers["__dlq.errors.offset"]))
        return Output(*place, key, headers, source, None)
    event = json.loads(message.value() or b"")
    source, listing_id = (event["source"]["partition"], event["source"]["offset"]), event["listing_id"]
    return Output(*place, key, headers, source, event["event_id"], listing_id, _right_id(headers, event))


def _right_id(headers: dict[str, bytes], event: dict[str, Any]) -> str:
    """The contract's UUIDv5 of event type, source record and model revision."""
    at = event["source"]
    parts = (
        headers["ce_type"].decode(),
        at["topic"],
        str(at["partition"]),
        str(at["offset"]),
        event["model"]["revision"],
    )
    return str(uuid.uuid5(EVENT_ID_NAMESPACE, "\n".join(parts)))
