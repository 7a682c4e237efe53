"""What a host sends is counted below all parsers: a download takes so much and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from schemas.deadletter import Reason
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

MAX_BYTES = 200_000
HEAD_BYTES = 60 << 10
BODY = b"\xff\xd8\xff" + bytes(MAX_BYTES - 3)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\xff\xd8\xff\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@asynccontextmanager
async def fetching(talk: Talk) -> AsyncIterator[tuple[Fetcher, str, Metrics]]:
    """A fetcher, the URL of a host that talks so, and the metrics that count its bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = "{}:{}".format(*server.sockets[0].getsockname())
    metrics = Metrics()
    fetcher = Fetcher(FetchPolicy(max_bytes=MAX_BYTES, give_up_seconds=0, allow_endpoints=(endpoint,)), metrics)
    await fetcher.start()
    try:
        yield fetcher, f"http://{endpoint}/a.jpg", metrics
    finally:
        await fetcher.close()
        server.close()


def _for_ever(start: bytes, again: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(start)
        while not reader.at_eof():
            writer.write(again * 100)
            await writer.drain()

    return talk


@pytest.mark.parametrize(
    ("start", "again", "reason", "most"),
    [
        (b"", b"\r\n" * 50, Reason.HTTP_ERROR, HEAD_BYTES),
        (b"", b"HTTP/1.1 103 Hints\r\n\r\n", Reason.HTTP_ERROR, HEAD_BYTES),
        (CHUNKED + b"1;a=", b"a" * 100, Reason.BODY_TOO_LARGE, HEAD_BYTES + MAX_BYTES),
        (CHUNKED, b"1\r\nx\r\n" * 20, Reason.BODY_TOO_LARGE, HEAD_BYTES + MAX_BYTES),
    ],
    ids=["empty lines", "interim answers", "chunk extension", "chunks of one byte"],
)
async def test_what_parsers_skip_is_counted(start: bytes, again: bytes, reason: Reason, most: int) -> None:
    """Empty lines, interim answers and the framing of chunks end a download like a body that is too large."""
    async with fetching(_for_ever(start, again)) as (fetcher, url, metrics):
        lease = Budget(10 << 20).lease()
        with pytest.raises(RejectedError) as caught:
            await fetcher.fetch(url, lease)
        read = metrics.snapshot()["fetch_wire_bytes"]
    assert caught.value.reason is reason
    assert "bytes" in caught.value.detail
    assert lease.held == 0
    assert isinstance(read, float)
    assert read <= most + 1


async def test_every_download_has_its_own_budget_on_a_kept_connection() -> None:
    """Pictures of the full size follow each other over one connection."""
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(_answer(BODY))

    async with fetching(talk) as (fetcher, url, _):
        for _ in range(4):
            assert (await fetcher.fetch(url, Budget(10 << 20).lease())).body == BODY
    assert connections == 1


async def test_answers_that_nobody_asked_for_end_a_kept_connection() -> None:
    """A host cannot fill memory through the pool: the first byte after its answer closes the connection."""
    go_on, is_gone = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_answer(BODY[:100]))
        await go_on.wait()
        with suppress(ConnectionError):
            await _for_ever(b"", _answer(b""))(_already_asked(), writer)
        is_gone.set()

    async with fetching(talk) as (fetcher, url, metrics):
        await fetcher.fetch(url, Budget(10 << 20).lease())
        before = metrics.snapshot()["fetch_wire_bytes"]
        go_on.set()
        async with asyncio.timeout(20):
            await is_gone.wait()
        after = metrics.snapshot()["fetch_wire_bytes"]
    assert isinstance(before, float)
    assert after == before + 1


def _already_asked() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(b"\r\n\r\n")
    return reader
