"""librdkafka's own properties as settings: any of them, except those that hangtag's guarantees stand on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator

_OFFSETS = "hangtag commits offsets itself, in the transaction of the results"
_ALWAYS_COMMITTED = "hangtag always reads committed records only"

OWNED_PROPERTIES: Mapping[str, str] = {
    "bootstrap.servers": "set kafka.bootstrap_servers",
    "metadata.broker.list": "set kafka.bootstrap_servers",
    "group.id": "set kafka.group_id",
    "group.protocol": "set kafka.group_protocol",
    "transactional.id": "set kafka.instance; the id is <group_id>-<instance>",
    "transaction.timeout.ms": "set kafka.transaction_timeout_seconds",
    "auto.offset.reset": "set kafka.start_at",
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "auto.commit.interval.ms": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "isolation.level": _ALWAYS_COMMITTED,
    "partition.assignment.strategy": "always cooperative-sticky; for the broker's assignors set kafka.group_protocol",
    "enable.partition.eof": "hangtag has no use for it",
    "partitioner": "always murmur2_random, so that Java clients agree on partitions",
    "enable.idempotence": "set kafka.delivery",
    "enable.gapless.guarantee": "set kafka.delivery",
    "acks": "always all; see kafka.delivery",
    "request.required.acks": "always all; see kafka.delivery",
}


def _check(found: object) -> object:
    """Tables are joined by dots, so that ``security.protocol`` may go without quotes in TOML."""
    if not isinstance(found, Mapping):
        raise ValueError("must be a table, or a JSON object, of librdkafka properties")
    properties = _flat(found)
    for name, value in properties.items():
        if not isinstance(value, (str, int, float, bool)):
            raise ValueError(f"{name}: must be a string, a number or a boolean")
        if name in OWNED_PROPERTIES:
            raise ValueError(f"{name} belongs to hangtag: {OWNED_PROPERTIES[name]}")
    return properties


def _flat(found: Mapping[object, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in found.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


Properties = Annotated[Mapping[str, str | int | float | bool], BeforeValidator(_check)]
