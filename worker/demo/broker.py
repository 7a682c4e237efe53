"""The embedded broker: librdkafka's own mock cluster, inside this process.

It is a real TCP broker that real clients join, produce to and commit to, but it keeps nothing: it forgets the offsets
of transactions, shows aborted records, and drops old records beyond a few MB per partition. So nothing about delivery
is proved on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, Producer

from worker.errors import FatalError

NUM_PARTITIONS = 4  # what the mock gives a topic that is asked for; it cannot be told another number
LOG_LEVEL = 2  # syslog's "critical": the mock's own notices are of no use to a reader of the demo
PROMPT = {"fetch.wait.max.ms": 20}  # for consumers: the mock answers a waiting fetch only when its wait is over


@dataclass(slots=True)
class EmbeddedBroker:
    """Owns the mock cluster through a client of its own, which nothing else uses: the cluster ends when it does."""

    lookup_seconds: float = 10.0
    bootstrap_servers: str = ""
    _owner: Any = field(default=None, repr=False)

    def start(self) -> None:
        """Start the cluster and learn its address. Raises FatalError when it does not answer."""
        self._owner = Producer({"bootstrap.servers": "embedded", "test.mock.num.brokers": 1, "log_level": LOG_LEVEL})
        brokers = self._metadata(None).brokers.values()
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)

    def create_topics(self, names: Sequence[str]) -> None:
        """Create topics, each with ``NUM_PARTITIONS``: the mock creates what it is asked about."""
        for name in names:
            self._metadata(name)

    def close(self) -> None:
        """End the cluster. Clients must be closed before, or they complain."""
        self._owner = None

    def _metadata(self, topic: str | None) -> Any:
        try:
            return self._owner.list_topics(topic, timeout=self.lookup_seconds)
        except KafkaException as error:
            text = f"the embedded broker did not answer within {self.lookup_seconds} s: {error}; run the demo again"
            raise FatalError(text) from error
