"""A long queue at an image host, in virtual time: what is well loses nothing, what is dead is given up in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from schemas.deadletter import Reason
from tests.virtual_time import LoopClock, in_virtual_time, passes
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Budget
from worker.metrics import Metrics

JPEG = b"\xff\xd8\xff" + bytes(500)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Ended:
    """How downloads ended: seconds that each took, by what came of it."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """How many ended how."""
        return Counter({how: len(those) for how, those in self.seconds.items()})

    @property
    def longest(self) -> float:
        """Seconds of the one that took longest."""
        return max(max(those) for those in self.seconds.values())


@asynccontextmanager
async def hosts(*handlers: Handler) -> AsyncIterator[list[str]]:
    """A host for each handler: their endpoints."""
    runners = []
    for handler in handlers:
        app = web.Application()
        app.router.add_get("/{path:.*}", handler)
        runners.append(web.AppRunner(app, access_log=None, shutdown_timeout=0.1))
        await runners[-1].setup()
        await web.TCPSite(runners[-1], "127.0.0.1", 0, backlog=512).start()
    try:
        yield ["{}:{}".format(*runner.addresses[0][:2]) for runner in runners]
    finally:
        for runner in runners:
            await runner.cleanup()


@asynccontextmanager
async def fetching(endpoints: list[str], **limits: float) -> AsyncIterator[Fetcher]:
    """A fetcher that may ask these, in the loop's time."""
    policy = FetchPolicy(allow_endpoints=tuple(endpoints), **limits)  # type: ignore[arg-type]
    fetcher = Fetcher(policy, Metrics(), clock=LoopClock())
    await fetcher.start()
    try:
        yield fetcher
    finally:
        await fetcher.close()


async def fetch_all(fetcher: Fetcher, urls: list[str], *, apart: float = 0.0) -> Ended:
    """All of them side by side, each ``apart`` seconds after the one before."""
    ended, loop, budget = Ended(), asyncio.get_running_loop(), Budget(64 << 20)

    async def one(number: int, url: str) -> None:
        await passes(number * apart)
        began, lease = loop.time(), budget.lease()
        try:
            await fetcher.fetch(url, lease)
            how = "fetched"
        except RejectedError as error:
            how = error.reason.value
            ended.details.append(error.detail)
        finally:
            lease.release()
        ended.seconds.setdefault(how, []).append(loop.time() - began)

    await asyncio.gather(*(one(number, url) for number, url in enumerate(urls)))
    return ended


def pictures(endpoint: str, count: int) -> list[str]:
    """URLs of so many."""
    return [f"http://{endpoint}/{number}.jpg" for number in range(count)]


def answers_after(seconds: float) -> Handler:
    """A host that is well and takes this long."""

    async def answer(_: web.Request) -> web.Response:
        await passes(seconds)
        return web.Response(body=JPEG)

    return answer


async def hangs(_: web.Request) -> web.Response:
    """A host that accepts and never answers."""
    await passes(3600)
    raise AssertionError


@pytest.mark.parametrize("is_spare", [False, True])
def test_a_queue_longer_than_the_limit_loses_nothing(is_spare: bool) -> None:
    """A host that is well, but has three times as much to do as `give_up_seconds` leave time for."""

    async def play() -> tuple[Ended, float]:
        async with hosts(answers_after(0.3)) as endpoints, fetching(endpoints, give_up_seconds=8.0) as fetcher:
            ended = await fetch_all(fetcher.spare() if is_spare else fetcher, pictures(endpoints[0], 900))
            return ended, 0.3 * 900 / (8 if is_spare else 16)

    ended, least = in_virtual_time(play())
    assert ended.counts == {"fetched": 900}
    assert 2 * 8.0 < least <= ended.longest < 1.2 * least + 2


