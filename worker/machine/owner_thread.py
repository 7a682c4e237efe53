"""One thread that owns something which only one thread may touch: a producer, a device, an OCR engine."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


class OwnerThread:
    """Runs calls one after the other, in order, on one thread of its own."""

    def __init__(self, name: str) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    async def start(self, first: Callable[[], T]) -> T:
        """Start the thread and ``run`` its first action. Where that fails, or is given up, the thread ends after it:
        nobody closes what never started, and some try again and again.
        """
        self._thread.start()
        try:
            return await self.run(first)
        except BaseException:
            self.end()
            raise

    async def close(self, wait_seconds: float = 10.0) -> None:
        """End the thread after what is queued, and wait for it: native code must not outlive the interpreter."""
        self.end()
        if self._thread.ident is not None:
            await asyncio.to_thread(self._thread.join, wait_seconds)

    def end(self) -> None:
        """End the thread after what is queued; returns at once."""
        self._work.put(None)

    async def run(self, action: Callable[[], T]) -> T:
        """Run ``action`` on the thread; its result comes back here, or what it raised, always as an `Exception`."""
        outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._work.put(lambda: answer(outcome, action))
        return await outcome

    def _main(self) -> None:
        while (work := self._work.get()) is not None:
            work()


def answer(outcome: asyncio.Future[T], action: Callable[[], T]) -> None:
    """Run ``action`` on this thread and tell ``outcome``'s loop what came of it. Never raises."""
    try:
        result = action()
    except BaseException as raised:  # carried to the caller, who decides; the thread goes on
        _tell(outcome, outcome.set_exception, _ordinary(raised))
    else:
        _tell(outcome, outcome.set_result, result)


def _tell(outcome: asyncio.Future[T], settle: Callable[[U], None], what: U) -> None:
    def unless_given_up() -> None:
        if not outcome.done():
            settle(what)

    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
        outcome.get_loop().call_soon_threadsafe(unless_given_up)


def _ordinary(error: BaseException) -> Exception:
    """The same as an error that its caller can handle.

    Compiled code in Rust ends a call with a class that ``except Exception`` lets pass (pyo3's PanicException). It would
    end this thread, for which everybody then waits, or the event loop. StopIteration is what no future can carry.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    panic = RuntimeError(f"the call ended in a {type(error).__name__}")  # which may quote what it choked on
    panic.__cause__ = error
    return panic
