"""Is the broker there, and has it the topics? Asked at start, with bounded patience and clear words."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from concurrent.futures import TimeoutError as FuturesTimeoutError
from typing import Any

import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]  # no __all__

from schemas.topics import Topics
from worker.errors import FatalError

log = structlog.get_logger(__name__)

_ASK_SECONDS = 5.0
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


def max_record_bytes(config: Mapping[str, Any], topics: Topics, default: int) -> int:
    """The largest record that every output topic takes, as Kafka counts it; ``default`` where the broker does not tell.

    One record above it would abort its whole transaction, for ever.
    """
    admin = AdminClient({**config, "log_level": 0})
    outputs = (topics.attributes, topics.scenes, topics.texts, topics.dead_letter)
    asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in outputs])
    try:
        found = [int(answer.result(_ASK_SECONDS)["max.message.bytes"].value) for answer in asked.values()]
    except (KafkaException, FuturesTimeoutError, KeyError) as error:
        log.warning(
            "worker.topic_limits_unknown",
            error=repr(error),
            effect=f"records are held to {default:,} bytes",
            remedy="grant DescribeConfigs on the output topics, or set kafka.max_record_bytes",
        )
        return default
    return min(found)


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
