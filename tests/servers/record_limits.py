"""How large a record a topic of a real broker takes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)


def limit_records(servers: str, num_bytes: Mapping[str, int]) -> None:
    """Set ``max.message.bytes`` by topic, and wait until the broker knows: the controller knows first."""
    admin = AdminClient({"bootstrap.servers": servers})
    resources = []
    for topic, most in num_bytes.items():
        entry = ConfigEntry("max.message.bytes", str(most), incremental_operation=AlterConfigOpType.SET)
        resources.append(ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry]))
    for outcome in admin.incremental_alter_configs(resources).values():
        outcome.result(20)
    until = time.monotonic() + 60
    while (told := _limits(admin, num_bytes)) != num_bytes:
        assert time.monotonic() < until, f"the broker says {told}, not {num_bytes}"


def _limits(admin: AdminClient, topics: Iterable[str]) -> dict[str, int]:
    """What the broker says of topics."""
    answers = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in topics])
    return {one.name: int(answer.result(20)["max.message.bytes"].value) for one, answer in answers.items()}
