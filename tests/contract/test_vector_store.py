"""What every vector store promises, on one in this process and on real Redis; and what Redis in trouble may cost."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shutil
import signal
import ssl
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from structlog.testing import capture_logs

from tests.fault_proxy import FaultProxy
from tests.memory_store import MemoryVectorStore
from tests.metronome import Metronome
from tests.polling import until
from tests.servers.redis import OwnRedis
from worker.cache.vector_store import NoVectorStore, RedisVectorStore, StorePolicy, VectorStore
from worker.errors import FatalError

QUICK = StorePolicy(connect_seconds=0.3, first_knock_seconds=0.02, max_knock_seconds=0.1, write_seconds=0.5)
ALLOWED_OVER_BUDGET_SECONDS = 0.1
OPENSSL_ARGUMENTS = (
    *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"),
    *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
)


def _key(name: str) -> str:
    return f"hangtag:text:v1:test:{name}"


@asynccontextmanager
async def _open(url: str, policy: StorePolicy = QUICK) -> AsyncIterator[RedisVectorStore]:
    store = RedisVectorStore(url, policy)
    await store.start()
    try:
        async with asyncio.timeout(10):
            await store.wait_connected()
        yield store
    finally:
        await store.close()


def _through(proxy: FaultProxy, url: str, scheme: str = "redis", login: str = "") -> str:
    parts = urlsplit(url)
    given = parts.netloc.rpartition("@")[0]
    who = login or given
    return f"{scheme}://{who + '@' if who else ''}127.0.0.1:{proxy.port}{parts.path}"


def _proxy(url: str, tls: ssl.SSLContext | None = None) -> FaultProxy:
    parts = urlsplit(url)
    return FaultProxy(parts.hostname or "127.0.0.1", parts.port or 6379, tls=tls)


async def _seconds(action: Awaitable[object]) -> float:
    """What it took beyond what the event loop was late in the meantime: this machine may be busy with other things."""
    async with Metronome() as metronome:
        started = time.monotonic()
        await action
        took = time.monotonic() - started
        return took - metronome.take_late()


@pytest.fixture
def name() -> str:
    """A key that no other test uses."""
    return _key(uuid.uuid4().hex)


@pytest_asyncio.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[VectorStore]:
    """Both stores, connected."""
    if request.param == "memory":
        yield MemoryVectorStore()
        return
    async with _open(request.getfixturevalue("redis_url")) as opened:
        yield opened


class TestEveryStore:
    """The promises of ``VectorStore``."""

    async def test_what_was_put_comes_back(self, store: VectorStore, name: str) -> None:
        """Any bytes survive, NUL and invalid UTF-8 included."""
        value = bytes(range(256)) * 4
        written = await store.put_many({name: value})
        assert (written.num_stored, written.num_failed) == (1, 0)
        assert await store.get_many([name]) == await store.get_many([name])
        assert (await store.get_many([name])).values == (value,)

    async def test_order_and_gaps_are_kept(self, store: VectorStore, name: str) -> None:
        """One answer per key, in order, None where nothing is there; a key may come twice."""
        await store.put_many({name + "a": b"A", name + "c": b"C"})
        looked = await store.get_many([name + "c", name + "b", name + "a", name + "c"])
        assert looked.values == (b"C", None, b"A", b"C")
        assert looked.outcome == "answered"

    async def test_the_later_value_wins(self, store: VectorStore, name: str) -> None:
        """Writing again replaces."""
        await store.put_many({name: b"old"})
        await store.put_many({name: b"new"})
        assert (await store.get_many([name])).values == (b"new",)

    async def test_many_at_once(self, store: VectorStore, name: str) -> None:
        """A large batch goes in and comes out in one call each."""
        values = {f"{name}{i}": str(i).encode() * 400 for i in range(200)}
        assert (await store.put_many(values)).num_stored == 200
        assert (await store.get_many(list(values))).values == tuple(values.values())

    async def test_concurrent_callers_get_their_own(self, store: VectorStore, name: str) -> None:
        """Answers never cross between look-ups that run at the same time."""
        await store.put_many({f"{name}{i}": str(i).encode() for i in range(20)})
        answers = await asyncio.gather(*(store.get_many([f"{name}{i}"]) for i in range(4)))
        assert [answer.values for answer in answers] == [(str(i).encode(),) for i in range(4)]


async def test_no_store_answers_nothing() -> None:
    """Without Redis nothing is found and nothing is claimed to be stored."""
    store = NoVectorStore()
    await store.start()
    assert (await store.get_many(["a", "b"])).values == (None, None)
    assert (await store.put_many({"a": b""})).num_stored == 0
    assert not store.enabled
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://host/",
        "redis://host:port/0",
        "redis://u:pa/ss-hunter2@h:1/0",
        "redis://h?db=x",
        "redis://h?nonsense=1",
        "h:6",
    ],
)
async def test_impossible_urls_stop_the_worker(url: str) -> None:
    """A URL that can never work is fatal at the start, with a remedy, and without the password it may hold."""
    with pytest.raises(FatalError, match=r"redis\.url cannot be used.*redis://user") as caught:
        await RedisVectorStore(url).start()
    assert "hunter2" not in str(caught.value) and caught.value.__cause__ is None


async def test_a_redis_that_never_was_does_not_hold_up_the_start(unused_tcp_port: int) -> None:
    """Start returns at once, look-ups cost nothing, writes are reported as failed, closing is quick."""
    store = RedisVectorStore(f"redis://127.0.0.1:{unused_tcp_port}/0", QUICK)
    assert await _seconds(store.start()) < 0.1
    assert (await store.get_many([_key("x")])).outcome == "breaker_open"
    assert (await store.put_many({_key("x"): b"v"})).num_failed == 1
    assert await _seconds(store.close()) < 1.0


@pytest.mark.redis
class TestRedisInTrouble:
    """Slow, dead, full, forbidden: time is bounded, errors never surface, recovery needs nobody."""

    async def test_time_to_live_is_spread(self, redis_url: str, name: str) -> None:
        """Each value gets 30 days within 10 %, and not all the same."""
        async with _open(redis_url) as store, Redis.from_url(redis_url) as admin:
            keys = [f"{name}{i}" for i in range(50)]
            await store.put_many(dict.fromkeys(keys, b"v"))
            days = [await admin.pttl(key) / 86_400_000 for key in keys]
        assert all(26.9 <= day <= 33.1 for day in days)
        assert max(days) - min(days) > 1

    async def test_slow_costs_the_budget_and_no_more(self, redis_url: str, name: str) -> None:
        """A Redis that needs 500 ms is given up on after 50 ms, and after three times it is not asked."""
        async with _proxy(redis_url) as proxy, _open(_through(proxy, redis_url)) as store:
            proxy.delay_seconds = 0.5
            outcomes = []
            for _ in range(5):
                looking = asyncio.ensure_future(store.get_many([name]))
                took = await _seconds(looking)
                outcomes.append(looking.result().outcome)
                assert took < QUICK.budget_seconds + ALLOWED_OVER_BUDGET_SECONDS
            assert outcomes == ["timeout"] * 3 + ["breaker_open"] * 2

    async def test_constant_slowness_keeps_it_shut_out(self, redis_url: str, name: str) -> None:
        """A Redis that answers a knock, but slower than look-ups may take, is not let in again and again."""
        async with _proxy(redis_url) as proxy, _open(_through(proxy, redis_url)) as store:
            proxy.delay_seconds = 0.07
            for _ in range(3):
                await store.get_many([name])
            enough = proxy.num_connections + 4  # each knock that runs out of time costs its connection
            outcomes = {(await store.get_many([name])).outcome}

            async def knocked_often() -> bool:
                outcomes.add((await store.get_many([name])).outcome)
                return proxy.num_connections >= enough

            await until(knocked_often)
            assert outcomes == {"breaker_open"}

    @pytest.mark.parametrize("trouble", ["kill", "black hole"])
    async def test_ten_outages_in_a_row(self, redis_url: str, name: str, trouble: str) -> None:
        """In and after each of ten outages no look-up is late or raises, and within seconds values are found again."""
        async with _proxy(redis_url) as proxy, _open(_through(proxy, redis_url)) as store:
            for round_number in range(10):
                key = f"{name}{round_number}"
                assert (await store.put_many({key: b"v"})).num_stored == 1
                await (proxy.kill() if trouble == "kill" else _call(proxy.swallow))
                slowest = max([await _seconds(store.get_many([key])) for _ in range(6)])
                assert slowest < QUICK.budget_seconds + ALLOWED_OVER_BUDGET_SECONDS
                assert (await store.get_many([key])).outcome == "breaker_open"
                await (proxy.revive() if trouble == "kill" else _call(proxy.flow))
                assert await until(partial(_finds, store, key)) < 10

    async def test_full_redis_still_answers(self, redis_url: str, name: str) -> None:
        """When Redis is out of memory writes fail and are counted, and look-ups go on."""
        async with _open(redis_url) as store, Redis.from_url(redis_url) as admin:
            await store.put_many({name: b"v"})
            limits = {key: str(value) for key, value in (await admin.config_get("maxmemory*")).items()}
            await admin.config_set("maxmemory-policy", "noeviction")
            await admin.config_set("maxmemory", 1)
            try:
                written = await store.put_many({name + "b": b"v", name + "c": b"v"})
                looked = await store.get_many([name])
            finally:
                await admin.config_set("maxmemory", limits["maxmemory"])
                await admin.config_set("maxmemory-policy", limits["maxmemory-policy"])
        assert (written.num_stored, written.num_failed) == (0, 2)
        assert (looked.values, looked.outcome) == ((b"v",), "answered")

    async def test_an_evicting_redis_forgets_and_goes_on(self, own_redis: OwnRedis, name: str) -> None:
        """With a cap on memory and an eviction policy writes succeed, and what was evicted is a miss."""
        await asyncio.to_thread(own_redis.start)
        async with _open(own_redis.url) as store, Redis.from_url(own_redis.url) as admin:
            used = int((await admin.info("memory"))["used_memory"])
            await admin.config_set("maxmemory-policy", "allkeys-lru")
            await admin.config_set("maxmemory", used + 2_000_000)
            written = [await store.put_many({f"{name}{i}-{j}": bytes(20_000) for j in range(20)}) for i in range(20)]
            looked = await store.get_many([f"{name}{i}-{j}" for i in range(20) for j in range(5)])
        assert sum(one.num_stored for one in written) == 400
        assert looked.outcome == "answered" and None in looked.values

    async def test_a_replica_serves_look_ups_and_refuses_writes(self, own_redis: OwnRedis, name: str) -> None:
        """READONLY is counted and said once, and is no reason to stop reading; after a promotion writes succeed."""
        await asyncio.to_thread(own_redis.start)
        async with Redis.from_url(own_redis.url) as admin, _open(own_redis.url) as store:
            await store.put_many({name: b"v"})
            await admin.replicaof("127.0.0.1", "1")
            with capture_logs() as logs:
                refused = [await store.put_many({name + "b": b"v"}) for _ in range(5)]
            looked = await store.get_many([name])
            await admin.replicaof("NO", "ONE")
            assert (await store.put_many({name + "b": b"v"})).num_stored == 1
        assert [one.num_failed for one in refused] == [1] * 5
        assert (looked.values, looked.outcome) == ((b"v",), "answered")
        assert [line["event"] for line in logs] == ["cache.write_refused"] and "read only" in logs[0]["why"].lower()

    async def test_a_frozen_process_is_a_black_hole(self, own_redis: OwnRedis, name: str) -> None:
        """A Redis that was stopped as a process, connections open: look-ups within the budget; thawed, it serves."""
        await asyncio.to_thread(own_redis.start)
        async with Redis.from_url(own_redis.url) as admin, _open(own_redis.url) as store:
            pid = int((await admin.info("server"))["process_id"])
            await store.put_many({name: b"v"})
            os.kill(pid, signal.SIGSTOP)
            slowest = max([await _seconds(store.get_many([name])) for _ in range(6)])
            os.kill(pid, signal.SIGCONT)
            assert await until(partial(_finds, store, name)) < 10
        assert slowest < QUICK.budget_seconds + ALLOWED_OVER_BUDGET_SECONDS

    async def test_a_restart_without_its_data_is_misses(self, own_redis: OwnRedis, name: str) -> None:
        """Connections of before the restart are found dead and replaced; what was stored is computed again."""
        await asyncio.to_thread(own_redis.start)
        async with _open(own_redis.url) as store:
            await store.put_many({name: b"v"})
            own_redis.stop()
            await store.get_many([name])
            await asyncio.to_thread(own_redis.start)
            assert await until(lambda: _misses(store, name)) < 10
            assert (await store.put_many({name: b"v"})).num_stored == 1

    async def test_a_user_who_may_not_write_still_reads(self, redis_url: str, name: str) -> None:
        """NOPERM on SET costs the writes alone."""
        async with Redis.from_url(redis_url) as admin, _proxy(redis_url) as proxy:
            await admin.set(name, b"v", px=60_000)
            await admin.acl_setuser(
                "hangtag-reader", enabled=True, passwords=["+pw"], keys=["hangtag:text:*"], commands=["+mget"]
            )
            try:
                async with _open(_through(proxy, redis_url, login="hangtag-reader:pw")) as store:
                    assert (await store.put_many({name + "b": b"v"})).num_failed == 1
                    assert (await store.get_many([name])).values == (b"v",)
            finally:
                await admin.acl_deluser("hangtag-reader")

    async def test_the_smallest_acl_is_enough(self, redis_url: str, name: str) -> None:
        """A user who may only MGET and SET under our prefix is all it takes."""
        async with Redis.from_url(redis_url) as admin, _proxy(redis_url) as proxy:
            await admin.acl_setuser(
                "hangtag-test",
                enabled=True,
                passwords=["+pw"],
                keys=["hangtag:text:*"],
                commands=["+mget", "+set"],
                reset=True,
            )
            try:
                async with _open(_through(proxy, redis_url, login="hangtag-test:pw")) as store:
                    assert (await store.put_many({name: b"v"})).num_stored == 1
                    assert (await store.get_many([name])).values == (b"v",)
                    foreign = await store.get_many(["session:secret"])
                    assert (foreign.values, foreign.outcome) == ((None,), "error")
            finally:
                await admin.acl_deluser("hangtag-test")

    async def test_a_wrong_password_heals_when_it_is_mended(self, redis_url: str, name: str) -> None:
        """A refused log-in is no error for the worker; once the user exists look-ups work without a restart."""
        async with Redis.from_url(redis_url) as admin, _proxy(redis_url) as proxy:
            store = RedisVectorStore(_through(proxy, redis_url, login="hangtag-late:pw"), QUICK)
            await store.start()
            await until(lambda: _true(proxy.num_connections > 0))
            assert (await store.get_many([name])).outcome == "breaker_open"
            await admin.acl_setuser("hangtag-late", enabled=True, passwords=["+pw"], keys=["*"], commands=["+mget"])
            try:
                async with asyncio.timeout(10):
                    await store.wait_connected()
                assert (await store.get_many([name])).outcome == "answered"
            finally:
                await store.close()
                await admin.acl_deluser("hangtag-late")

    async def test_tls_by_url(self, redis_url: str, name: str, tmp_path: Path) -> None:
        """rediss:// works with a private authority named in the URL, and an unknown authority is refused."""
        certificate, context = _self_signed(tmp_path)
        async with _proxy(redis_url, tls=context) as proxy:
            url = _through(proxy, redis_url, scheme="rediss")
            async with _open(f"{url}?ssl_ca_certs={certificate}") as store:
                await store.put_many({name: b"v"})
                assert (await store.get_many([name])).values == (b"v",)
            with capture_logs() as logs:
                patient = replace(QUICK, connect_seconds=30)  # a busy machine's handshake must not end in a timeout
                distrusting = RedisVectorStore(url, patient)
                await distrusting.start()
                await until(lambda: _true(bool(logs)))
                assert (await distrusting.get_many([name])).outcome == "breaker_open"
                await distrusting.close()
            assert [(line["event"], "certificate" in line["why"]) for line in logs] == [("cache.away", True)]

    async def test_text_answers_are_not_taken(self, redis_url: str, name: str) -> None:
        """A URL that asks redis-py to decode values does not change them."""
        joiner = "&" if "?" in redis_url else "?"
        async with _open(f"{redis_url}{joiner}decode_responses=True") as store:
            await store.put_many({name: b"\xff\x00"})
            assert (await store.get_many([name])).values == (b"\xff\x00",)

    async def test_values_of_other_kinds_are_misses(self, redis_url: str, name: str) -> None:
        """A list or a hash under our key is nothing."""
        async with _open(redis_url) as store, Redis.from_url(redis_url) as admin:
            await admin.rpush(name, "x")
            assert (await store.get_many([name])).values == (None,)
            await admin.delete(name)

    async def test_expired_values_are_misses(self, redis_url: str, name: str) -> None:
        """What outlived its time is gone."""
        policy = replace(QUICK, ttl_seconds=0.02)
        async with _open(redis_url, policy) as store:
            await store.put_many({name: b"v"})
            assert math.isfinite(await until(lambda: _misses(store, name)))


