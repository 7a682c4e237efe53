"""One thread that owns something which only one thread may touch: a producer, a device, an OCR engine."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class OwnerThread:
    """Runs calls one after the other, in order, on one thread of its own."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    async def close(self, wait_seconds: float = 10.0) -> None:
        """End the thread after what is queued, and wait for it: native code must not outlive the interpreter."""
        self.end()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, wait_seconds)

    def end(self) -> None:
        """End the thread after what is queued; returns at once."""
        self._work.put(None)

    async def run(self, action: Callable[[], T]) -> T:
        """Run ``action`` on the thread; its result or exception comes back here."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if outcome.done():
                return
            if error is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(result)  # type: ignore[arg-type]  # T may be None itself

        def work() -> None:
            try:
                result, error = action(), None
            except Exception as raised:  # carried to the caller, who decides
                result, error = None, raised
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the loop is closed: nobody waits any more

        self._work.put(work)
        return await outcome

    def _main(self) -> None:
        while (work := self._work.get()) is not None:
            work()
