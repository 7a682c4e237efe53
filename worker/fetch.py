"""Image URL to bytes: the only place that opens sockets to image hosts.

Redirects are followed here, by hand, so that each target passes the guard. Bodies are read in steps that admission pays
for, but for what a socket has read ahead. Trouble that can heal is tried again with growing, jittered waits until
``give_up_seconds`` are over, which bound attempts, waits between them, and waiting for a turn at a host that fails
(`worker.fetching.patience`). A turn at a host that is well is waited for however long it takes, and so is memory of
ours (`worker.fetching.allowance`): neither is the host's fault, and neither uses up its time.

The loop is our own and not stamina's: a wait has to honour the host's Retry-After and the rest its breaker prescribes,
must not begin if it would end past the limit, and tests drive clock and wait by hand; stamina stops only after it
has waited, on a clock of its own.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from model.pictures.formats import HEAD_BYTES, sniff
from schemas.deadletter import Reason, Stage
from worker.clock import Clock, MonotonicClock
from worker.errors import RejectedError
from worker.fetching.allowance import Allowance, NoRoomError
from worker.fetching.dial import GuardedConnector, WireBudget
from worker.fetching.failures import RetryError, failure_of, rejected
from worker.fetching.guard import Guard, RefusedError, shown
from worker.fetching.hosts import Host, Hosts, Pacing, Slot
from worker.fetching.patience import Patience
from worker.flow.admission import Lease
from worker.item import FetchedImage
from worker.metrics import Metrics

_STEP_BYTES = 64 << 10
_MAX_FIRST_BYTES = 256 << 10  # of a stated length that are paid for before they have come
# aiohttp stops reading at twice this, and each stop costs as much as a download of 90 kB without one. So a download may
# hold 160 KiB before it pays, and half a MiB beyond what it has paid for later: 64 MiB for all connections together.
_BUFFER_BYTES = 64 << 10
_HEAD_BYTES = 60 << 10  # what a host may send before a body: TLS handshake, interim answers, headers
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 8190
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_WAIT_SECONDS = 15.0
_SHARE_TO_JUDGE = 0.5  # of ``timeout_seconds``: with less left to it than that, a host is not blamed for a time-out


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits of one picture's download; times in seconds."""

    timeout_seconds: float = 8.0
    max_bytes: int = 10 << 20
    max_redirects: int = 3
    give_up_seconds: float = 120.0
    max_host_rate: float = 0.0  # requests a second to one host; 0: no limit
    allow_endpoints: tuple[str, ...] = ()
    max_per_host: int = 16
    max_connections: int = 128
    first_wait_seconds: float = 0.25
    max_attempts: int = 6
    user_agent: str = "hangtag"


