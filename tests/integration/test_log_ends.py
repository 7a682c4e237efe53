"""What lies at a log's end and is no record: it is passed, so that nothing waits for it and nobody misses it."""

from __future__ import annotations

import queue

import pytest
from confluent_kafka import Producer

from tests.integration.stream import Stream
from tests.integration.test_at_least_once import Assignments
from tests.servers.base import Server
from worker.consume import Consumer
from worker.kafka.config import consumer_config
from worker.partitions.assignment import ConsumePolicy
from worker.settings import KafkaSettings

pytestmark = [pytest.mark.kafka]

NUM_RECORDS = 3


class Ends(Assignments):
    """Hears where partitions end."""

    def __init__(self) -> None:
        super().__init__()
        self.positions: queue.SimpleQueue[int] = queue.SimpleQueue()

    def on_caught_up(self, partition: int, epoch: int, position: int) -> None:
        """Noted."""
        self.positions.put(position)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_markers_and_aborted_records_are_passed(kafka: Server, protocol: str) -> None:
    """The position lies behind them all: a redrive, like any producer that uses transactions, leaves such ends."""
    stream = Stream(kafka.address, num_partitions=1)
    stream.create()
    producer = Producer({"bootstrap.servers": stream.servers, "transactional.id": f"shop-{stream.name}"})
    producer.init_transactions(30)
    for is_meant in (True, False):
        producer.begin_transaction()
        for number in range(NUM_RECORDS):
            producer.produce(stream.topics.input, b"{}", str(number).encode())
        assert producer.flush(30) == 0
        (producer.commit_transaction if is_meant else producer.abort_transaction)(30)
    told = {"bootstrap_servers": stream.servers, "group_id": stream.name, "group_protocol": protocol}
    config, heard = consumer_config(KafkaSettings.model_validate(told)), Ends()
    consumer = Consumer(config, ConsumePolicy(stream.topics.input), heard)
    consumer.start()
    try:
        while heard.positions.get(timeout=60) < 2 * (NUM_RECORDS + 1):
            continue
    finally:
        consumer.stop()
        assert consumer.join(30)
