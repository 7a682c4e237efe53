"""Waiting for what another process does: the only place where tests ask again and again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.005


async def until(holds: Callable[[], Awaitable[bool]], within_seconds: float = 10.0) -> float:
    """Seconds until ``holds()``. Raises TimeoutError if it never does.

    For what no event announces.
    """
    started = time.monotonic()
    async with asyncio.timeout(within_seconds):
        while not await holds():  # noqa: ASYNC110  # there is no event to wait for
            await asyncio.sleep(PAUSE_SECONDS)
    return time.monotonic() - started
