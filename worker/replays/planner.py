"""Looks at a topic and freezes a plan for it: which offsets the operator's words come to. Synchronous: for commands."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import TimeoutError as FuturesTimeoutError
from datetime import datetime
from typing import Any

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # no __all__

from schemas.deadletter import asked_millis_of
from worker.errors import FatalError
from worker.kafka.topic_reader import Range, TopicReader
from worker.replays.bounds import Bound, Found, Log, choose_partitions, freeze, parse_bound
from worker.replays.plan import Plan, PlannedPartition, Request

_SECONDS = 15.0


class Planner:
    """Asks the broker; changes nothing."""

    def __init__(self, client: Mapping[str, Any], topic: str, live_group: str) -> None:
        self._client = client
        self._topic = topic
        self._live_group = live_group
        self._admin = AdminClient({**client, "log_level": 0})

    def plan(self, name: str, request: Request, partitions: list[int] | None, now: datetime) -> Plan:
        """Resolve the request once. Raises FatalError for places that are not, or no longer, in the topic."""
        request = request.completed()
        start = parse_bound(request.start or "", "--from", now)
        end = parse_bound(request.end or "", "--to", now)
        reader = TopicReader(self._client, f"{self._live_group}.replay")
        try:
            logs = self._logs(reader)
            chosen = choose_partitions(start, end, partitions, logs)
            logs = {number: logs[number] for number in chosen}
            ranges = freeze(start, end, logs, self._look_up(start, chosen), self._look_up(end, chosen))
            firsts = reader.first_times(self._topic, ranges)
            lasts = reader.last_times(self._topic, ranges)
        finally:
            reader.close()
        planned = tuple(
            PlannedPartition(number, one.first, one.end, logs[number].end, firsts.get(number), lasts.get(number))
            for number, one in ranges.items()
        )
        return Plan(name, self._topic, self._live_group, now, request, planned)

    def _logs(self, reader: TopicReader) -> dict[int, Log]:
        """What each partition holds. Its end is that of committed records: what is still open may be aborted."""
        numbers = sorted(reader.ranges(self._topic))
        firsts = self._offsets(OffsetSpec.earliest(), numbers)  # type: ignore[no-untyped-call]  # ships untyped
        ends = self._offsets(OffsetSpec.latest(), numbers)  # type: ignore[no-untyped-call]
        logs = {number: Range(firsts[number] or 0, ends[number] or 0) for number in numbers}
        times = reader.first_times(self._topic, logs)
        return {number: Log(one.first, one.end, times.get(number)) for number, one in logs.items()}

    def _look_up(self, bound: Bound, partitions: list[int]) -> Found:
        if bound.moment is None:
            return {}
        return self._offsets(OffsetSpec.for_timestamp(asked_millis_of(bound.moment)), partitions)

    def _offsets(self, spec: OffsetSpec, partitions: list[int]) -> dict[int, int | None]:
        asked = self._admin.list_offsets(
            {TopicPartition(self._topic, number): spec for number in partitions},
            isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=_SECONDS,
        )  # fmt: skip
        try:
            found = {place.partition: answer.result(_SECONDS).offset for place, answer in asked.items()}
        except (KafkaException, FuturesTimeoutError) as error:
            raise FatalError(f"the offsets of {self._topic} cannot be read: {error}; check kafka.client") from error
        return {number: None if offset < 0 else offset for number, offset in found.items()}
