"""A backfill beside live traffic, while it is not yet under way."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from worker.build import Built
from worker.metrics import Metrics
from worker.replays.guest import Guest
from worker.replays.plan import Plan, PlannedPartition, Request
from worker.settings import Settings
from worker.stream import Connector, Stream

PLAN = Plan("n", "in", "g", datetime.now(UTC), Request("earliest").completed(), (PlannedPartition(0, 0, 9, 9),))


class Half:
    """What is built of the live worker, as far as connecting asks for it."""

    info = None

    def beside(self, *_: object) -> tuple[None, None]:
        """Tagger and limits."""
        return None, None


async def test_a_stop_does_not_wait_for_a_broker_that_gives_the_producer_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a worker that has drained hangs until it is killed, for as long as the transactions' coordinator is away."""
    connects = asyncio.Event()

    async def hang(*_: Any) -> Stream:
        connects.set()
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody answers")

    async def find_plan() -> Plan:
        return PLAN

    guest = Guest(Settings())
    monkeypatch.setattr(Connector, "connect", hang)
    monkeypatch.setattr(guest, "_find_plan", find_plan)
    running = asyncio.create_task(guest.run(cast(Built, Half()), cast(Stream, None), Metrics()))
    await connects.wait()
    async with asyncio.timeout(5):
        await guest.stop()
        await running
