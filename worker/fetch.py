"""Image URL to bytes: the only place that opens sockets to image hosts.

Redirects are followed here, by hand, so that each target passes the guard. Bodies are read in steps that admission
pays for before they are held. Trouble that can heal is tried again with growing, jittered waits until
``give_up_seconds``, which bounds everything: waiting for a turn at the host, attempts, waits between them.

The loop is our own and not stamina's: a wait has to honour the host's Retry-After and the rest its breaker prescribes,
must not begin if it would end past the deadline, and tests drive clock and wait by hand; stamina stops only after it
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

from schemas.deadletter import Reason, Stage
from worker.admission import Lease
from worker.clock import Clock, MonotonicClock
from worker.dial import GuardedConnector, WireBudget
from worker.errors import RejectedError
from worker.formats import HEAD_BYTES, sniff
from worker.guard import Guard, RefusedError, shown
from worker.hosts import Host, Hosts, Pacing, Slot
from worker.item import FetchedImage
from worker.metrics import Metrics

_STEP_BYTES = 64 << 10
_MAX_FIRST_BYTES = 256 << 10  # of a stated length that are paid for before they have come
_BUFFER_BYTES = 16 << 10  # aiohttp stops reading at twice this; a step of the socket may come on top
_HEAD_BYTES = 60 << 10  # what a host may send before a body: TLS handshake, interim answers, headers
_MAX_HEADERS = 100
_MAX_HEADER_BYTES = 8190
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_WAIT_SECONDS = 15.0


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


class _RetryError(Exception):
    """This attempt failed in a way that can heal. ``is_host``: the host itself could not be reached; ``is_rest``: it
    was not even asked.
    """

    def __init__(
        self, rejected: RejectedError, *, is_host: bool = False, is_rest: bool = False, wait_seconds: float = 0.0
    ) -> None:
        super().__init__(rejected.detail)
        self.is_rest = is_rest
        self.rejected = rejected
        self.is_host = is_host
        self.wait_seconds = wait_seconds


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

    def slowest(self) -> tuple[str, float] | None:
        """Scheme and host of the oldest download under way, and its age in seconds."""
        return self._hosts.slowest()

    async def _until_given_up(self, url: str, lease: Lease) -> FetchedImage:
        began = self._clock.now()
        deadline = began + max(self._policy.give_up_seconds, self._policy.timeout_seconds)
        cause: RejectedError | None = None
        for attempt in range(self._policy.max_attempts):
            try:
                return await self._attempt(url, lease, deadline)
            except _RetryError as error:
                if error.is_rest and cause is not None:
                    error.rejected = cause  # what is wrong with the host says more than that it rests
                cause = error.rejected
                wait = max(error.wait_seconds, self._backoff(attempt))
                is_last = attempt + 1 == self._policy.max_attempts
                if is_last or self._clock.now() + wait > began + self._policy.give_up_seconds:
                    tries = f" ({attempt + 1} attempts)" if attempt else ""
                    raise RejectedError(error.rejected.reason, Stage.FETCH, error.rejected.detail + tries) from error
                await self._wait(wait)
        raise AssertionError("the loop ends by return or raise")

    def _backoff(self, attempt: int) -> float:
        wait = min(_MAX_WAIT_SECONDS, self._policy.first_wait_seconds * 4.0**attempt)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load; not a secret

    # ---- one attempt --------------------------------------------------------------------------------------------

    async def _attempt(self, url: str, lease: Lease, deadline: float) -> FetchedImage:
        """One try, redirects included. Its time runs only while it has a turn at a host."""
        held_before = lease.held
        seconds = self._policy.timeout_seconds
        num_bytes = self._policy.max_bytes + _HEAD_BYTES
        try:
            target = self._guard.check_url(url)
            for _ in range(self._policy.max_redirects + 1):
                budget = WireBudget(num_bytes)
                slot = self._hosts.slot(str(target.origin()), is_spare=self._is_spare)
                await self._wait_for(slot, target, deadline)
                try:
                    self._check_rest(slot.host, target)
                    began = self._clock.now()
                    found = await self._on_host(slot.host, target, lease, budget, min(seconds, deadline - began))
                    seconds -= self._clock.now() - began
                    num_bytes = budget.total
                finally:
                    slot.leave()
                if isinstance(found, bytes):
                    return FetchedImage(url, found, hashlib.sha256(found).hexdigest())
                target = found
        except RefusedError as error:
            self._metrics.fetch_refused.labels(error.rule).inc()
            raise _rejected(Reason.URL_REFUSED, f"{shown(url)}: {error.detail}") from error
        except Exception:
            lease.shrink(lease.held - held_before)
            raise
        limit = self._policy.max_redirects
        raise _rejected(Reason.HTTP_ERROR, f"{shown(url)}: more than {limit} redirects; raise fetch.max_redirects")

    async def _wait_for(self, slot: Slot, url: URL, deadline: float) -> None:
        """Hold the slot at the URL's host, unless there is none before ``deadline``."""
        if slot.is_free:
            await slot.enter()
            return
        try:
            async with asyncio.timeout(max(0.0, deadline - self._clock.now())):
                await slot.enter()
        except TimeoutError as error:
            detail = f"{shown(url)}: no turn at this host within {self._policy.give_up_seconds:g} s"
            raise _rejected(Reason.FETCH_TIMEOUT, f"{detail} (fetch.give_up_seconds)") from error

    def _check_rest(self, host: Host, url: URL) -> None:
        """Raise _RetryError while this host is left alone."""
        if rest := self._hosts.rest_left(host):
            reason = host.last_failure.reason if host.last_failure else Reason.CONNECT_FAILED
            detail = f"{shown(url)}: the host failed again and again and is left alone for a moment"
            raise _RetryError(_rejected(reason, detail), is_rest=True, wait_seconds=rest)

    async def _on_host(self, host: Host, url: URL, lease: Lease, budget: WireBudget, seconds: float) -> bytes | URL:
        """A body, or where the host sends us."""
        try:
            with budget.spent_here():
                async with asyncio.timeout(seconds):
                    found = await self._ask(url, lease, budget)
        except BaseException as error:
            failure = _failure(error, url, self._policy.timeout_seconds)
            if budget.is_overdrawn and isinstance(error, Exception):
                failure = self._overdrawn(url, budget)
            if isinstance(failure, _RetryError) and failure.is_host:
                self._hosts.failed(host, failure.rejected)
            elif isinstance(failure, RejectedError | _RetryError):
                self._hosts.succeeded(host)
            raise failure from error
        self._hosts.succeeded(host)
        return found

    def _overdrawn(self, url: URL, budget: WireBudget) -> RejectedError:
        """The host sent more than it may; before the body, or in all."""
        if budget.total > 0:
            detail = f"{shown(url)}: more than {_HEAD_BYTES:,} bytes came before the body"
            return _rejected(Reason.HTTP_ERROR, detail)
        limit = self._policy.max_bytes
        detail = f"{shown(url)}: more than {limit:,} bytes came, redirects and framing included; raise fetch.max_bytes"
        return _rejected(Reason.BODY_TOO_LARGE, detail)

    async def _ask(self, url: URL, lease: Lease, budget: WireBudget) -> bytes | URL:
        assert self._session is not None  # noqa: S101  # start() comes first
        budget.allow(_HEAD_BYTES)
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status in _REDIRECTS and (location := response.headers.get("Location")):
                return self._guard.check_redirect(url, location)
            _check_answer(response, url)
            budget.allow(budget.total)
            return await self._read(response, url, lease, budget)

    async def _read(self, response: aiohttp.ClientResponse, url: URL, lease: Lease, budget: WireBudget) -> bytes:
        limit = self._policy.max_bytes
        if response.content_length is not None and response.content_length > limit:
            raise _rejected(
                Reason.BODY_TOO_LARGE, f"{shown(url)}: {response.content_length:,} bytes, the limit is {limit:,}"
            )
        chunks: list[bytes] = []
        size = 0
        # A stated length is paid for at once, so that most pictures come in one step; above that, as bytes come.
        paid = max(_STEP_BYTES, min(response.content_length or 0, _MAX_FIRST_BYTES))
        await lease.grow(paid)
        budget.step = max(budget.step, paid)
        is_known = False
        while chunk := await response.content.readany():
            size += len(chunk)
            if size > limit:
                raise _rejected(
                    Reason.BODY_TOO_LARGE, f"{shown(url)}: more than {limit:,} bytes; raise fetch.max_bytes"
                )
            chunks.append(chunk)
            while size > paid:
                await lease.grow(_STEP_BYTES)
                paid += _STEP_BYTES
            if not is_known and size >= HEAD_BYTES:
                _check_looks_like_image(_start_of(chunks), response, url)
                is_known = True
        if not size:
            raise _rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the body is empty")
        if not is_known:
            _check_looks_like_image(_start_of(chunks), response, url)
        lease.shrink(paid - size)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


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
            raise _rejected(
                Reason.HTTP_ERROR, f"{shown(url)}: the body is coded as {coding[:20]!r}; only identity is read"
            )
        return
    rejected = _rejected(Reason.HTTP_ERROR, f"{shown(url)}: the host answered {response.status}")
    if response.status in _TRY_AGAIN:
        told = response.headers.get("Retry-After", "")
        raise _RetryError(
            rejected, is_host=False, wait_seconds=float(told) if told.isdigit() and len(told) < 6 else 0.0
        )
    raise rejected


