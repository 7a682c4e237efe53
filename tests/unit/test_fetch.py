"""Fetching from a host that answers well, badly, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from schemas.deadletter import Reason
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

JPEG = b"\xff\xd8\xff" + bytes(2000)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Waits(list[float]):
    """Notes how long the fetcher wanted to wait, and does not wait."""

    async def __call__(self, seconds: float) -> None:
        """Note it."""
        self.append(seconds)


@asynccontextmanager
async def fetching(handler: Handler, **limits: int | float) -> AsyncIterator[tuple[Fetcher, str, Budget, Waits]]:
    """A fetcher, the address of a host with this handler, a budget, and the waits so far."""
    app = web.Application()
    app.router.add_get("/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    waits = Waits()
    policy = FetchPolicy(allow_endpoints=(f"{host}:{port}",), **limits)  # type: ignore[arg-type]
    fetcher = Fetcher(policy, Metrics(), wait=waits)
    await fetcher.start()
    try:
        yield fetcher, f"http://{host}:{port}", Budget(10 << 20), waits
    finally:
        await fetcher.close()
        await runner.cleanup()


async def rejected(fetcher: Fetcher, url: str, budget: Budget) -> RejectedError:
    """The refusal that this URL ends in, after checking that it holds no memory."""
    lease = budget.lease()
    with pytest.raises(RejectedError) as caught:
        await fetcher.fetch(url, lease)
    assert lease.held == 0
    return caught.value


async def test_picture_arrives_and_is_paid_for() -> None:
    """The body comes back whole, with its hash, and the lease holds exactly its bytes."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=JPEG)

    async with fetching(handler) as (fetcher, base, budget, _):
        lease = budget.lease()
        image = await fetcher.fetch(f"{base}/a.jpg", lease)
    assert image.body == JPEG
    assert lease.held == len(JPEG)
    assert len(image.sha256) == 64


async def test_missing_picture_is_final() -> None:
    """A 404 is not tried again."""
    asked = []

    async def handler(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPNotFound

    async with fetching(handler) as (fetcher, base, budget, waits):
        error = await rejected(fetcher, f"{base}/a.jpg?secret=1", budget)
    assert (error.reason, len(asked), waits) == (Reason.HTTP_ERROR, 1, [])
    assert "secret" not in error.detail


async def test_busy_host_is_asked_again_when_it_says() -> None:
    """A 503 with Retry-After is tried again after that time, and then works."""
    answers = [503, 200]

    async def handler(_: web.Request) -> web.Response:
        status = answers.pop(0)
        return web.Response(status=status, body=JPEG, headers={"Retry-After": "7"})

    async with fetching(handler) as (fetcher, base, budget, waits):
        image = await fetcher.fetch(f"{base}/a.jpg", budget.lease())
    assert image.body == JPEG
    assert waits == [7.0]


@pytest.mark.parametrize("told", ["\u00b2", "\u0663", "-7", "1e9", "999999", "Fri, 31 Dec 1999 23:59:59 GMT"])
async def test_busy_host_whose_wait_cannot_be_used_is_asked_again_all_the_same(told: str) -> None:
    """Only plain seconds count, and of those few; anything else is as if the host had named none."""
    answers = [503, 200]

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=answers.pop(0), body=JPEG, headers={"Retry-After": told})

    async with fetching(handler) as (fetcher, base, budget, waits):
        image = await fetcher.fetch(f"{base}/a.jpg", budget.lease())
    assert image.body == JPEG
    assert 0.0 < waits[0] < 60.0


async def test_redirect_inside_is_refused() -> None:
    """A public-looking host cannot send the worker to a private one."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/"})

    async with fetching(handler) as (fetcher, base, budget, _):
        error = await rejected(fetcher, f"{base}/a.jpg", budget)
    assert error.reason is Reason.URL_REFUSED


async def test_redirects_are_counted() -> None:
    """A host that redirects for ever is given up."""

    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{request.path}x"})

    async with fetching(handler) as (fetcher, base, budget, _):
        error = await rejected(fetcher, f"{base}/a", budget)
    assert error.reason is Reason.HTTP_ERROR
    assert "redirects" in error.detail


@pytest.mark.parametrize("is_announced", [True, False])
async def test_large_body_is_stopped(is_announced: bool) -> None:
    """A body above the limit is refused, by its header or when the limit is passed."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if is_announced:
            return web.Response(body=JPEG * 100)
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(JPEG)
        return response

    async with fetching(handler, max_bytes=50_000) as (fetcher, base, budget, _):
        error = await rejected(fetcher, f"{base}/a.jpg", budget)
    assert error.reason is Reason.BODY_TOO_LARGE
    assert "50,000" in error.detail


async def test_page_served_as_picture_is_not_one() -> None:
    """HTML is recognised by its bytes, whatever the header claims."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"<!doctype html><p>gone</p>", content_type="image/jpeg")

    async with fetching(handler) as (fetcher, base, budget, _):
        assert (await rejected(fetcher, f"{base}/a.jpg", budget)).reason is Reason.NOT_AN_IMAGE


async def test_what_a_host_calls_its_answer_is_told_in_words_that_can_be_written() -> None:
    """A content type that is no UTF-8 is quoted, and neither the log nor an event stumbles over it."""
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Type: \xff/html\r\nContent-Length: 5\r\n\r\nhello") as endpoint:
        fetcher = Fetcher(FetchPolicy(allow_endpoints=(endpoint,)), Metrics(), wait=Waits())
        await fetcher.start()
        error = await rejected(fetcher, f"http://{endpoint}/a.jpg", Budget(1 << 20))
        await fetcher.close()
    assert error.reason is Reason.NOT_AN_IMAGE
    assert error.detail.encode().endswith(b"(served as \\udcff/html)") and str(error).encode()


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """The endpoint of a host that says this to whoever asks, byte for byte."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"


async def test_dead_host_is_given_up() -> None:
    """A port where nobody listens is tried a few times and then refused, counting the attempts."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=JPEG)

    async with fetching(handler) as (_, base, _, _):
        gone = base
    fetcher = Fetcher(FetchPolicy(allow_endpoints=(gone.removeprefix("http://"),)), Metrics(), wait=Waits())
    await fetcher.start()
    error = await rejected(fetcher, f"{gone}/a.jpg", Budget(1 << 20))
    await fetcher.close()
    assert error.reason is Reason.CONNECT_FAILED
    assert "attempts" in error.detail
