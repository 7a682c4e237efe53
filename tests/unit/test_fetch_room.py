"""Downloads that wait for memory of ours, in virtual time: no host is blamed for it, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from schemas.deadletter import Reason
from tests.virtual_time import LoopClock, in_virtual_time, passes
from worker.errors import RejectedError
from worker.fetch import Fetcher, FetchPolicy
from worker.fetching.allowance import HOLD_SECONDS
from worker.flow.admission import Budget, Lease
from worker.metrics import Metrics

KIB = 1 << 10
TIMEOUT, GIVE_UP = 8.0, 30.0
Send = Callable[[asyncio.StreamWriter], Awaitable[None]]


def body(num_bytes: int) -> bytes:
    """Of a picture."""
    return b"\xff\xd8\xff".ljust(num_bytes, b"\0")


def head(num_bytes: int) -> bytes:
    """Before a body of a stated length."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % num_bytes


def sends(num_bytes: int) -> Send:
    """A host that is well."""

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(head(num_bytes) + body(num_bytes))
        await writer.drain()

    return send


class PlayedHost:
    """Does what it is told with each request, and notes when it came."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.asked: list[float] = []
        self._talks: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._talks.append(asyncio.current_task())
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.asked.append(asyncio.get_running_loop().time())
                await self.send(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()

    async def ended(self) -> None:
        """All connections are."""
        await asyncio.gather(*filter(None, self._talks))


@asynccontextmanager
async def serving(host: PlayedHost) -> AsyncIterator[str]:
    """Where it is."""
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, backlog=512)
    try:
        yield "{}:{}".format(*server.sockets[0].getsockname())
    finally:
        server.close()
        await host.ended()


@asynccontextmanager
async def fetching(
    host: PlayedHost, *others: str, metrics: Metrics | None = None, **limits: float
) -> AsyncIterator[tuple[Fetcher, str]]:
    """A fetcher in the loop's time, which may ask ``others`` too, and where the host's picture is."""
    async with serving(host) as endpoint:
        known = {"timeout_seconds": TIMEOUT, "give_up_seconds": GIVE_UP, **limits}
        policy = FetchPolicy(allow_endpoints=(endpoint, *others), **known)  # type: ignore[arg-type]
        fetcher = Fetcher(policy, metrics or Metrics(), clock=LoopClock())
        await fetcher.start()
        try:
            yield fetcher, f"http://{endpoint}/a.jpg"
        finally:
            await fetcher.close()


async def fetched(fetcher: Fetcher, url: str, lease: Lease) -> str:
    """How it ended; whatever the lease gained is the picture's bytes."""
    before = lease.held
    try:
        picture = await fetcher.fetch(url, lease)
    except RejectedError as error:
        assert lease.held == before
        return error.reason.value
    assert lease.held == before + len(picture.body)
    return "fetched"


async def fetched_alone(fetcher: Fetcher, url: str, budget: Budget) -> str:
    """How the only picture of a listing ended, which then gives back what it holds."""
    lease = budget.lease()
    try:
        return await fetched(fetcher, url, lease)
    finally:
        lease.release()


async def full_budget() -> tuple[Budget, Lease]:
    """4 MiB without room, and the lease whose release makes some; the oldest one, which never waits, is another."""
    budget = Budget(4 << 20)
    await budget.lease().grow(1)
    full = budget.lease()
    await full.grow(budget.limit - 1)
    return budget, full


@pytest.mark.parametrize("num_bytes", [20 * KIB, 900 * KIB])
def test_a_full_budget_costs_no_picture_and_blames_no_host(num_bytes: int) -> None:
    """It is full for many times as long as a host has; then all come at once, as from a host that never failed."""

    async def play() -> tuple[list[str], float]:
        budget, loop = Budget(4 << 20), asyncio.get_running_loop()
        oldest, full = budget.lease(), budget.lease()
        await oldest.grow(1)
        await full.grow(budget.limit - 1)
        async with fetching(PlayedHost(sends(num_bytes))) as (fetcher, url):
            leases = [budget.lease() for _ in range(60)]
            ends = asyncio.gather(*(end(fetcher, url, lease) for lease in leases))
            await passes(10 * GIVE_UP)
            full.release()
            began = loop.time()
            return await ends, loop.time() - began

    async def end(fetcher: Fetcher, url: str, lease: Lease) -> str:
        try:
            return await fetched(fetcher, url, lease)
        finally:
            lease.release()

    ends, seconds = in_virtual_time(play())
    assert ends == ["fetched"] * 60
    assert seconds < 1.0


