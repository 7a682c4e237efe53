"""A broker as it is after hours, not after a start: its virtual machine compiles what runs often, which takes minutes.

Measured on 2 cores: the same transactions take 56 to 69 ms from a broker just started and 20 once it is warm, and what
they cost the cores that it shares with the worker falls as much. A broker in service is warm.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from confluent_kafka import Consumer, Producer, TopicPartition

from tests.integration.stream import Stream
from worker.kafka.config import producer_config
from worker.settings import KafkaSettings

_ROUND = 100  # transactions
_MAX_ROUNDS = 40
_ENOUGH = 0.97  # a round that takes more than this of the best before it: warm, if the next one does as well
_NUM_PARTITIONS = 8
_JOIN_SECONDS = 60.0
_VALUE = b"v" * 1500


def warm_up(servers: str, say: Callable[[str], None]) -> None:
    """Transactions like the worker's, until they get no faster."""
    stream = Stream(servers, _NUM_PARTITIONS)
    stream.create()
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{stream.name}-warm"})
    consumer.subscribe([stream.topics.input])
    due = time.monotonic() + _JOIN_SECONDS
    while not consumer.assignment():
        consumer.poll(0.1)
        if time.monotonic() > due:
            raise RuntimeError(f"the broker gave no partitions within {_JOIN_SECONDS:g} s")
    producer = Producer(producer_config(KafkaSettings(bootstrap_servers=servers, group_id=stream.name)))
    producer.init_transactions(30)
    took: list[float] = []
    while len(took) < _MAX_ROUNDS and not _is_warm(took):
        took.append(statistics.median(_transact(stream, producer, consumer) for _ in range(_ROUND)))
    consumer.close()
    say(f"broker: a transaction took {1000 * took[0]:.0f} ms, takes {1000 * took[-1]:.0f} after {len(took) * _ROUND:,}")


def _is_warm(took: list[float]) -> bool:
    return len(took) > 3 and min(took[-2:]) > _ENOUGH * min(took[:-2])


def _transact(stream: Stream, producer: Producer, consumer: Consumer) -> float:
    """Seconds of one."""
    began = time.perf_counter()
    consumer.poll(0)  # stays in its group
    producer.begin_transaction()
    topics = stream.topics
    for number in range(_NUM_PARTITIONS):
        for topic in (topics.attributes, topics.scenes, topics.texts):
            producer.produce(topic, _VALUE, partition=number)
    places = [TopicPartition(topics.input, number, 0) for number in range(_NUM_PARTITIONS)]
    producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), 30)
    producer.commit_transaction(30)
    return time.perf_counter() - began
