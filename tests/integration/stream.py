"""A stream for one test: topics of its own, listings with pictures from a local host, workers as real processes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.topics import Topics
from tests.audit import Report, Sent, audit
from tests.program import PROGRAM
from worker.demo.imagehost import ImageHost
from worker.demo.samples import load_pictures

Headers = Sequence[tuple[str, str | bytes | None]]
_EVENT = re.compile(r'"event": "([a-z._]+)"')
_NO_COORDINATOR_YET = (
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)  # fmt: skip
_TITLES = ("red leather boots, UK 7", "oak table 120 x 60 cm", "navy cotton sheet", "gold ring 18k", "black phone case")


@dataclass(slots=True)
class Stream:
    """Topics with a name of their own on a given broker."""

    servers: str
    num_partitions: int = 6
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    sent: list[Sent] = field(default_factory=list)

    @property
    def topics(self) -> Topics:
        """This stream's topics."""
        return Topics(*(f"t-{self.name}-{kind}" for kind in ("created", "attributes", "scenes", "texts", "dlq")))

    def create(self) -> None:
        """Create all topics."""
        admin = AdminClient({"bootstrap.servers": self.servers})
        made = admin.create_topics([NewTopic(name, self.num_partitions, 1) for name in astuple(self.topics)])
        for outcome in made.values():
            outcome.result(20)

    def send(self, records: Sequence[tuple[str, bytes | None] | tuple[str, bytes | None, Headers]]) -> None:
        """Produce input records (key, value, and headers if any), in order, and remember where they landed.

        Compressed, as the broker's limit is one on batches as sent: so a value beyond our own limit gets through.
        """
        config = {"linger.ms": 20, "compression.type": "gzip", "message.max.bytes": 4 << 20}
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random", **config})

        def landed(error: Any, message: Any) -> None:
            assert error is None, error
            self.sent.append(Sent(message.key(), message.partition(), message.offset()))

        for key, value, *rest in records:
            headers = list(rest[0]) if rest else None
            while True:
                try:
                    producer.produce(self.topics.input, value, key.encode(), headers=headers, on_delivery=landed)
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        assert producer.flush(30) == 0

    def num_committed(self) -> int:
        """Records of the group's partitions before the committed offsets."""
        return sum(self.committed().values())

    def committed(self) -> dict[int, int]:
        """The group's committed offset by partition; 0 where nothing is."""
        reader = Consumer({"bootstrap.servers": self.servers, "group.id": self.name, "enable.auto.commit": False})
        try:
            wanted = [TopicPartition(self.topics.input, number) for number in range(self.num_partitions)]
            return {
                place.partition: max(0, place.offset) for place in _when_found(lambda: reader.committed(wanted, 20))
            }
        finally:
            reader.close()

    def judge(self) -> Report:
        """Audit what came out so far."""
        return audit(self.servers, self.topics, self.sent)

    def environment(self, host: ImageHost, instance: str, settings: Mapping[str, str]) -> dict[str, str]:
        """A worker's settings as environment variables."""
        names = self.topics
        own = {
            "KAFKA__BOOTSTRAP_SERVERS": self.servers,
            "KAFKA__GROUP_ID": self.name,
            "KAFKA__INSTANCE": instance,
            "KAFKA__INPUT_TOPIC": names.input,
            "KAFKA__ATTRIBUTES_TOPIC": names.attributes,
            "KAFKA__SCENES_TOPIC": names.scenes,
            "KAFKA__TEXTS_TOPIC": names.texts,
            "KAFKA__DEAD_LETTER_TOPIC": names.dead_letter,
            "FETCH__ALLOW_ENDPOINTS": json.dumps([host.endpoint]),
            "HTTP__PORT": "0",
            **settings,
        }
        return {**os.environ, **{f"HANGTAG_{key}": value for key, value in own.items()}}


def _when_found(ask: Callable[[], list[TopicPartition]]) -> list[TopicPartition]:
    """What a group's coordinator answers. A fresh broker has none for a moment: then it is asked again."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in _NO_COORDINATOR_YET or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


RUN = (*PROGRAM[1:], "run")


@dataclass(slots=True)
class WorkerProcess:
    """``hangtag run`` as an operator starts it. ``log`` collects its lines, ``events`` when each event first came."""

    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)
    events: dict[str, float] = field(default_factory=dict)
    _reading: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, environment: Mapping[str, str], command: Sequence[str] = RUN) -> WorkerProcess:
        """Start it; returns at once. ``command``: what Python is to run."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command,
            env=dict(environment), stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        worker = cls(process)
        worker._reading = asyncio.create_task(worker._read())
        return worker

    @property
    def is_running(self) -> bool:
        """It has not ended."""
        return self.process.returncode is None

    async def stop(self) -> int:
        """SIGTERM; its exit code once it has drained."""
        self.process.send_signal(signal.SIGTERM)
        return await self.ended(within_seconds=120)

    async def kill(self) -> None:
        """SIGKILL, if it still runs."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()

    async def until(self, event: str, within_seconds: float = 120.0) -> bool:
        """Has it logged this event? Waits for it; False when it ends first or takes too long."""
        deadline = time.monotonic() + within_seconds
        while event not in self.events:
            if time.monotonic() > deadline or not self.is_running:
                return False
            await asyncio.sleep(0.05)
        return True

    async def ended(self, within_seconds: float | None = None) -> int:
        """Wait for its end; its exit code, negative for a signal. Raises TimeoutError."""
        code = await asyncio.wait_for(self.process.wait(), within_seconds)
        if self._reading is not None:
            await self._reading
        return code

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode(errors="replace"))
            if found := _EVENT.search(self.log[-1]):
                self.events.setdefault(found[1], time.monotonic())


async def until(condition: Callable[[], bool], worker: WorkerProcess, seconds: float = 240) -> None:
    """Return when the condition holds; fail when the worker ends or time runs out, with its last words."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not await asyncio.to_thread(condition):
        ended = not worker.is_running
        if ended or loop.time() > deadline:
            await worker.kill()  # it must not outlive its test
            pytest.fail(f"{'ended' if ended else 'too slow'}: {''.join(worker.log[-15:])}")


def host_of_samples() -> ImageHost:
    """The demo's pictures on a local host."""
    return ImageHost(load_pictures())


def listings(count: int, base_url: str, *, broken_every: int = 25) -> list[tuple[str, bytes]]:
    """Listings with one or two real pictures, repeated titles and keys; every ``broken_every``-th is broken somehow."""
    names = sorted(load_pictures())
    broken = (
        b"{not json",
        b'{"listing_id": 5}',
        json.dumps({"listing_id": "gone", "image_urls": [f"{base_url}/pictures/no.jpg"]}).encode(),
    )
    made = []
    for number in range(count):
        key = f"listing-{number % max(1, count * 9 // 10)}"
        pictures = [
            f"{base_url}/pictures/{names[(number + shift) % len(names)]}" for shift in range(1 + (number % 7 == 0))
        ]
        value = json.dumps(
            {"listing_id": key, "title": _TITLES[number % len(_TITLES)], "image_urls": pictures}
        ).encode()
        made.append((key, broken[number % len(broken)] if number % broken_every == broken_every - 1 else value))
    return made