@dataclass(frozen=True, slots=True)
class _Limit:
    """Seconds that a host has for its part of a download, and what is said when they were too few."""

    seconds: float
    words: str


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for, and what it may cost: memory of ours, bytes off the wire, time of its host."""

    url: URL
    memory: Allowance
    budget: WireBudget
    time: asyncio.Timeout


class Fetcher:
    """The HTTP session and what is known of each host. Runs on the event loop."""

    def __init__(
        self,
        policy: FetchPolicy,
        metrics: Metrics,
        *,
        clock: Clock | None = None,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._policy = policy
        self._metrics = metrics
        self._guard = Guard(policy.allow_endpoints)
        self._clock = clock or MonotonicClock()
        self._wait = wait
        self._resolver = resolver
        self._hosts = Hosts(
            self._clock, policy.max_per_host, policy.max_connections, Pacing(policy.max_host_rate, wait)
        )
        self._session: aiohttp.ClientSession | None = None
        self._is_spare = False

    def spare(self) -> Fetcher:
        """The same session and hosts, after ``start``, for a backfill: it lets live listings go first."""
        twin = copy(self)
        twin._is_spare = True
        return twin

    async def start(self) -> None:
        """Open the session: no cookies, no proxy from the environment, no compression that could be a bomb."""
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(
                self._guard, self._policy.max_connections, self._metrics.fetch_wire_bytes.inc, self._resolver
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
            headers={"User-Agent": self._policy.user_agent, "Accept": "image/*", "Accept-Encoding": "identity"},
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, lease: Lease) -> FetchedImage:
        """The picture's bytes; ``lease`` grows by as many. Raises RejectedError, stage ``fetch``, and then holds
        nothing.
        """
        try:
            image = await self._until_given_up(url, lease)
        except RejectedError as error:
            self._metrics.fetch_outcomes.labels(error.reason.value).inc()
            raise
        self._metrics.fetch_outcomes.labels("fetched").inc()
        self._metrics.fetch_bytes.inc(len(image.body))
        return image

    async def _until_given_up(self, url: str, lease: Lease) -> FetchedImage:
        patience = Patience(self._clock, max(self._policy.give_up_seconds, self._policy.timeout_seconds))
        memory = Allowance(lease, self._policy.max_bytes)
        cause: RejectedError | None = None
        num_failed = num_bytes = 0
        while True:
            try:
                return await self._attempt(url, memory, patience)
            except NoRoomError as error:  # no attempt that failed: there is no fault but ours
                wait, num_bytes = 0.0, error.num_bytes
            except RetryError as error:
                if not error.is_rest or cause is None:  # what is wrong with the host says more than that it rests
                    cause = error.rejected
                wait = max(error.wait_seconds, self._backoff(num_failed))
                num_failed, num_bytes = num_failed + 1, 0
                if num_failed == self._policy.max_attempts or patience.spent + wait > self._policy.give_up_seconds:
                    tries = f" ({num_failed} attempts)" if num_failed > 1 else ""
                    raise RejectedError(cause.reason, Stage.FETCH, cause.detail + tries) from error
            if num_bytes:  # not above, where the error still holds what was read
                patience.excuse(await memory.reserve(num_bytes))
            else:
                await self._wait(wait)

    def _backoff(self, attempt: int) -> float:
        wait = min(_MAX_WAIT_SECONDS, self._policy.first_wait_seconds * 4.0**attempt)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load; not a secret

    # ---- one attempt --------------------------------------------------------------------------------------------

    async def _attempt(self, url: str, memory: Allowance, patience: Patience) -> FetchedImage:
        """One try, redirects included; holds nothing after an error."""
        memory.kept_seconds = 0.0
        try:
            return await self._follow(url, memory, patience)
        except BaseException:
            memory.shrink_to(0)
            raise

    async def _follow(self, url: str, memory: Allowance, patience: Patience) -> FetchedImage:
        """To wherever it leads. Its time runs only while it has a turn at a host."""
        seconds = self._policy.timeout_seconds
        num_bytes = self._policy.max_bytes + _HEAD_BYTES
        try:
            target = self._guard.check_url(url)
            for _ in range(self._policy.max_redirects + 1):
                budget = WireBudget(num_bytes)
                slot = self._hosts.slot(str(target.origin()), is_spare=self._is_spare, is_paid=memory.held > 0)
                await self._wait_for(slot, target, patience)
                try:
                    self._check_rest(slot.host, target)
                    began = self._clock.now()
                    limit = self._limit(slot.host, seconds, patience)
                    found = await self._on_host(slot, target, memory, budget, limit)
                    seconds -= self._clock.now() - began
                    num_bytes = budget.total
                finally:
                    patience.excuse(memory.kept_seconds)
                    slot.leave()
                if isinstance(found, bytes):
                    return FetchedImage(url, found, hashlib.sha256(found).hexdigest())
                target = found
        except RefusedError as error:
            self._metrics.fetch_refused.labels(error.rule).inc()
            raise rejected(Reason.URL_REFUSED, f"{shown(url)}: {error.detail}") from error
        most = self._policy.max_redirects
        raise rejected(Reason.HTTP_ERROR, f"{shown(url)}: more than {most} redirects; raise fetch.max_redirects")

    async def _wait_for(self, slot: Slot, url: URL, patience: Patience) -> None:
        """Hold the slot at the URL's host, unless the host keeps failing for longer than our patience."""
        try:
            await patience.wait_for(slot)
        except TimeoutError as error:
            last = slot.host.last_failure
            reason = last.reason if last else Reason.FETCH_TIMEOUT
            raise rejected(reason, f"{shown(url)}: the host kept failing{self._given_up}") from error

    def _limit(self, host: Host, seconds: float, patience: Patience) -> _Limit:
        """Of the ``seconds`` that a download still has, those that may be spent at this host now."""
        if host.failures_in_a_row and patience.left < seconds:
            return _Limit(max(0.0, patience.left), f"the host kept failing{self._given_up}")
        told = f"not done within {self._policy.timeout_seconds:g} s"
        redirected = "" if seconds == self._policy.timeout_seconds else ", redirects included"
        return _Limit(seconds, f"{told}{redirected} (fetch.timeout_seconds)")

    @property
    def _given_up(self) -> str:
        return f" for {self._policy.give_up_seconds:g} s (fetch.give_up_seconds)"

    def _check_rest(self, host: Host, url: URL) -> None:
        """Raise RetryError while this host is left alone."""
        if rest := self._hosts.rest_left(host):
            reason = host.last_failure.reason if host.last_failure else Reason.CONNECT_FAILED
            most = f"fetch.give_up_seconds is {self._policy.give_up_seconds:g}"
            detail = f"{shown(url)}: the host failed again and again and is left alone for a moment ({most})"
            raise RetryError(rejected(reason, detail), is_rest=True, wait_seconds=rest)

    async def _on_host(self, slot: Slot, url: URL, memory: Allowance, budget: WireBudget, limit: _Limit) -> bytes | URL:
        """A body, or where the host sends us."""
        try:
            with budget.spent_here():
                async with asyncio.timeout(limit.seconds) as time:
                    found = await self._ask(_Request(url, memory, budget, time))
        except Exception as error:
            failure = self._overdrawn(url, budget) if budget.is_overdrawn else failure_of(error, url, limit.words)
            failure = _cut_off(failure, memory) or failure
            slot.excuse(memory.kept_seconds)
            self._judge(slot, failure, limit)
            try:
                if failure is error:
                    raise
                raise failure from error
            finally:
                del failure  # else its traceback holds this frame, which holds it: all would wait for the collector
        self._hosts.succeeded(slot.host)
        return found

    def _judge(self, slot: Slot, failure: Exception, limit: _Limit) -> None:
        """Note what this failure says of the host."""
        if isinstance(failure, RetryError) and failure.is_host:
            is_late = failure.rejected.reason is Reason.FETCH_TIMEOUT
            if not is_late or limit.seconds >= _SHARE_TO_JUDGE * self._policy.timeout_seconds:
                self._hosts.failed(slot, failure.rejected)
        elif isinstance(failure, RejectedError | RetryError):
            self._hosts.succeeded(slot.host)

    def _overdrawn(self, url: URL, budget: WireBudget) -> RejectedError:
        """The host sent more than it may; before the body, or in all."""
        if budget.total > 0:
            detail = f"{shown(url)}: more than {_HEAD_BYTES:,} bytes came before the body"
            return rejected(Reason.HTTP_ERROR, detail)
        limit = self._policy.max_bytes
        detail = f"{shown(url)}: more than {limit:,} bytes came, redirects and framing included; raise fetch.max_bytes"
        return rejected(Reason.BODY_TOO_LARGE, detail)

    async def _ask(self, request: _Request) -> bytes | URL:
        assert self._session is not None  # noqa: S101  # start() comes first
        url, budget = request.url, request.budget
        budget.allow(_HEAD_BYTES)
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                return self._guard.check_redirect(url, location)
            _check_answer(response, url)
            budget.allow(budget.total)
            return await self._read(response, request)

    async def _read(self, response: aiohttp.ClientResponse, request: _Request) -> bytes:
        limit = self._policy.max_bytes
        if response.content_length is not None and response.content_length > limit:
            told = f"{response.content_length:,} bytes, the limit is {limit:,}; raise fetch.max_bytes"
            raise rejected(Reason.BODY_TOO_LARGE, f"{shown(request.url)}: {told}")
        chunks: list[bytes] = []
        try:
            return await self._read_into(chunks, response, request)
        except BaseException:
            chunks.clear()  # the error holds this frame for as long as somebody holds the error
            raise

    async def _read_into(self, chunks: list[bytes], response: aiohttp.ClientResponse, request: _Request) -> bytes:
        limit, size, url, memory = self._policy.max_bytes, 0, request.url, request.memory
        stated = response.content_length or 0
        # A stated length is paid for at once, so that most pictures come in one step; above that, as bytes come.
        first = max(_STEP_BYTES, min(stated, _MAX_FIRST_BYTES))
        await memory.grow_to(first, request.time, stated)
        request.budget.step = max(request.budget.step, first)
        paid = memory.held  # or more, where it was waited for
        is_known = False
        while num_bytes := await _read_step(response, chunks):
            size += num_bytes
            if size > limit:
                raise rejected(Reason.BODY_TOO_LARGE, f"{shown(url)}: more than {limit:,} bytes; raise fetch.max_bytes")
            while size > paid:
                paid += _STEP_BYTES
            await memory.grow_to(paid, request.time, stated)
            if not is_known and size >= HEAD_BYTES:
                _check_looks_like_image(_start_of(chunks), response, url)
                is_known = True
        if not size:
            raise rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the body is empty")
        if not is_known:
            _check_looks_like_image(_start_of(chunks), response, url)
        memory.shrink_to(size)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _cut_off(failure: Exception, memory: Allowance) -> NoRoomError | None:
    """What ended this request, if it may be that the host was kept waiting."""
    is_cut = isinstance(failure, RetryError) and failure.rejected.reason is Reason.CONNECT_FAILED
    return memory.cut_off() if is_cut else None


