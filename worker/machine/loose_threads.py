"""Calls that may hang for as long as the system likes, on threads that nobody waits for.

The interpreter waits for an executor's threads when the process ends; these end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

from worker.machine.owner_thread import answer

T = TypeVar("T")


class LooseThreads:
    """Each call on a thread of its own, ``max_threads`` at a time; the others wait. Belongs to the event loop.

    A call that is given up keeps its thread, and its place, until it ends by itself.
    """

    def __init__(self, name: str, max_threads: int) -> None:
        self._name = name
        self._places = asyncio.Semaphore(max_threads)

    async def run(self, action: Callable[[], T]) -> T:
        """Run ``action``; its result comes back here, or what it raised, always as an `Exception`."""
        await self._places.acquire()
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        thread = threading.Thread(target=self._work, args=(outcome, action), name=self._name, daemon=True)
        try:
            thread.start()
        except BaseException:
            self._places.release()
            raise
        return await outcome

    def _work(self, outcome: asyncio.Future[T], action: Callable[[], T]) -> None:
        answer(outcome, action)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits for a place any more
            outcome.get_loop().call_soon_threadsafe(self._places.release)
