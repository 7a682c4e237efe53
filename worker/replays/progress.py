"""How far a replay is, whoever does the work: read off its group's committed offsets. Synchronous."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FuturesTimeoutError
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.deadletter import millis_of
from worker.errors import FatalError, RetryableError
from worker.kafka.topic_reader import Range, TopicReader
from worker.offsets import decode_map
from worker.replays.dead_letters import to_letter
from worker.replays.plan import Plan

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """One partition's stretch, and how much of it is committed; ``num_done`` counts offsets, holes included."""

    partition: int
    first: int
    end: int
    committed: int
    num_done: int

    @property
    def is_done(self) -> bool:
        """Has the group's position reached the end?"""
        return self.committed >= self.end


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """All partitions of a plan."""

    partitions: tuple[PartitionProgress, ...]

    @classmethod
    def done(cls, plan: Plan) -> ReplayProgress:
        """Of a plan that is known to be done."""
        ends = (
            PartitionProgress(one.partition, one.first, one.end, one.end, one.num_offsets) for one in plan.partitions
        )
        return cls(tuple(ends))

    @property
    def is_done(self) -> bool:
        """Is every partition at its end?"""
        return all(one.is_done for one in self.partitions)

    @property
    def num_done(self) -> int:
        """Offsets that need nothing more."""
        return sum(one.num_done for one in self.partitions)

    @property
    def num_offsets(self) -> int:
        """Offsets of the plan."""
        return sum(one.end - one.first for one in self.partitions)


@dataclass(slots=True)
class Report:
    """How a run of this process ended. ``exit_code`` 0: every partition of the plan is done, whoever did it."""

    exit_code: int
    progress: ReplayProgress
    counts: dict[str, Any] = field(default_factory=dict)  # of this process, as `worker.metrics` names them


@dataclass(frozen=True, slots=True)
class Standing:
    """One replay that is known. ``per_second``: offsets, measured over a moment; None: nobody works on it.
    ``dead_letters`` None: their topic is not there, as before a shadow run begins.
    """

    plan: Plan
    progress: ReplayProgress
    done_at: datetime | None
    per_second: float | None
    dead_letters: int | None

    @property
    def eta_seconds(self) -> float | None:
        """At this rate; None: unknown."""
        left = self.progress.num_offsets - self.progress.num_done
        return left / self.per_second if self.per_second else None


class ProgressReader:
    """Asks the broker where the group of a plan stands."""

    def __init__(self, client: Mapping[str, Any]) -> None:
        self._client = client
        self._admin = AdminClient({**client, "log_level": 0})

    def look(self, plan: Plan) -> ReplayProgress:
        """What is committed; of an open transaction nothing. Raises RetryableError while the broker does not say."""
        wanted = [TopicPartition(plan.topic, one.partition) for one in plan.partitions]
        # Stable offsets only, and a replay at work would hardly ever be told: one of its transactions is always open.
        asked: Mapping[str, Future[Any]] = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(plan.group_id, wanted)], require_stable=False, request_timeout=_SECONDS
        )
        try:
            found = asked[plan.group_id].result(_SECONDS + 1).topic_partitions
        except (KafkaException, FuturesTimeoutError) as error:
            raise RetryableError(f"the offsets of {plan.group_id} cannot be read: {error}") from error
        return progress_of(plan, found)

    def dead_letters(self, plan: Plan, topic: str) -> Counter[str] | None:
        """How many of its records became dead letters, by reason: read from the topic, since the plan was made. None:
        there is no such topic.
        """
        reader = TopicReader(self._client, f"{plan.group_id}.reader")
        try:
            if not reader.exists(topic):
                return None
            there = reader.ranges(topic)
            since = [TopicPartition(topic, number, millis_of(plan.created_at)) for number in there]
            starts = {
                place.partition: place.offset for place in reader.kafka.offsets_for_times(since, timeout=_SECONDS)
            }
            ranges = {number: Range(starts[number], one.end) for number, one in there.items() if starts[number] >= 0}
            letters = [to_letter(message).told for message in reader.read(topic, ranges)]
        except KafkaException as error:
            raise FatalError(f"the dead letters in {topic} cannot be counted: {error.args[0].str()}") from error
        finally:
            reader.close()
        return Counter(told.reason.value for told in letters if told is not None and told.group == plan.group_id)


def progress_of(plan: Plan, found: Sequence[TopicPartition]) -> ReplayProgress:
    """What the group has committed, as progress. Raises RetryableError where the broker did not say for some
    partition.
    """
    for place in found:
        if place.error is not None:
            raise RetryableError(
                f"the offset of {plan.group_id} in partition {place.partition} cannot be read: {place.error.str()}"
            )
    places = {place.partition: place for place in found}
    return ReplayProgress(tuple(_partition(one.partition, one.first, one.end, places) for one in plan.partitions))


def _partition(number: int, first: int, end: int, places: Mapping[int, TopicPartition]) -> PartitionProgress:
    place = places.get(number)
    if place is None or place.offset < 0:
        return PartitionProgress(number, first, end, first, 0)
    beyond = len(decode_map(place.metadata, place.offset).finished)
    return PartitionProgress(number, first, end, place.offset, max(0, min(place.offset, end) - first) + beyond)
