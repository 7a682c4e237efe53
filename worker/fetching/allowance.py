"""What one picture's download holds of its listing's lease, and how it waits for more at nobody else's cost.

While a download waits for memory of ours, its host's time stands still. Not for long, though: it holds a turn at that
host, and the listing that would give memory back may be waiting for just this turn. So after ``HOLD_SECONDS`` it gives
back turn and memory (`NoRoomError`), waits with empty hands until all that it may need is there (`reserve`), and asks
the host again, before those that hold nothing (`worker.fetching.hosts`): behind them it would keep from them what they
wait for in the turns before its own. Owner: the event loop.
"""

from __future__ import annotations

import asyncio

from worker.flow.admission import Lease

HOLD_SECONDS = 2.0  # what a decoder takes to make room, many times over; then a turn at the host is worth more
_LEAST_CUT_SECONDS = 1.0  # no host ends a connection sooner because nobody reads from it


class NoRoomError(Exception):
    """An attempt ended for want of memory of ours. ``num_bytes``: what to reserve before the next one."""

    def __init__(self, num_bytes: int) -> None:
        super().__init__(f"no room for {num_bytes:,} bytes")
        self.num_bytes = num_bytes


class Allowance:
    """One download's part of ``lease``, in bytes; ``max_bytes`` is what a body may have."""

    __slots__ = ("_lease", "_max_bytes", "_wanted", "held", "kept_seconds")

    def __init__(self, lease: Lease, max_bytes: int) -> None:
        self._lease = lease
        self._max_bytes = max_bytes
        self._wanted = 0
        self.held = 0
        self.kept_seconds = 0.0  # for which the host of this attempt was kept waiting

    async def grow_to(self, num_bytes: int, host_time: asyncio.Timeout, stated: int = 0) -> None:
        """Hold so many; ``host_time`` stands still meanwhile. ``stated``: the body's length, if it is known.

        Raises NoRoomError when that takes longer than a host should wait.
        """
        more = num_bytes - self.held
        if more <= 0:
            return
        if not self._lease.try_grow(more):
            self._wanted = max(num_bytes, min(self._max_bytes, max(stated, 2 * num_bytes)))
            await self._wait_for(more, host_time)
        self.held = num_bytes

    async def reserve(self, num_bytes: int) -> float:
        """Hold so many, however long it takes; the seconds that it took. No turn at a host may be held meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await self._lease.grow(num_bytes - self.held)
        self.held = num_bytes
        return loop.time() - began

    def shrink_to(self, num_bytes: int) -> None:
        """Give back what is above."""
        self._lease.shrink(self.held - num_bytes)
        self.held = num_bytes

    def cut_off(self) -> NoRoomError | None:
        """What a connection's end means if the host was kept waiting for so long that it may have ended it for that."""
        return NoRoomError(self._wanted) if self.kept_seconds >= _LEAST_CUT_SECONDS else None

    async def _wait_for(self, more: int, host_time: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        began, end = loop.time(), host_time.when()
        host_time.reschedule(None)
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                await self._lease.grow(more)
        except TimeoutError:
            raise NoRoomError(self._wanted) from None
        finally:
            waited = loop.time() - began
            self.kept_seconds += waited
            if end is not None:
                host_time.reschedule(end + waited)
