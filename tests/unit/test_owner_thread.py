"""A thread that owns something answers every call and outlives whatever a call raises."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from worker.machine.owner_thread import OwnerThread


class PanicException(BaseException):
    """As pyo3 raises it: no `Exception`."""


@pytest_asyncio.fixture
async def owner() -> AsyncIterator[OwnerThread]:
    """A started thread."""
    thread = OwnerThread("owner")
    await thread.start(lambda: None)
    yield thread
    await thread.close()


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("error", [PanicException("at a boundary of `my title`"), SystemExit(3), StopIteration(1)])
async def test_a_panic_reaches_the_caller_and_the_thread_goes_on(owner: OwnerThread, error: BaseException) -> None:
    """As an error that can be handled, which does not repeat what the panic quotes; later calls are answered."""
    async with asyncio.timeout(10):
        thread = await owner.run(threading.get_ident)
        with pytest.raises(RuntimeError, match=type(error).__name__) as caught:
            await owner.run(lambda: _raise(error))
        assert caught.value.__cause__ is error and "my title" not in str(caught.value)
        assert await owner.run(threading.get_ident) == thread


async def test_errors_come_back_as_they_are(owner: OwnerThread) -> None:
    """The caller decides what an error means, so it sees the very one."""
    error = ValueError("no")
    with pytest.raises(ValueError) as caught:
        await owner.run(lambda: _raise(error))
    assert caught.value is error


async def test_a_call_that_is_given_up_is_finished_all_the_same(owner: OwnerThread) -> None:
    """Its result is dropped, and the next call gets its own."""
    gate = threading.Event()
    given_up = asyncio.create_task(owner.run(lambda: gate.wait(10)))
    await asyncio.sleep(0)
    given_up.cancel()
    gate.set()
    assert await owner.run(lambda: 2) == 2