def test_a_rate_loses_nothing() -> None:
    """Nor does our own limit to a host's rate, from which nobody takes moments by going away."""

    async def play() -> Ended:
        async with (
            hosts(answers_after(0.01)) as endpoints,
            fetching(endpoints, give_up_seconds=8.0, max_host_rate=20.0) as fetcher,
        ):
            return await fetch_all(fetcher, pictures(endpoints[0], 600))

    ended = in_virtual_time(play())
    assert ended.counts == {"fetched": 600}
    assert 28 <= ended.longest <= 31


def test_a_dead_host_is_given_up_in_time() -> None:
    """Whoever waits for it, from when on it may be, has waited for `give_up_seconds` at most; so has a later one."""

    async def play() -> Ended:
        async with (
            hosts(hangs) as endpoints,
            fetching(endpoints, give_up_seconds=20.0, timeout_seconds=4.0) as fetcher,
        ):
            return await fetch_all(fetcher, pictures(endpoints[0], 400), apart=0.1)

    ended = in_virtual_time(play())
    assert ended.counts == {Reason.FETCH_TIMEOUT.value: 400}
    assert ended.longest <= 20.1
    assert all("fetch.give_up_seconds" in detail or "fetch.timeout_seconds" in detail for detail in ended.details)


def test_the_limit_counts_from_when_the_host_died() -> None:
    """A queue that has waited for longer than the limit at a host that was well still waits for it when it dies."""
    dead_seconds = (20.0, 35.0)

    async def play() -> Ended:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def answer(request: web.Request) -> web.Response:
            if dead_seconds[0] <= loop.time() - began < dead_seconds[1]:
                assert request.transport is not None
                request.transport.abort()
            await passes(0.3)
            return web.Response(body=JPEG)

        async with hosts(answer) as endpoints, fetching(endpoints, give_up_seconds=18.0) as fetcher:
            return await fetch_all(fetcher, pictures(endpoints[0], 1200))

    ended = in_virtual_time(play())
    assert ended.counts["fetched"] >= 1200 - 16
    assert ended.longest > 36


def test_a_short_rest_of_time_is_not_the_hosts_fault() -> None:
    """A redirect that took nearly all the time leaves the next host too little to be judged by, and it is asked on."""

    async def play() -> tuple[Ended, Ended]:
        async def shop(_: web.Request) -> web.Response:
            await passes(3.8)
            return web.Response(status=302, headers={"Location": f"http://{endpoints[1]}/there.jpg"})

        async with (
            hosts(shop, answers_after(0.5)) as endpoints,
            fetching(endpoints, give_up_seconds=20.0, timeout_seconds=4.0) as fetcher,
        ):
            late, direct = await asyncio.gather(
                fetch_all(fetcher, pictures(endpoints[0], 30)),
                fetch_all(fetcher, pictures(endpoints[1], 30), apart=0.7),
            )
            return late, direct

    late, direct = in_virtual_time(play())
    assert late.counts == {Reason.FETCH_TIMEOUT.value: 30}
    assert all("redirects included" in detail and "fetch.timeout_seconds" in detail for detail in late.details)
    assert direct.counts == {"fetched": 30}
    assert direct.longest < 2.0


def test_a_dead_host_behind_redirects_is_noticed() -> None:
    """A quick redirect leaves time enough to judge the host that it leads to."""
    asked = []

    async def play() -> Ended:
        async def shop(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": f"http://{endpoints[1]}/there.jpg"})

        async def dead(request: web.Request) -> web.Response:
            asked.append(asyncio.get_running_loop().time())
            return await hangs(request)

        async with (
            hosts(shop, dead) as endpoints,
            fetching(endpoints, give_up_seconds=40.0, timeout_seconds=4.0) as fetcher,
        ):
            return await fetch_all(fetcher, pictures(endpoints[0], 60))

    ended = in_virtual_time(play())
    assert ended.counts == {Reason.FETCH_TIMEOUT.value: 60}
    assert ended.longest <= 44.1
    assert len(asked) < 12
