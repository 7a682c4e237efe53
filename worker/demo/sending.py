"""Sample listings to a broker that somebody else runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from typing import Any

from confluent_kafka import Producer

from worker.demo.samples import Sample
from worker.errors import FatalError
from worker.kafka.config import client_config
from worker.settings import KafkaSettings

_DELIVERY_SECONDS = 30


def send_samples(kafka: KafkaSettings, samples: Sequence[Sample]) -> int:
    """Produce them to the input topic, in order; how many the broker has taken. Raises FatalError if not all."""
    failed: list[str] = []

    def landed(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error.str())

    config = {**client_config(kafka), **kafka.producer, "partitioner": "murmur2_random", "enable.idempotence": True}
    producer = Producer({**config, "message.timeout.ms": _DELIVERY_SECONDS * 1000})
    for sample in samples:
        _produce(producer, kafka.input_topic, sample, landed)
    missing = producer.flush(_DELIVERY_SECONDS + 5) + len(failed)
    if missing:
        why = failed[0] if failed else f"no answer from {kafka.bootstrap_servers}"
        raise FatalError(
            f"{missing} of {len(samples)} sample listings were not taken: {why}; "
            "see 'hangtag doctor' and 'hangtag topics create'"
        )
    return len(samples)


def _produce(producer: Any, topic: str, sample: Sample, landed: Any) -> None:
    while True:
        try:
            producer.produce(topic, sample.value, sample.key, headers=list(sample.headers), on_delivery=landed)
        except BufferError:  # the local queue is full: let some go
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


async def until_signal() -> None:
    """Return on SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
