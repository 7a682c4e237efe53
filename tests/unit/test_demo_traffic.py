"""The embedded broker carries the demo's traffic, and the feeder never runs far ahead."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.unit.demo_events import TOPICS, as_bytes, dead_letter, results
from worker.demo.broker import LOG_LEVEL, NUM_PARTITIONS, PROMPT, EmbeddedBroker
from worker.demo.endings import Ending, OutputEvent
from worker.demo.samples import Sample
from worker.demo.traffic import DemoTraffic


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker()
    running.start()
    running.create_topics(dataclasses.astuple(TOPICS))
    yield running
    running.close()


def samples(num: int) -> list[Sample]:
    keys = [f"listing-{number}" for number in range(num)]
    return [Sample(k.encode(), json.dumps({"listing_id": k, "title": k}).encode(), (), "results", "") for k in keys]


class Answerer:
    """Stands where the worker stands: three events per listing in a transaction, a dead letter for each tenth,
    and every event of a listing twice in ``doubled`` runs.
    """

    def __init__(self, broker: EmbeddedBroker, is_doubled: bool = False) -> None:
        config = {"bootstrap.servers": broker.bootstrap_servers, "log_level": LOG_LEVEL}
        self.consumer = Consumer(config | {"group.id": "answerer", "auto.offset.reset": "earliest"} | PROMPT)
        self.producer = Producer(config | {"transactional.id": "answerer", "linger.ms": 0})
        self.is_doubled = is_doubled
        self.most_waiting = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.main)

    def main(self) -> None:
        self.consumer.assign([TopicPartition(TOPICS.input, n, 0) for n in range(NUM_PARTITIONS)])
        self.producer.init_transactions(10)
        number = 0
        while not self.stop.is_set():
            messages = self.consumer.consume(500, 0.05)
            self.most_waiting = max(self.most_waiting, len(messages))
            if messages:
                self.producer.begin_transaction()
                for message in messages:
                    self.answer(message, number)
                    number += 1
                self.producer.commit_transaction(10)
        self.consumer.close()

    def answer(self, message: Any, number: int) -> None:
        key = message.key().decode()
        events = [dead_letter(key, "http_error", "404", number)] if number % 10 == 0 else results({"listing_id": key})
        events = [number_of(event, key) for event in events]
        for event in events * (2 if self.is_doubled else 1):
            key_bytes, value, headers = as_bytes(event)
            self.producer.produce(event.topic, value, key_bytes, headers=headers)


def number_of(event: OutputEvent, key: str) -> OutputEvent:
    """The event with an id of its own listing."""
    if event.value is None:
        return event
    return dataclasses.replace(event, value=event.value | {"event_id": f"{event.topic}-{key}"})


async def run(traffic: DemoTraffic, answerer: Answerer) -> None:
    ended: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def end(error: Exception | None) -> None:
        loop.call_soon_threadsafe(ended.set_result, error)

    traffic.on_end = end
    answerer.thread.start()
    traffic.start()
    try:
        assert await asyncio.wait_for(ended, 30) is None
    finally:
        answerer.stop.set()
        await asyncio.to_thread(answerer.thread.join)
        await asyncio.to_thread(traffic.stop)


@pytest.mark.parametrize("is_doubled", [False, True])
async def test_every_listing_ends_once(broker: EmbeddedBroker, is_doubled: bool) -> None:
    """All listings that were fed end, with one ending each, also when each event comes twice."""
    seen: list[tuple[OutputEvent, Ending | None]] = []
    traffic = DemoTraffic(
        broker.bootstrap_servers, TOPICS, samples(150), lambda *found: seen.append(found), lambda _: None, window=20
    )
    answerer = Answerer(broker, is_doubled)
    await run(traffic, answerer)
    ends = [ending for _, ending in seen if ending is not None]
    assert len(ends) == len({ending.key for ending in ends}) == 150
    assert sum(ending.reason is not None for ending in ends) == 15
    assert len(seen) == 135 * 3 + 15
    assert traffic.endings.missing == []
    assert answerer.most_waiting <= 20


async def test_stopping_early_names_what_is_missing(broker: EmbeddedBroker) -> None:
    """When nothing answers, stopping ends the thread, and the listings that did not end are named."""
    ended = threading.Event()
    traffic = DemoTraffic(broker.bootstrap_servers, TOPICS, samples(3), lambda *_: None, lambda _: ended.set())
    traffic.start()
    await asyncio.to_thread(traffic.stop)
    assert ended.is_set()
    assert traffic.endings.missing == ["listing-0", "listing-1", "listing-2"]
