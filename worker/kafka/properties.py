"""Pure: librdkafka properties that an operator adds, as far as their names and kinds tell whether they may stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_BATCH_BYTES = 1_000_000  # the client's default
_MAX_RECORD_BYTES = 1_000_000_000  # above that the client takes no limit, while a topic's may be anything

OWNED_PROPERTIES = {
    "bootstrap.servers": "kafka.bootstrap_servers",
    "group.id": "kafka.group_id",
    "group.protocol": "kafka.group_protocol",
    "transactional.id": "kafka.instance",
    "group.instance.id": "kafka.static_membership",
    "transaction.timeout.ms": "kafka.transaction_timeout_seconds",
    "auto.offset.reset": "kafka.start_at",
    "enable.auto.commit": "kafka.delivery",
    "enable.auto.offset.store": "kafka.delivery",
    "enable.idempotence": "kafka.delivery",
    "isolation.level": "kafka.delivery",
    "partition.assignment.strategy": "kafka.group_protocol",
    "partitioner": "nothing: events are partitioned as the contract says",
    "metadata.broker.list": "kafka.bootstrap_servers",
    "acks": "kafka.delivery",
    "request.required.acks": "kafka.delivery",
    "auto.commit.enable": "kafka.delivery",
    "auto.commit.interval.ms": "kafka.delivery",
    "enable.partition.eof": "nothing: it would look like a record",
    "enable.gapless.guarantee": "kafka.delivery",
}


def record_limit_of(producer: Mapping[str, Any]) -> int | None:
    """The largest record in bytes that a producer with these properties sends; None: they do not say."""
    found = str(producer.get("message.max.bytes"))
    return int(found) if found.isdecimal() else None


def with_record_limits(producer: Mapping[str, Any], limits: Mapping[str, int]) -> dict[str, Any]:
    """The properties of a producer that writes to these topics; ``limits``: the largest record of each, in bytes.

    The client's own limit is one for all topics, and less than Kafka's unless it is told. A batch may not be larger
    than its topic takes either, though each of its records is small; one record alone is a batch whatever its size.
    """
    size = min(int(producer.get("batch.size", _BATCH_BYTES)), *limits.values())
    most = min(_MAX_RECORD_BYTES, max(limits.values()))
    return {"message.max.bytes": most, **producer, "batch.size": size}


def check_properties(properties: Any) -> None:
    """Raise ValueError for a property that belongs to hangtag or is no plain value. It quotes names, never values."""
    if not isinstance(properties, Mapping):
        raise ValueError('librdkafka properties are an object, such as {"security.protocol": "SSL"}')
    for name, value in properties.items():
        if name in OWNED_PROPERTIES:
            raise ValueError(f"{name} belongs to hangtag; set {OWNED_PROPERTIES[name]} instead")
        if not isinstance(value, str | int | float | bool):
            remedy = "; a name with dots stands in quotes" if isinstance(value, Mapping) else ""
            raise ValueError(f"{name} is {_kind(value)}; a property is text, a number, true or false{remedy}")


def _kind(value: object) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), f"a {type(value).__name__}")
