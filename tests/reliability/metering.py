"""Live listings sent at given moments, and when their results came out: latencies as the world sees them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.audit import Sent
from tests.integration.stream import Stream


@dataclass(slots=True)
class Meter:
    """Reads attribute events as they are committed: of each key when it first came, and how many of which topic when.

    Times are of ``time.monotonic``. A thread of its own, so that a busy loop delays no reading.
    """

    servers: str
    topics: Sequence[str]
    first_seen: dict[bytes, float] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """From what comes now on."""
        config = {"bootstrap.servers": self.servers, "group.id": "meter", "enable.auto.commit": False}
        reader = Consumer({**config, "isolation.level": "read_committed", "fetch.wait.max.ms": 20})
        known = reader.list_topics(timeout=20).topics
        places = [TopicPartition(name, number) for name in self.topics for number in known[name].partitions]
        for place in places:
            place.offset = reader.get_watermark_offsets(place, timeout=20)[1]
        reader.assign(places)
        self._thread = threading.Thread(target=self._read, args=(reader,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def count(self, topic: str, began: float, ended: float) -> int:
        """Events of a topic that came between two moments."""
        return sum(began <= at < ended for at in self.times.get(topic, ()))

    def _read(self, reader: Consumer) -> None:
        while not self._stopping.is_set():
            for message in reader.consume(200, 0.02):
                now = time.monotonic()
                if message.error() is None:
                    self.first_seen.setdefault(message.key() or b"", now)
                    self.times.setdefault(message.topic() or "", []).append(now)
        reader.close()


@dataclass(slots=True)
class LiveTraffic:
    """Sends listings one by one, each at its moment, and remembers when."""

    stream: Stream
    sent_at: dict[bytes, float] = field(default_factory=dict)

    async def send(self, arrivals: Sequence[float], values: Sequence[tuple[str, bytes]]) -> None:
        """``arrivals``: seconds from now, ascending, one per key and value."""
        producer = Producer({"bootstrap.servers": self.stream.servers, "partitioner": "murmur2_random", "linger.ms": 0})

        def landed(error: Any, message: Any) -> None:
            assert error is None, error
            self.stream.sent.append(Sent(message.key(), message.partition(), message.offset()))

        began = time.monotonic()
        for arrival, (key, value) in zip(arrivals, values, strict=True):
            await asyncio.sleep(max(0.0, began + arrival - time.monotonic()))
            self.sent_at[key.encode()] = time.monotonic()
            producer.produce(self.stream.topics.input, value, key.encode(), on_delivery=landed)
            producer.poll(0)
        assert await asyncio.to_thread(producer.flush, 30) == 0

    def latencies(self, meter: Meter) -> list[float]:
        """Seconds from sending to the first result, ascending; whose result has not come is left out."""
        seen = meter.first_seen
        return sorted(seen[key] - at for key, at in self.sent_at.items() if key in seen)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that ``share`` of them do not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
