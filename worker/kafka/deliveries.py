"""Records on their way to the broker without a transaction: each is in the client's queue once at most.

What has waited there in vain is taken back, so a dead broker costs no memory. What was sent may still arrive, so it is
waited for again and not sent again. Only where nobody can say, as after a connection that broke, may it come twice.
Owner: the producer's thread.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Producer as KafkaProducer

from worker.item import OutputRecord
from worker.kafka.transaction import produce

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 0.5  # what is not asked for any more may take longer, and is nothing to wait for


@dataclass(frozen=True, slots=True)
class Undelivered:
    """What a broker did not take."""

    num_records: int
    why: str


class Deliveries:
    """A plain producer that may be asked for the same records again, and does what is missing then."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._kafka: KafkaProducer | None = None
        # By identity, for two records that are alike are two; an object that is held keeps its identity.
        self._asked: dict[int, OutputRecord] = {}
        self._delivered: dict[int, OutputRecord] = {}  # of those asked for
        self._on_way: dict[int, OutputRecord] = {}  # the client has not answered; some may not be asked for any more
        self._reasons: set[str] = set()

    def open(self) -> KafkaProducer:
        """The client, made if there is none. Raises KafkaException when its properties are wrong."""
        if self._kafka is None:
            self._kafka = KafkaProducer(self._config)
        return self._kafka

    def deliver(self, outputs: Sequence[OutputRecord], wait_seconds: float) -> Undelivered | None:
        """None: all of these are delivered. Else ask for the same objects again, or for what is still wanted of them.

        Each is an object of its own. Raises OversizedError.
        """
        deadline = time.monotonic() + wait_seconds
        self._asked = {id(output): output for output in outputs}
        self._delivered = {key: output for key, output in self._delivered.items() if key in self._asked}
        self._reasons.clear()
        try:
            kafka = self.open()
            self._hand_over(kafka, deadline)
        except KafkaException as error:
            self._after_failure(error.args[0])
        self._wait(deadline, wait_seconds)
        num_missing = len(self._asked) - len(self._delivered)
        return Undelivered(num_missing, "; ".join(sorted(self._reasons))) if num_missing else None

    def forget(self) -> None:
        """What was asked for last will not be asked for again."""
        self._asked, self._delivered = {}, {}

    def close(self) -> None:
        """The client ends with its last reference: here, not at some later moment."""
        self._kafka = None
        self._on_way.clear()

    def _hand_over(self, kafka: KafkaProducer, deadline: float) -> None:
        kafka.poll(0)  # answers that came meanwhile
        for key, output in self._asked.items():
            if key not in self._delivered and key not in self._on_way:
                produce(kafka, output, deadline, partial(self._answer, key))
                self._on_way[key] = output

    def _answer(self, key: int, error: KafkaError | None, _: object) -> None:
        output = self._on_way.pop(key, None)
        if output is None or key not in self._asked:
            return  # of a client that was replaced, or of what nobody asks for any more
        if error is None:
            self._delivered[key] = output
        elif error.code() != KafkaError._PURGE_QUEUE:
            self._reasons.add(error.str())

    def _wait(self, deadline: float, wait_seconds: float) -> None:
        """For the answers; when time is over, take back what was not sent yet."""
        while self._kafka is not None and not self._on_way.keys().isdisjoint(self._asked):
            left = deadline - time.monotonic()
            if left > 0:
                self._kafka.flush(min(left, _FLUSH_SECONDS))
                continue
            self._reasons.add(f"no answer from the broker within {wait_seconds:g} s")
            self._kafka.purge(in_queue=True, in_flight=False)
            self._kafka.poll(0)
            return

    def _after_failure(self, cause: KafkaError) -> None:
        self._reasons.add(cause.str())
        if cause.fatal() or cause.code() == KafkaError._FATAL:
            log.warning("producer.replaced", error=cause.str(), effect="what was on its way may come twice")
            self.close()
