"""An event loop whose time passes only when there is nothing else to do: hours of waiting take a moment.

Sockets are real, so hosts that are played in the same loop answer when virtual time says so. Threads are not waited
for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_ON_ITS_WAY_SECONDS = 0.001  # what loopback takes to deliver, at most


class _Selector(selectors.DefaultSelector):
    """Goes to the next timer's moment when no socket has anything."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout != 0:
            ready = super().select(_ON_ITS_WAY_SECONDS if timeout is not None else None)
            if not ready and timeout is not None:
                self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds."""
        return self._virtual.now


class LoopClock:
    """The running loop's time as a `worker.clock.Clock`."""

    def now(self) -> float:
        """Seconds since some fixed moment."""
        return asyncio.get_running_loop().time()


async def passes(seconds: float) -> None:
    """So much virtual time does; real time never."""
    assert isinstance(asyncio.get_running_loop(), VirtualLoop)
    await asyncio.sleep(seconds)


def in_virtual_time(work: Coroutine[Any, Any, T]) -> T:
    """What comes of it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)
