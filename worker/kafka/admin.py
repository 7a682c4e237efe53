"""What an operator does to Kafka: topics, and where the group stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import Consumer, ConsumerGroupState, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.deadletter import asked_millis_of
from worker.errors import FatalError, UsageError
from worker.kafka.broker_check import settings_in_force
from worker.kafka.config import client_config
from worker.kafka.topic_state import FoundTopic, PlannedTopic, Shortfall, compare
from worker.offsets import decode_map
from worker.settings import KafkaSettings

_SECONDS = 15.0
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """One partition of the input topic. ``committed`` None: nothing is committed yet."""

    partition: int
    committed: int | None
    log_start: int
    log_end: int
    lag: int
    finished_beyond: int


def planned_topics(kafka: KafkaSettings, partitions: int, replication_factor: int) -> list[PlannedTopic]:
    """The six topics. Sizes leave room for 8 pictures' texts; dead letters stay long enough to be worked on."""
    topics = kafka.topics
    usual = {"max.message.bytes": str(1 << 20), "cleanup.policy": "delete"}

    def topic(name: str, count: int, days: int, **config: str) -> PlannedTopic:
        return PlannedTopic(name, count, replication_factor, {"retention.ms": str(days * _DAY_MS), **usual, **config})

    return [
        topic(topics.input, partitions, 7),
        topic(topics.attributes, partitions, 7),
        topic(topics.scenes, partitions, 7),
        topic(topics.texts, partitions, 7),
        # A dead letter adds headers to a record that may be as large as the input allows.
        topic(topics.dead_letter, partitions, 30, **{"max.message.bytes": str((1 << 20) + (64 << 10))}),
        PlannedTopic(kafka.replay_topic, 1, replication_factor, {"cleanup.policy": "compact"}),
    ]


def parse_partitions(text: str) -> list[int] | None:
    """``"0,3"`` as numbers; empty means all. Raises FatalError."""
    if not text:
        return None
    try:
        return list(dict.fromkeys(int(one) for one in text.split(",")))
    except ValueError:
        raise UsageError(f"--partitions {text!r}: give numbers separated by commas, such as 0,3") from None