def _check_looks_like_image(start: bytes, response: aiohttp.ClientResponse, url: URL) -> None:
    """Refuse plain text early; which kinds of picture are decoded, the decoder says."""
    if sniff(start) is not None:
        return
    told = response.headers.get("Content-Type", "no content type")[:60]
    raise _rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the bytes are no known picture (served as {told})")


def _rejected(reason: Reason, detail: str) -> RejectedError:
    return RejectedError(reason, Stage.FETCH, detail)


def _failure(error: BaseException, url: URL, timeout_seconds: float) -> BaseException:
    """Library errors as ours; what is ours already, or no failure at all, stays what it is."""
    at = shown(url)
    if isinstance(error, TimeoutError):
        detail = f"{at}: not done within {timeout_seconds:g} s (fetch.timeout_seconds)"
        return _RetryError(_rejected(Reason.FETCH_TIMEOUT, detail), is_host=True)
    if refused := _refusal_inside(error):
        return refused
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _RetryError(_rejected(Reason.DNS_FAILED, f"{at}: the host's name does not resolve"), is_host=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return _rejected(Reason.CONNECT_FAILED, f"{at}: TLS failed: {type(error).__name__}")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientConnectionError | OSError):
        words = f"{at}: the connection failed: {type(error).__name__}"
        return _RetryError(_rejected(Reason.CONNECT_FAILED, words), is_host=True)
    if isinstance(error, aiohttp.ClientError | ValueError):
        return _rejected(Reason.HTTP_ERROR, f"{at}: the answer cannot be read: {type(error).__name__}")
    return error


def _refusal_inside(error: BaseException | None) -> RefusedError | None:
    """aiohttp wraps what a resolver raises; the refusal is what counts."""
    while error is not None:
        if isinstance(error, RefusedError):
            return error
        error = error.__cause__ or error.__context__
    return None
