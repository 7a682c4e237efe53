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
            await asyncio.wait_for(stopping.wait(), _PAUSE_SECONDS)
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
    wanted = [ConfigResource(ResourceType.TOPIC, name) for name in sorted({*topics})]
    answers = admin.describe_configs(wanted, request_timeout=seconds)
    told: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for resource, answer in answers.items():
        try:
            told[resource.name] = int(answer.result(seconds + 1)["max.message.bytes"].value)
        except (KafkaException, FuturesTimeoutError, KeyError) as error:
            unknown[resource.name] = repr(error)
    default = asked or DEFAULT_RECORD_BYTES
    if unknown and asked is None:
        log.warning(
            "worker.topic_limits_unknown",
            errors=unknown,
            effect=f"records are held to {default:,} bytes there",
            remedy="grant DescribeConfigs on the output topics, or set kafka.max_record_bytes",
        )
    most = min(asked or _NO_LIMIT, producer or _NO_LIMIT)
    return {name: min(told.get(name, default), most) for name in topics}


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