async def _read_step(response: aiohttp.ClientResponse, chunks: list[bytes]) -> int:
    """Add what has come; its size, 0 at the end."""
    if chunk := await response.content.readany():
        chunks.append(chunk)
    return len(chunk)


def _start_of(chunks: Sequence[bytes]) -> bytes:
    """The first HEAD_BYTES, or fewer where there are no more."""
    start = b""
    for chunk in chunks:
        start += chunk[: HEAD_BYTES - len(start)]
    return start


def _check_answer(response: aiohttp.ClientResponse, url: URL) -> None:
    """Is this a body as we asked for it? A coded body could grow a thousandfold; we said that we take none."""
    if response.status == 200:
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding != "identity":
            raise rejected(
                Reason.HTTP_ERROR, f"{shown(url)}: the body is coded as {coding[:20]!r}; only identity is read"
            )
        return
    answered = rejected(Reason.HTTP_ERROR, f"{shown(url)}: the host answered {response.status}")
    if response.status in _TRY_AGAIN:
        told = response.headers.get("Retry-After", "")
        is_seconds = told.isascii() and told.isdigit() and len(told) < 6
        raise RetryError(answered, is_host=False, wait_seconds=float(told) if is_seconds else 0.0)
    raise answered


def _check_looks_like_image(start: bytes, response: aiohttp.ClientResponse, url: URL) -> None:
    """Refuse plain text early; which kinds of picture are decoded, the decoder says."""
    if sniff(start) is not None:
        return
    told = response.headers.get("Content-Type", "no content type")[:60]
    raise rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the bytes are no known picture (served as {told})")
