"""Sole owner of the Redis connection: values in and out, within a budget, never an error.

Redis is a cache. Slow, dead, full or unreachable, a look-up answers within the budget with what it has, which may be
nothing. After a few failures in a row the breaker opens: look-ups then cost nothing, and a background task knocks until
Redis answers again. Whether a value can be believed is the codec's business, not this file's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, RedisError

from worker.errors import FatalError

log = structlog.get_logger(__name__)

LookupOutcome = Literal["answered", "timeout", "error", "breaker_open", "off"]
_SECONDS_PER_DAY = 86_400.0
_KNOCK_KEY = "hangtag:text:v1:knock"  # never written; under the prefix that an ACL lets us read
_LET_GO_SECONDS = 0.2
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StorePolicy:
    """How long Redis may take and when it is left alone. All times in seconds."""

    budget_seconds: float = 0.05  # one look-up, whatever happens
    write_seconds: float = 1.0  # one batch of writes, in the background
    connect_seconds: float = 2.0  # one knock while the breaker is open: connect, TLS, log in, PING
    ttl_seconds: float = 30 * _SECONDS_PER_DAY
    ttl_jitter: float = 0.1  # so that what was written together does not expire together
    failures_to_open: int = 3
    first_knock_seconds: float = 0.25
    max_knock_seconds: float = 4.0
    max_connections: int = 4


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look-up brought: one value or None per key, in order."""

    values: tuple[bytes | None, ...]
    outcome: LookupOutcome


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a batch of writes; counts of values."""

    num_stored: int
    num_failed: int


class VectorStore(Protocol):
    """Bytes by key, shared between workers. Only ``start`` may raise; everything runs on the event loop."""

    enabled: bool  # False: asking and writing are a waste

    async def start(self) -> None:
        """Begin connecting, in the background. Raises FatalError for settings that can never work."""
        ...

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """One value or None per key, in order, within the budget."""
        ...

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """Store all of them with a time to live."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class NoVectorStore:
    """No shared cache: ``redis.url`` is empty."""

    enabled = False

    async def start(self) -> None:
        """Nothing to connect."""

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """Nothing is there."""
        return Looked((None,) * len(keys), "off")

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """Nothing is stored."""
        return Written(0, len(values))

    async def close(self) -> None:
        """Nothing to close."""


