"""Listings into the embedded broker and events out of it, each with the time at which it came."""

from __future__ import annotations

import time
from collections.abc import Sequence

from confluent_kafka import Consumer, Producer

from schemas.topics import Topics
from worker.benching.goods import Goods
from worker.demo.broker import LOG_LEVEL
from worker.errors import FatalError

_STALL_SECONDS = 60.0
_POLL_SECONDS = 0.005
_WINDOW = 256  # listings under way at most: the embedded broker forgets what lies in it for long


class BenchStream:
    """Runs on the thread that calls it. Times are seconds on the monotonic clock."""

    def __init__(self, servers: str, topics: Topics) -> None:
        self._topics = topics
        self._producer = Producer({"bootstrap.servers": servers, "log_level": LOG_LEVEL, "linger.ms": 1})
        self._consumer = Consumer(
            {
                "bootstrap.servers": servers, "log_level": LOG_LEVEL, "group.id": "hangtag-bench-collector",
                "auto.offset.reset": "earliest", "isolation.level": "read_committed", "fetch.wait.max.ms": 5,
            }
        )  # fmt: skip
        self._consumer.subscribe([topics.attributes, topics.dead_letter])

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def drive(self, listings: Sequence[Goods], rate: float = 0.0) -> dict[str, tuple[float, float]]:
        """By key, when each was due and when its tags could be read. ``rate``: listings a second, 0: as fast as they
        are taken. Raises FatalError when one fails, or nothing comes for a minute.
        """
        began = moved = time.monotonic()
        due: dict[str, float] = {}
        came: dict[str, tuple[float, float]] = {}
        sent = 0
        while len(came) < len(listings):
            now = time.monotonic()
            while sent < len(listings) and self._may_send(now - began, sent, sent - len(came), rate):
                due[listings[sent].key] = began + sent / rate if rate else now
                self._send(listings[sent])
                sent += 1
            self._producer.poll(0)
            message = self._consumer.poll(_POLL_SECONDS)
            now = time.monotonic()
            if message is not None and not message.error() and (key := (message.key() or b"").decode()) in due:
                if message.topic() == self._topics.dead_letter:
                    raise FatalError(f"listing {key} became a dead letter; hangtag tag says why")
                came.setdefault(key, (due[key], now))
                moved = now
            if now - moved > _STALL_SECONDS:
                raise FatalError(
                    f"nothing came for {_STALL_SECONDS:g} s, {len(came)} of {len(listings)} listings are done"
                )
        return came

    def _may_send(self, seconds: float, sent: int, under_way: int, rate: float) -> bool:
        return seconds >= sent / rate if rate else under_way < _WINDOW

    def _send(self, one: Goods) -> None:
        self._producer.produce(self._topics.input, one.value, one.key)