@pytest.mark.parametrize("num_fresh", [20, 100])
def test_what_is_paid_for_does_not_queue_behind_what_is_not(num_fresh: int) -> None:
    """A few downloads get the memory that they gave their turns back for, while a backlog queues at their host: they
    go next. Behind it, each two would wait two seconds for memory that the few hold, and nothing would finish.
    """

    async def play() -> tuple[list[float], list[str]]:
        (budget, full), loop = await full_budget(), asyncio.get_running_loop()
        done: list[float] = []

        async def end(fetcher: Fetcher, url: str) -> str:
            found = await fetched_alone(fetcher, url, budget)
            done.append(loop.time())
            return found

        async with fetching(PlayedHost(sends(900 * KIB)), max_per_host=2) as (fetcher, url):
            early = [asyncio.create_task(end(fetcher, url)) for _ in range(8)]
            await passes(20.0)  # they have all given back their turns
            fresh = [asyncio.create_task(end(fetcher, url)) for _ in range(num_fresh)]
            await passes(0.0)
            began = loop.time()
            full.release()
            ends = await asyncio.gather(*early, *fresh)
            return [when - began for when in done], ends

    seconds, ends = in_virtual_time(play())
    assert ends == ["fetched"] * (8 + num_fresh)
    assert seconds[0] <= HOLD_SECONDS + 0.1  # which those hold their turns that had them when there was no room
    assert seconds[-1] <= HOLD_SECONDS + 1.0


@pytest.mark.parametrize("num_queued", [8, 60])
def test_a_host_that_dies_gives_back_what_is_reserved_for_it(num_queued: int) -> None:
    """Its downloads got all memory and now get no answer. Others' pictures wait for a few time-outs, however many queue
    there: each attempt that fails gives back what it held, and when the host rests all of them fail at once.
    """

    async def hang(writer: asyncio.StreamWriter) -> None:
        await passes(3600.0)
        writer.transport.abort()

    async def play() -> tuple[list[str], float]:
        (budget, full), loop = await full_budget(), asyncio.get_running_loop()
        dying = PlayedHost(sends(900 * KIB))
        async with serving(PlayedHost(sends(900 * KIB))) as well, fetching(dying, well) as (fetcher, url):
            early = [asyncio.create_task(fetched_alone(fetcher, url, budget)) for _ in range(num_queued)]
            await passes(num_queued * HOLD_SECONDS)  # they have all given back their turns
            dying.send = hang
            later = [asyncio.create_task(fetched_alone(fetcher, f"http://{well}/a.jpg", budget)) for _ in range(20)]
            began = loop.time()
            full.release()
            ends = await asyncio.gather(*later)
            seconds = loop.time() - began
            assert set(await asyncio.gather(*early)) == {Reason.FETCH_TIMEOUT.value}
            return ends, seconds

    ends, seconds = in_virtual_time(play())
    assert ends == ["fetched"] * 20
    assert seconds < 6 * TIMEOUT


def test_a_host_that_trickles_still_runs_out_of_time() -> None:
    """Its time stands still only while it is we who do not read."""

    async def trickle(writer: asyncio.StreamWriter) -> None:
        writer.write(head(900 * KIB))
        for number in range(900):
            writer.write(body(KIB) if not number else bytes(KIB))
            await writer.drain()
            await passes(0.1)

    async def play() -> tuple[str, float]:
        budget, loop = Budget(300 * KIB), asyncio.get_running_loop()
        oldest = budget.lease()
        await oldest.grow(200 * KIB)
        async with fetching(PlayedHost(trickle), max_attempts=1) as (fetcher, url):
            began = loop.time()
            loop.call_later(1.5, oldest.release)
            return await fetched(fetcher, url, budget.lease()), loop.time() - began

    how, seconds = in_virtual_time(play())
    assert how == Reason.FETCH_TIMEOUT.value
    assert TIMEOUT + 1.4 <= seconds <= TIMEOUT + 1.6


def test_listings_that_wait_for_each_others_turns_and_memory_all_end() -> None:
    """Few turns at a host, room for one of twenty listings with two pictures each: whoever waits lets others go on."""

    async def play() -> float:
        budget, loop = Budget(2 << 20), asyncio.get_running_loop()
        async with fetching(PlayedHost(sends(700 * KIB)), max_per_host=2) as (fetcher, url):
            began = loop.time()

            async def listing() -> list[str]:
                lease = budget.lease()
                try:
                    return await asyncio.gather(*(fetched_beside(fetcher, url, lease) for _ in range(2)))
                finally:
                    lease.release()

            ends = await asyncio.gather(*(listing() for _ in range(20)))
            assert ends == [["fetched"] * 2] * 20
            assert budget.held == 0
            return loop.time() - began

    async def fetched_beside(fetcher: Fetcher, url: str, lease: Lease) -> str:
        await fetcher.fetch(url, lease)
        return "fetched"

    assert in_virtual_time(play()) < 20 * GIVE_UP


