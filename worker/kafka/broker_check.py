"""Is the broker there, and has it the topics? Asked at start, with bounded patience and clear words."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # no __all__

from schemas.topics import Topics
from worker.errors import FatalError

log = structlog.get_logger(__name__)

DEFAULT_RECORD_BYTES = 1_000_000  # librdkafka's own limit, a little below Kafka's
_NO_LIMIT = 1 << 62
_ASK_SECONDS = 5.0
_CHECK_SECONDS = 1.0  # of what was told: some brokers never answer, and who said how large records may be need not wait
_PAUSE_SECONDS = 2.0


async def wait_for_topics(
    config: Mapping[str, Any], topics: Topics, wait_seconds: float, *, stopping: asyncio.Event
) -> None:
    """Return when every topic exists. Raises FatalError after ``wait_seconds``, naming what lacks and what to do."""
    admin = AdminClient({**config, "log_level": 0})
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_seconds
    while not stopping.is_set():
        complaint = await asyncio.to_thread(find_fault, admin, topics)
        if complaint is None:
            return
        if loop.time() >= deadline:
            raise FatalError(f"{complaint} (waited {wait_seconds:g} s, kafka.wait_seconds)")
        log.warning("worker.waiting_for_broker", why=complaint)
        try:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await stopping.wait()
        except TimeoutError:
            continue


def record_limits(
    config: Mapping[str, Any], topics: Sequence[str], asked: int | None = None, producer: int | None = None
) -> dict[str, int]:
    """The largest record that each topic takes, in bytes as Kafka counts them; one above it aborts its transaction.

    The least of the topic's own limit, ``asked`` (kafka.max_record_bytes) and ``producer`` (its message.max.bytes).
    Where the broker does not tell a topic's limit, ``asked`` stands for it, or else what any topic takes unless it was
    told not to.
    """
    admin = AdminClient({**config, "log_level": 0})
    seconds = _ASK_SECONDS if asked is None else _CHECK_SECONDS
    found, unknown = settings_in_force(admin, sorted({*topics}), seconds)
    told = {name: int(config["max.message.bytes"]) for name, config in found.items() if "max.message.bytes" in config}
    default = asked or DEFAULT_RECORD_BYTES
    if len(told) < len({*topics}) and asked is None:
        log.warning(
            "worker.topic_limits_unknown",
            errors=unknown,
            effect=f"records are held to {default:,} bytes there",
            remedy="grant DescribeConfigs on the output topics, or set kafka.max_record_bytes",
        )
    most = min(asked or _NO_LIMIT, producer or _NO_LIMIT)
    return {name: min(told.get(name, default), most) for name in topics}


def settings_in_force(
    admin: AdminClient, topics: Sequence[str], seconds: float
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """By topic its settings; and of those that the broker does not tell about, or not to this user, why."""
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    told: dict[str, dict[str, str]] = {}
    unknown: dict[str, str] = {}
    for resource, answer in admin.describe_configs(wanted, request_timeout=seconds).items() if wanted else ():
        try:
            told[resource.name] = {name: entry.value for name, entry in answer.result(seconds + 1).items()}
        except (KafkaException, FuturesTimeoutError) as error:
            unknown[resource.name] = repr(error)
    return told, unknown


def find_fault(admin: AdminClient, topics: Topics) -> str | None:
    """None when the broker answers and has all topics; otherwise words for the operator."""
    try:
        there = admin.list_topics(timeout=_ASK_SECONDS).topics
    except KafkaException as error:
        return f"no broker answers: {error.args[0].str()}; check kafka.bootstrap_servers and kafka.client"
    missing = [name for name in dataclasses.astuple(topics) if name not in there]
    if missing:
        return (
            f"topics are missing or hidden: {', '.join(missing)}; 'hangtag topics create' makes them; if they are "
            "there, no ACL lets this user see them: grant Read on the input topic, Write and DescribeConfigs elsewhere"
        )
    return None
