"""The topic in which plans lie: one record per replay, written once, and one that says that it is done.

The topic is compacted, which keeps the *last* record of a key, while of several plans of one name the *first* has to
count. So there must never be two. Whoever writes first takes a transactional id made of the name, which fences every
other writer of that name, then reads the topic to its end, and only then writes: between two that write at once, the
first commit makes the other fail or read it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from schemas.deadletter import rfc3339
from worker.errors import FatalError
from worker.item import OutputRecord
from worker.kafka.deliveries import Deliveries
from worker.kafka.topic_reader import TopicReader
from worker.kafka.transaction import FENCED
from worker.replays.plan import Plan

_SECONDS = 30.0
_ATTEMPTS = 5
_DONE = "#done"  # no name has a number sign


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything in the topic, by name."""

    plans: Mapping[str, Plan]
    done_at: Mapping[str, datetime]


class PlanStore:
    """Reads and writes plans. Synchronous: for commands."""

    def __init__(self, client: Mapping[str, Any], producer: Mapping[str, Any], topic: str) -> None:
        self._client = client
        self._producer_config = {key: value for key, value in producer.items() if not key.startswith("transaction")}
        self._topic = topic

    def read(self) -> Kept:
        """All plans, and when which was done. Raises FatalError when the topic cannot be read."""
        plans: dict[str, Plan] = {}
        done_at: dict[str, datetime] = {}
        reader = TopicReader(self._client, f"{self._topic}.reader")
        try:
            for message in reader.read(self._topic, reader.ranges(self._topic)):
                name = (message.key() or b"").decode(errors="replace")
                if message.value() is None:
                    continue
                if name.endswith(_DONE):
                    done_at[name.removesuffix(_DONE)] = _done_time(message.value() or b"")
                else:
                    plans.setdefault(name, Plan.from_bytes(message.value() or b""))
        finally:
            reader.close()
        return Kept(plans, done_at)

    def keep(self, plan: Plan) -> Plan:
        """Write it, unless there is one of this name: then that one. Raises FatalError when the broker refuses."""
        for _ in range(_ATTEMPTS):
            try:
                return self._keep(plan)
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.code() not in FENCED:
                    raise FatalError(f"the plan cannot be kept in {self._topic}: {cause.str()}") from error
        raise FatalError(f"others keep writing a plan named {plan.name!r}; run the same command again")

    def note_done(self, plan: Plan, at: datetime) -> None:
        """The group's offsets expire some day; this does not. Any number of processes may say it.

        Raises FatalError when the broker does not take it.
        """
        value = json.dumps({"done_at": rfc3339(at)}).encode()
        record = OutputRecord(self._topic, (plan.name + _DONE).encode(), value, ())
        undelivered = Deliveries(self._producer_config).deliver([record], _SECONDS)
        if undelivered is not None:
            raise FatalError(
                f"that the replay is done could not be written to {self._topic}: {undelivered.why}; run the same "
                "command again"
            )

    def _keep(self, plan: Plan) -> Plan:
        producer = Producer(
            {
                **self._producer_config,
                "transactional.id": f"{self._topic}.{plan.name}",
                "transaction.timeout.ms": 10_000,
            }
        )
        producer.init_transactions(_SECONDS)
        if (earlier := self.read().plans.get(plan.name)) is not None:
            return earlier
        producer.begin_transaction()
        producer.produce(self._topic, plan.to_bytes(), plan.name.encode())
        producer.commit_transaction(_SECONDS)
        return plan


def _done_time(value: bytes) -> datetime:
    try:
        return datetime.fromisoformat(json.loads(value)["done_at"])
    except (ValueError, KeyError, TypeError) as error:
        raise FatalError(f"a record in the replay topic cannot be read: {error}; was it written by hangtag?") from error
