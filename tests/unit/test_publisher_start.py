"""A publisher that cannot start leaves nothing behind: a backfill tries again every minute, beside live traffic."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

import pytest

from tests.polling import until
from worker.kafka.transaction import PublishPolicy
from worker.publish import PlainPublisher, Publisher, TransactionalPublisher

AWAY: dict[str, str | int] = {"bootstrap.servers": "127.0.0.1:1", "transactional.id": "t", "log_level": 0}
IMPOSSIBLE = {**AWAY, "message.max.bytes": 1}


def _transactional(config: dict[str, str | int]) -> Publisher:
    return TransactionalPublisher(config, PublishPolicy("t", init_seconds=0.2), lambda: None)


async def _no_thread() -> bool:
    return all(thread.name != "hangtag-producer" for thread in threading.enumerate())


@pytest.mark.parametrize("kind", ["exactly_once", "at_least_once"])
async def test_a_refused_publisher_ends_its_thread(kind: str) -> None:
    """Whatever the client raises."""
    plain = PlainPublisher(IMPOSSIBLE, lambda _: Future(), 1.0)
    with pytest.raises(Exception, match=r"message\.max\.bytes"):
        await (plain if kind == "at_least_once" else _transactional(IMPOSSIBLE)).start()
    await until(_no_thread)


async def test_a_publisher_that_is_given_up_while_it_waits_for_a_broker_ends_its_thread() -> None:
    """It would ask for ever, and take the name from whoever starts next."""
    starting = asyncio.ensure_future(_transactional(AWAY).start())
    await asyncio.wait({starting}, timeout=0.3)
    starting.cancel()
    await asyncio.wait({starting})
    await until(_no_thread)
