"""How long a download puts up with its host. Owner: the event loop.

``fetch.give_up_seconds`` are about hosts that stay dead. So attempts count, the waits between them, and waiting for a
turn at a host that is failing; waiting for a turn at a host that is well does not: a long queue is our own doing, and
no reason to lose a picture. That wait ends by itself, for such a host answers one after the other. Nor does waiting for
memory of ours (`worker.fetching.allowance`).
"""

from __future__ import annotations

import asyncio

from worker.clock import Clock
from worker.fetching.hosts import Slot

_LEAST_SECONDS = 0.01  # between two looks


class Patience:
    """One download's; over when it has ``spent`` so many ``seconds``."""

    __slots__ = ("_began", "_clock", "_seconds")

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._began = clock.now()  # or later, by what does not count

    @property
    def spent(self) -> float:
        """Seconds that count."""
        return self._clock.now() - self._began

    @property
    def left(self) -> float:
        """Seconds until it is over; below 0 afterwards."""
        return self._seconds - self.spent

    def excuse(self, seconds: float) -> None:
        """So many do not count."""
        self._began += seconds

    async def wait_for(self, slot: Slot) -> None:
        """Hold the slot. Raises TimeoutError, and holds nothing, once this is over."""
        if slot.is_free:
            await slot.enter()
            return
        queue = _Queueing(self._clock, slot, self.left)
        try:
            async with asyncio.timeout(None) as limit:
                queue.watch(limit)
                await slot.enter()
        finally:
            queue.end()
        self.excuse(queue.excused_seconds)


class _Queueing:
    """Waiting for one turn with so many seconds of patience ``left``; those count for which the host was failing."""

    __slots__ = ("_began", "_clock", "_failed_before", "_host", "_left", "_timer")

    def __init__(self, clock: Clock, slot: Slot, left: float) -> None:
        self._clock = clock
        self._host = slot.host
        self._left = left
        self._began = clock.now()
        self._failed_before = slot.host.failing_seconds(self._began)
        self._timer: asyncio.TimerHandle | None = None

    @property
    def excused_seconds(self) -> float:
        """What of the time since the beginning does not count."""
        now = self._clock.now()
        # A host turns out later to have failed before this came.
        return max(0.0, now - self._began - (self._host.failing_seconds(now) - self._failed_before))

    def watch(self, limit: asyncio.Timeout) -> None:
        """Let ``limit`` pass when patience is over. Looks again when that can be at the earliest, so mostly once."""
        loop = asyncio.get_running_loop()
        left = self._left - (self._clock.now() - self._began - self.excused_seconds)
        if left > 0:
            self._timer = loop.call_later(max(left, _LEAST_SECONDS), self.watch, limit)
        else:
            limit.reschedule(loop.time())

    def end(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
