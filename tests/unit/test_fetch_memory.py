"""What a download held is gone when it has failed: its lease is given back then, and nobody waits for a collector."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from schemas.deadletter import Reason
from tests.virtual_time import LoopClock, in_virtual_time
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

MAX_BYTES = 1 << 20
PICTURE = b"\xff\xd8\xff" + bytes(MAX_BYTES * 9 // 10)
CHUNK = b"4000\r\n" + bytes(0x4000) + b"\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n"
ENDINGS = {
    "broken off": (HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BYTES + PICTURE, Reason.CONNECT_FAILED),
    "too large": (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n" + CHUNK * 70,
        Reason.BODY_TOO_LARGE,
    ),
    "too slow": (HEAD + b"Content-Length: %d\r\n\r\n" % MAX_BYTES + PICTURE, Reason.FETCH_TIMEOUT),
}
_FOR_ALL_ELSE = 200_000  # connections, tracebacks and parsers


@contextmanager
def no_collector() -> Iterator[None]:
    """Only reference counts free anything."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failed_body_is_gone_at_once(ending: str) -> None:
    """While the fetcher waits before it tries again, and when it has given up."""
    reason, most = in_virtual_time(_ends_twice(ending))
    assert reason is ENDINGS[ending][1]
    assert most < _FOR_ALL_ELSE


async def _ends_twice(ending: str) -> tuple[Reason, int]:
    """Why it was given up, and the most bytes held at a moment when none should be."""
    sent, held = ENDINGS[ending][0], [0]
    talks: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        try:
            await writer.drain()
            if ending != "broken off":
                await reader.read()
            writer.close()
        except ConnectionError:
            writer.transport.abort()

    async def wait(_: float) -> None:
        held.append(tracemalloc.get_traced_memory()[0])

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = "{}:{}".format(*server.sockets[0].getsockname())
    policy = FetchPolicy(max_bytes=MAX_BYTES, max_attempts=2, allow_endpoints=(endpoint,))
    fetcher, budget = Fetcher(policy, Metrics(), clock=LoopClock(), wait=wait), Budget(64 << 20)
    await fetcher.start()
    await _reject(fetcher, endpoint, budget)  # what is built once
    del held[1:]
    with no_collector():
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        error = await _reject(fetcher, endpoint, budget)
        held.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
    await fetcher.close()
    server.close()
    await asyncio.gather(*filter(None, talks))
    return error.reason, max(held) - before


async def _reject(fetcher: Fetcher, endpoint: str, budget: Budget) -> RejectedError:
    """The refusal, which still holds what led to it."""
    lease = budget.lease()
    with pytest.raises(RejectedError) as caught:
        await fetcher.fetch(f"http://{endpoint}/a.jpg", lease)
    assert lease.held == 0
    return caught.value
