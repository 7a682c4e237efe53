"""What a replay passes over is found by reading, on a thread that must not outlive its process's patience."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from worker.errors import FatalError
from worker.replays.left_out import LeftOut
from worker.replays.plan import Plan, PlannedPartition, Request

NOBODY = {"bootstrap.servers": "127.0.0.1:1", "log_level": 0}


@pytest.mark.parametrize(
    "asked",
    [Request("0"), Request("0", include_superseded=True, where="title~oak")],
    ids=["superseded", "not meant"],
)
async def test_closing_ends_a_reading_while_the_broker_is_away(asked: Request) -> None:
    """Else the process would wait for its thread for as long as nobody answers, which may be for ever."""
    plan = Plan(
        "spring", "in", "hangtag", datetime(2026, 11, 29, tzinfo=UTC), asked, (PlannedPartition(0, 10, 20, 30),)
    )
    left_out = LeftOut(NOBODY, plan, "listings.attributes")
    finding = asyncio.create_task(left_out.find(0))
    await asyncio.sleep(0)
    left_out.close()
    with pytest.raises(FatalError, match="stopped while reading the topic in"):
        async with asyncio.timeout(20):
            await finding
