"""Feeds the samples and collects what comes out: the demo's own clients, on one thread."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.topics import Topics
from worker.demo.broker import LOG_LEVEL, NUM_PARTITIONS, PROMPT
from worker.demo.endings import Ending, Endings, OutputEvent, read_output
from worker.demo.samples import Sample
from worker.errors import FatalError

POLL_SECONDS = 0.1
DELIVERY_SECONDS = 10.0

COLLECTOR = {"group.id": "hangtag-demo-collector", "auto.offset.reset": "earliest", **PROMPT}

OnEvent = Callable[[OutputEvent, Ending | None], None]


@dataclass(slots=True)
class DemoTraffic:
    """Runs on its own thread from ``start`` to the last ending or ``stop``.

    At most ``window`` listings are under way, because the embedded broker drops what lies in it for long.
    ``on_event`` is called on this thread, once per output, with its listing's ending if that was it.
    """

    bootstrap_servers: str
    topics: Topics
    samples: Sequence[Sample]
    on_event: OnEvent
    on_end: Callable[[Exception | None], None]
    window: int = 64
    endings: Endings = field(init=False)
    _stop: threading.Event = field(init=False, default_factory=threading.Event)
    _thread: threading.Thread | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.endings = Endings(frozenset(sample.key.decode() for sample in self.samples), self.topics)

    def start(self) -> None:
        """Start feeding and collecting."""
        self._thread = threading.Thread(target=self._main, name="demo-traffic", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End early, and wait for the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=DELIVERY_SECONDS)

    def _main(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.on_end(error)
        else:
            self.on_end(None)

    def _run(self) -> None:
        producer = Producer(self._config({"partitioner": "murmur2_random", "linger.ms": 5}))
        collector = Consumer(self._config(COLLECTOR))
        collector.assign([TopicPartition(name, n, 0) for name in self._outputs() for n in range(NUM_PARTITIONS)])
        waiting = deque(self.samples)
        num_fed = 0
        try:
            while not self.endings.is_complete and not self._stop.is_set():
                num_fed += self._feed(producer, waiting, self.window - (num_fed - len(self.endings.ended)))
                self._collect(collector)
        finally:
            collector.close()
            producer.purge()

    def _feed(self, producer: Any, waiting: deque[Sample], room: int) -> int:
        num_fed = min(room, len(waiting))
        for _ in range(num_fed):
            sample = waiting.popleft()
            producer.produce(self.topics.input, sample.value, sample.key, headers=list(sample.headers))
        if num_fed > 0 and producer.flush(DELIVERY_SECONDS):
            raise FatalError(f"the embedded broker took no listing within {DELIVERY_SECONDS} s; run the demo again")
        return max(num_fed, 0)

    def _collect(self, collector: Any) -> None:
        for message in collector.consume(200, POLL_SECONDS):
            if message.error():
                raise FatalError(f"reading the outputs failed: {message.error()}; run the demo again")
            event = read_output(message.topic(), message.key(), message.value(), message.headers() or ())
            is_new, ending = self.endings.add(event)
            if is_new:
                self.on_event(event, ending)

    def _outputs(self) -> tuple[str, ...]:
        return (self.topics.attributes, self.topics.scenes, self.topics.texts, self.topics.dead_letter)

    def _config(self, more: dict[str, Any]) -> dict[str, Any]:
        return {"bootstrap.servers": self.bootstrap_servers, "log_level": LOG_LEVEL} | more