@pytest.mark.parametrize(
    "answer",
    [
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.\r\n",
        b"-CLUSTERDOWN The cluster is down\r\n",
        b"-MOVED 3999 127.0.0.1:1\r\n",
        b"-MOVED nowhere\r\n",
        b"-ASK 1 2\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        b"-ERR max number of clients reached\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"*1\r\n$1000000000\r\n",
        b"*-1\r\n",
        b"*2\r\n$1\r\nx\r\n$1\r\ny\r\n",
        b"\x00\xff" * 100,
        b"",
    ],
)
async def test_whatever_answers_instead_is_shut_out(answer: bytes, unused_tcp_port: int) -> None:
    """Redis that is loading, busy or full, another protocol, half an answer, too many values: no look-up raises, each
    comes within the budget, and nothing is believed.
    """

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(65_536):
                writer.write(answer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", unused_tcp_port):
        store = RedisVectorStore(f"redis://127.0.0.1:{unused_tcp_port}/0", QUICK)
        with capture_logs() as logs:
            await store.start()
            began = asyncio.get_running_loop().time()
            await until(lambda: _true(bool(logs)))
            looked = [await store.get_many([_key("x")]) for _ in range(5)]
            waited = asyncio.get_running_loop().time() - began
            await store.close()
    assert all(one.values == (None,) and one.outcome != "answered" for one in looked)
    assert waited < 5


async def _true(holds: bool) -> bool:
    return holds


async def _call(action: Callable[[], None]) -> None:
    action()


async def _finds(store: VectorStore, key: str) -> bool:
    return (await store.get_many([key])).values == (b"v",)


async def _misses(store: VectorStore, key: str) -> bool:
    looked = await store.get_many([key])
    return looked.outcome == "answered" and looked.values == (None,)


def _self_signed(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for 127.0.0.1 and a server context that shows it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [openssl, *OPENSSL_ARGUMENTS, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