class Admin:
    """Asks and changes the broker. Every failure is a FatalError in an operator's words."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._client = AdminClient({**client_config(kafka), "log_level": 0})

    def apply(self, plan: Sequence[PlannedTopic], *, is_dry: bool) -> list[dict[str, Any]]:
        """Create what is missing; one row per topic saying what was found or done. What is there stays as it is."""
        there = self.compare(plan)
        return [_row(topic, there.get(topic.name), self._kafka, self._made(topic, there, is_dry)) for topic in plan]

    def compare(self, plan: Sequence[PlannedTopic]) -> dict[str, Shortfall]:
        """Of those topics of the plan that are there, by name, how they differ from it."""
        there = self._metadata().topics
        named = [topic for topic in plan if topic.name in there]
        configs, _ = settings_in_force(self._client, [topic.name for topic in named], _SECONDS)
        return {
            topic.name: compare(topic, FoundTopic(len(there[topic.name].partitions), configs.get(topic.name)))
            for topic in named
        }

    def has_input(self) -> bool:
        """Is the input topic there?"""
        return self._kafka.input_topic in self._metadata().topics

    def num_partitions(self) -> int:
        """Of the input topic."""
        return len(self._partitions())

    def offsets(self) -> list[PartitionLag]:
        """Where the group stands on every partition of the input topic."""
        consumer = self._consumer()
        try:
            wanted = [TopicPartition(self._kafka.input_topic, number) for number in self._partitions()]
            return [self._place(consumer, found) for found in consumer.committed(wanted, timeout=_SECONDS)]
        except KafkaException as error:
            raise FatalError(f"the group's offsets cannot be read: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def reset(self, to: str, partitions: Sequence[int] | None, *, is_dry: bool) -> list[PartitionLag]:
        """Commit new offsets. Raises FatalError while the group has members, or for a place that is not in the log."""
        self._refuse_if_active()
        there = list(self._partitions())
        if unknown := [number for number in partitions or () if number not in there]:
            told = ", ".join(map(str, unknown))
            raise FatalError(f"--partitions: the topic has partitions {min(there)} to {max(there)}, not {told}")
        consumer = self._consumer()
        try:
            targets = self._targets(consumer, to, there if partitions is None else partitions)
            if not is_dry:
                consumer.commit(offsets=targets, asynchronous=False)
            return [self._place(consumer, target) for target in targets]
        except KafkaException as error:
            raise FatalError(f"the offsets cannot be moved: {error.args[0].str()}") from error
        finally:
            consumer.close()

    def _targets(self, consumer: Consumer, to: str, partitions: Sequence[int]) -> list[TopicPartition]:
        targets = []
        for number in partitions:
            place = TopicPartition(self._kafka.input_topic, number)
            low, high = consumer.get_watermark_offsets(place, timeout=_SECONDS)
            offset = self._resolve(consumer, to, number, low, high)
            if not low <= offset <= high:
                raise FatalError(
                    f"offset {offset} of partition {number} is not in the log, which holds {low} to {high}"
                )
            targets.append(TopicPartition(self._kafka.input_topic, number, offset))
        return targets

    def _resolve(self, consumer: Consumer, to: str, number: int, low: int, high: int) -> int:
        if to in ("earliest", "latest"):
            return low if to == "earliest" else high
        if to.isascii() and to.isdigit():
            return int(to)
        try:
            moment = datetime.fromisoformat(to)
        except ValueError:
            raise UsageError(
                f"--to {to!r}: give earliest, latest, an offset, or a time such as 2026-01-31T12:00:00Z"
            ) from None
        if moment.tzinfo is None:
            raise UsageError(f"--to {to!r}: the time has no zone; write 2026-01-31T12:00:00Z")
        wanted = TopicPartition(self._kafka.input_topic, number, asked_millis_of(moment))
        found = consumer.offsets_for_times([wanted], timeout=_SECONDS)[0].offset
        return int(found) if found >= 0 else high

    def _place(self, consumer: Consumer, found: TopicPartition) -> PartitionLag:
        low, high = consumer.get_watermark_offsets(found, timeout=_SECONDS)
        committed = found.offset if found.offset >= 0 else None
        beyond = len(decode_map(found.metadata, found.offset).finished) if committed is not None else 0
        lag = high - (committed if committed is not None else low) - beyond
        return PartitionLag(found.partition, committed, low, high, max(0, lag), beyond)

    def _consumer(self) -> Consumer:
        return Consumer({**client_config(self._kafka), "group.id": self._kafka.group_id, "enable.auto.commit": False})

    def _metadata(self) -> Any:
        try:
            return self._client.list_topics(timeout=_SECONDS)
        except KafkaException as error:
            servers = self._kafka.bootstrap_servers
            raise FatalError(
                f"no broker answers at {servers}: {error.args[0].str()}; check kafka.bootstrap_servers"
            ) from error

    def _partitions(self) -> list[int]:
        topic = self._metadata().topics.get(self._kafka.input_topic)
        if topic is None:
            raise FatalError(f"the topic {self._kafka.input_topic} does not exist; 'hangtag topics create' makes it")
        return sorted(topic.partitions)

    def _refuse_if_active(self) -> None:
        group = self._kafka.group_id
        try:
            listed: Future[Any] = self._client.list_consumer_groups(request_timeout=_SECONDS)
            states = {one.group_id: one.state for one in listed.result().valid}
        except KafkaException as error:
            raise FatalError(f"the broker's groups cannot be listed: {error.args[0].str()}") from error
        if states.get(group, ConsumerGroupState.EMPTY) not in (ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD):
            raise FatalError(f"the group {group} has running workers; stop them, then reset its offsets")

    def _made(self, topic: PlannedTopic, there: Mapping[str, Shortfall], is_dry: bool) -> str:
        if topic.name in there:
            return "differs" if there[topic.name].short else "exists"
        return "missing" if is_dry else self._create(topic)

    def _create(self, topic: PlannedTopic) -> str:
        made = self._client.create_topics(
            [NewTopic(topic.name, topic.partitions, topic.replication_factor, config=topic.config)]
        )[topic.name]
        try:
            made.result(_SECONDS)
        except KafkaException as error:
            if error.args[0].name() == "TOPIC_ALREADY_EXISTS":
                return "exists"
            raise FatalError(f"the topic {topic.name} cannot be created: {error.args[0].str()}") from error
        return "created"


def _row(topic: PlannedTopic, there: Shortfall | None, kafka: KafkaSettings, state: str) -> dict[str, Any]:
    """``settings`` are the plan's, ``found`` those in force: None where there are none or the broker does not tell."""
    return {
        "topic": topic.name,
        "state": state,
        "partitions": there.found.partitions if there else topic.partitions,
        "settings": topic.settings,
        "found": there.found_settings if there else None,
        "remedy": there.remedy(kafka.bootstrap_servers) if there else "",
    }