class Breaker:
    """Pure: open after ``failures_to_open`` failures in a row, and how long to wait before each knock.

    Waits double from one knock to the next, and go on where they were if Redis fails again before one look-up worked.
    """

    def __init__(self, policy: StorePolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._wait_seconds = policy.first_knock_seconds
        self.is_open = True  # until the first knock is answered

    def succeed(self) -> None:
        """A look-up worked."""
        self._failures = 0
        self._wait_seconds = self._policy.first_knock_seconds

    def fail(self) -> bool:
        """A look-up failed. True if that opened the breaker."""
        self._failures += 1
        opened = not self.is_open and self._failures >= self._policy.failures_to_open
        self.is_open = self.is_open or opened
        return opened

    def close(self) -> None:
        """A knock was answered: try look-ups again."""
        self._failures = 0
        self.is_open = False

    def next_wait(self) -> float:
        """Seconds to wait before the next knock."""
        wait = self._wait_seconds
        self._wait_seconds = min(2 * wait, self._policy.max_knock_seconds)
        return wait


class RedisVectorStore:
    """Vectors in Redis: one MGET per look-up, one pipeline per batch of writes. TLS and ACL user come with the URL."""

    enabled = True

    def __init__(self, url: str, policy: StorePolicy | None = None) -> None:
        self._url = url
        self._policy = policy or StorePolicy()
        self._breaker = Breaker(self._policy)
        self._wanted = asyncio.Event()
        self._answers = asyncio.Event()
        self._redis: Redis | None = None
        self._knocking: asyncio.Task[None] | None = None
        self._complaint: str | None = None
        self._refusal: str | None = None
        self._asking: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Begin connecting, in the background. Raises FatalError for a URL that can never work."""
        self._redis = _client(self._url, self._policy)
        self._wanted.set()
        self._knocking = asyncio.create_task(self._knock_for_ever(self._redis), name="hangtag-redis-knock")

    async def wait_connected(self) -> None:
        """Return once Redis answers; the caller sets the deadline."""
        await self._answers.wait()

    async def get_many(self, keys: Sequence[str]) -> Looked:
        """One value or None per key, in order, within ``budget_seconds``."""
        nothing = (None,) * len(keys)
        if self._redis is None or self._breaker.is_open:
            return Looked(nothing, "breaker_open")
        try:
            found = await self._within(self._policy.budget_seconds, _ask(self._redis, keys))
        except TimeoutError:
            return Looked(nothing, self._failed("timeout", "no answer within the budget"))
        except (RedisError, OSError) as error:
            return Looked(nothing, self._failed("error", _words(error)))
        self._breaker.succeed()
        return Looked(tuple(value if isinstance(value, bytes) else None for value in found), "answered")

    async def put_many(self, values: Mapping[str, bytes]) -> Written:
        """Store all with a time to live; what fails is counted, not raised, and is not retried."""
        if self._redis is None or self._breaker.is_open or not values:
            return Written(0, len(values))
        pipe = self._redis.pipeline(transaction=False)
        for key, value in values.items():
            pipe.set(key, value, px=self._ttl_ms())
        try:
            answers = await self._within(self._policy.write_seconds, pipe.execute(raise_on_error=False))
        except TimeoutError:
            self._failed("timeout", "a write was not confirmed in time")
            return Written(0, len(values))
        except (RedisError, OSError) as error:
            self._failed("error", _words(error))
            return Written(0, len(values))
        return self._count(answers)

    async def close(self) -> None:
        """Stop knocking and close the connections; a Redis that hangs does not hold it up."""
        if self._knocking is not None:
            self._knocking.cancel()
            await asyncio.wait([self._knocking])
        if self._redis is not None:
            try:
                await self._within(self._policy.connect_seconds, self._redis.aclose())
            except (TimeoutError, RedisError, OSError) as error:
                log.info("cache.close_failed", error=_words(error))
        if self._asking:
            await asyncio.wait(self._asking, timeout=_LET_GO_SECONDS)

    async def _within(self, seconds: float, answer: Coroutine[Any, Any, T]) -> T:
        """The answer, or TimeoutError after ``seconds``, also where redis-py swallows the cancellation.

        It does so now and then while it connects; a plain timeout then lasts as long as the socket's. So the question
        is a task of its own, which is left to end by itself.
        """
        asking = asyncio.create_task(answer)
        self._asking.add(asking)
        asking.add_done_callback(self._forget)
        try:
            await asyncio.wait([asking], timeout=seconds)
            if not asking.done() or asking.cancelled():
                raise TimeoutError
            return _result(asking)
        finally:
            asking.cancel()

    def _forget(self, asked: asyncio.Task[Any]) -> None:
        self._asking.discard(asked)
        if not asked.cancelled():
            asked.exception()  # looked at, so that asyncio does not complain of what nobody waited for

    def _failed(self, outcome: LookupOutcome, why: str) -> LookupOutcome:
        if self._breaker.fail():
            self._answers.clear()
            self._wanted.set()
            self._complain(why)
        return outcome

    def _count(self, answers: Sequence[object]) -> Written:
        """Redis that takes no writes (full, a replica, forbidden) still answers look-ups: said once per reason."""
        refusals = [answer for answer in answers if isinstance(answer, Exception)]
        why = _words(refusals[0]) if refusals else None
        if why is not None and why != self._refusal:
            log.warning("cache.write_refused", why=why, effect="look-ups go on; nothing new is remembered in Redis")
        self._refusal = why
        return Written(len(answers) - len(refusals), len(refusals))

    def _ttl_ms(self) -> int:
        spread = random.uniform(-self._policy.ttl_jitter, self._policy.ttl_jitter)  # noqa: S311  # not a secret
        return round(1_000 * self._policy.ttl_seconds * (1 + spread))

    # ---- background ---------------------------------------------------------------------------------------------

    async def _knock_for_ever(self, redis: Redis) -> None:
        while True:
            await self._wanted.wait()
            while (complaint := await self._knock(redis)) is not None:
                self._complain(complaint)
                await asyncio.sleep(self._breaker.next_wait())
            self._wanted.clear()
            self._breaker.close()
            self._answers.set()
            self._complaint = None
            log.info("cache.connected")
            # One that answers a knock but no look-up would open the breaker at once: waits grow until a look-up works.
            await asyncio.sleep(self._breaker.next_wait())

    async def _knock(self, redis: Redis) -> str | None:
        """None if Redis would serve look-ups; otherwise why not.

        It does what a look-up does, first with time to connect and then within the budget, so that a Redis that is
        merely slow, or that forbids MGET, stays shut out instead of being let in and thrown out again.
        """
        try:
            await self._within(self._policy.connect_seconds, _ask(redis, [_KNOCK_KEY]))
            await self._within(self._policy.budget_seconds, _ask(redis, [_KNOCK_KEY]))
        except TimeoutError:
            return "it does not answer in time"
        except (RedisError, OSError) as error:
            return _words(error)
        return None

    def _complain(self, why: str) -> None:
        """Warn once per reason, not once per knock."""
        if why != self._complaint:
            self._complaint = why
            log.warning("cache.away", why=why, effect="titles are computed instead; the worker goes on")


def _result(asked: asyncio.Task[T]) -> T:
    """What came of it; whatever else redis-py stumbles over in an answer (ValueError for a MOVED without a host) is an
    answer that is none.
    """
    error = asked.exception()
    if error is None or isinstance(error, RedisError | OSError):
        return asked.result()
    raise InvalidResponse(f"it answers what redis-py cannot read ({type(error).__name__})") from error


async def _ask(redis: Redis, keys: Sequence[str]) -> Sequence[object]:
    """One answer per key, or an error: what answers there need not be Redis."""
    found = await redis.mget(list(keys))
    if not isinstance(found, list) or len(found) != len(keys):
        raise InvalidResponse(f"asked for {len(keys)} values and got something else")
    return found


def _client(url: str, policy: StorePolicy) -> Redis:
    """A client whose pool waits no longer than the policy, whatever the URL says."""
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=policy.max_connections,
            timeout=policy.write_seconds,
            protocol=2,  # with 3, redis-py trusts a connection that still has unread data
            socket_connect_timeout=policy.connect_seconds,
            socket_timeout=max(policy.connect_seconds, policy.write_seconds),
            retry=Retry(NoBackoff(), 1),
        )
        pool.connection_kwargs["decode_responses"] = False  # a URL may ask for text; values are bytes
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, RedisError) as error:
        raise FatalError(
            f"redis.url cannot be used: {type(error).__name__}; it must look like redis://user:password@host:6379/0, "
            "rediss://... for TLS, or unix:///path; only options that redis-py knows may follow a '?'"
        ) from None  # its message can hold part of a password that was taken for a port
    return Redis.from_pool(pool)


def _words(error: Exception) -> str:
    """What the server or the socket said, without what the client sent."""
    return f"{type(error).__name__}: {str(error)[:200]}"
