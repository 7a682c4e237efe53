"""Pure: settings as librdkafka properties. Each value that is not the library's default has its reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from worker.kafka.properties import record_limit_of, with_record_limits
from worker.settings import KafkaSettings


def client_config(kafka: KafkaSettings) -> dict[str, Any]:
    """What every client shares."""
    return {
        "bootstrap.servers": kafka.bootstrap_servers,
        "client.id": f"hangtag-{kafka.instance}",
        "logger": logging.getLogger("librdkafka"),  # else it writes to stderr, past the JSON lines
        **kafka.client,
    }


def consumer_config(kafka: KafkaSettings) -> dict[str, Any]:
    """The stream's consumer."""
    config = {
        **client_config(kafka),
        # A few seconds' work per partition is enough; the default of 100,000 hides lag and costs memory.
        "queued.min.messages": 2000,
        "queued.max.messages.kbytes": 16384,
        "fetch.queue.backoff.ms": 50,  # the default, 1 s, starves small queues
        **kafka.consumer,
        "group.id": kafka.group_id,
        "group.protocol": kafka.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "isolation.level": "read_committed",
        "enable.partition.eof": True,  # a replay ends there, and what lies there need not be records
        "auto.offset.reset": "error",  # a lost offset must stop the partition, not restart it somewhere
    }
    if kafka.group_protocol == "classic":
        config.setdefault("session.timeout.ms", 15_000)
        if kafka.static_membership:
            config["group.instance.id"] = kafka.instance
        config["partition.assignment.strategy"] = "cooperative-sticky"
    return config


def own_record_limit(kafka: KafkaSettings) -> int | None:
    """The largest record in bytes that the operator lets the producer send; None: not said."""
    return record_limit_of({**kafka.client, **kafka.producer})


def producer_config(kafka: KafkaSettings, limits: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The stream's producer. ``limits``: the largest record of each topic that it writes to, in bytes."""
    config = {
        **client_config(kafka),
        # With the defaults each small transaction waits 100 ms for the coordinator; with these, 5 to 9 ms.
        "retry.backoff.ms": 5,
        "retry.backoff.max.ms": 50,
        # All of a transaction's records are there when it begins: waiting for more only makes it longer.
        "linger.ms": 0 if kafka.delivery == "exactly_once" else 5,
        **kafka.producer,
        "partitioner": "murmur2_random",
        "enable.idempotence": True,
    }
    if kafka.delivery == "exactly_once":
        config["transactional.id"] = transactional_id(kafka)
        config["transaction.timeout.ms"] = int(kafka.transaction_timeout_seconds * 1000)
    return with_record_limits(config, limits) if limits else config


def transactional_id(kafka: KafkaSettings) -> str:
    """Stable across restarts, so that a restart ends its predecessor's open transaction at once."""
    return f"{kafka.group_id}-{kafka.instance}"