def test_what_is_read_before_it_is_paid_for_is_little() -> None:
    """A picture waits for memory: whatever its host has sent meanwhile, most of it is not read."""
    metrics = Metrics()

    async def play() -> tuple[float, str]:
        budget, full = await full_budget()
        async with fetching(PlayedHost(sends(900 * KIB)), metrics=metrics) as (fetcher, url):
            picture = asyncio.create_task(fetched(fetcher, url, budget.lease()))
            await passes(0.5 * HOLD_SECONDS)
            read_unpaid = metrics.snapshot()["fetch_wire_bytes"]
            assert isinstance(read_unpaid, float) and not picture.done()
            full.release()
            return read_unpaid, await picture

    read_unpaid, how = in_virtual_time(play())
    assert 0 < read_unpaid <= 160 * KIB
    assert how == "fetched"


def test_the_oldest_gets_a_turn_that_younger_ones_hold() -> None:
    """They wait for memory that only it can give back: they let go of turns and memory, and have theirs after it."""

    async def play() -> tuple[str, float, list[str]]:
        budget, loop = Budget(1 << 20), asyncio.get_running_loop()
        async with fetching(PlayedHost(sends(400 * KIB)), max_per_host=2) as (fetcher, url):
            oldest = budget.lease()
            await oldest.grow(budget.limit)  # its first picture
            younger = [asyncio.create_task(fetched(fetcher, url, budget.lease())) for _ in range(2)]
            await passes(0.5)
            began = loop.time()
            how = await fetched(fetcher, url, oldest)  # its second one
            seconds = loop.time() - began
            oldest.release()
            return how, seconds, await asyncio.gather(*younger)

    how, seconds, younger = in_virtual_time(play())
    assert (how, younger) == ("fetched", ["fetched", "fetched"])
    assert seconds < TIMEOUT / 2


def test_a_host_that_ends_what_we_do_not_read_is_not_blamed() -> None:
    """It had to wait for our memory, so its end is no failed attempt; it is asked again when there is room for all."""

    async def impatient(writer: asyncio.StreamWriter) -> None:
        picture = body(400 * KIB)
        if len(host.asked) > 2:
            writer.write(head(len(picture)) + picture)
            return
        writer.write(head(len(picture)) + picture[: 300 * KIB])  # more than is read before it is paid for
        await passes(1.5)
        writer.transport.abort()

    host = PlayedHost(impatient)

    async def play() -> tuple[list[str], float]:
        budget, loop = Budget(2 << 20), asyncio.get_running_loop()
        oldest, full = budget.lease(), budget.lease()
        await oldest.grow(1)
        await full.grow(budget.limit - 1)
        async with fetching(host, max_attempts=1) as (fetcher, url):
            began = loop.time()
            loop.call_later(1.8, full.release)
            ends = await asyncio.gather(*(fetched(fetcher, url, budget.lease()) for _ in range(2)))
            return ends, loop.time() - began

    ends, seconds = in_virtual_time(play())
    assert ends == ["fetched", "fetched"]
    assert seconds < 2.0
    assert len(host.asked) == 4


def test_a_picture_that_fails_gives_back_its_own_memory_alone() -> None:
    """What another picture of the same listing holds stays paid for."""

    async def by_turns(writer: asyncio.StreamWriter) -> None:
        is_bad = len(host.asked) == 1
        writer.write(head(200 * KIB) + body(100 if is_bad else 100 * KIB))
        await passes(2.0 if is_bad else 4.0)
        writer.write(bytes(100 * KIB))
        if is_bad:
            writer.transport.abort()

    host = PlayedHost(by_turns)

    async def play() -> tuple[int, int]:
        budget = Budget(2 << 20)
        async with fetching(host, max_attempts=1) as (fetcher, url):
            lease = budget.lease()
            bad = asyncio.create_task(fetcher.fetch(url, lease))
            await passes(0.1)
            good = asyncio.create_task(fetcher.fetch(url, lease))
            with pytest.raises(RejectedError):
                await bad
            await passes(3.0)
            during = lease.held
            picture = await good
            return during, lease.held - len(picture.body)

    assert in_virtual_time(play()) == (200 * KIB, 0)
