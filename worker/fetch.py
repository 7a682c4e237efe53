"""Image URL to bytes: the only place that opens sockets to image hosts.

Redirects are followed here, by hand, so that each target passes the guard. Bodies are read in steps that admission
pays for before they are held. Trouble that can heal is tried again with growing, jittered waits until
``give_up_seconds``.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import aiohttp
from yarl import URL

from schemas.deadletter import Reason, Stage
from worker.admission import Lease
from worker.clock import Clock, MonotonicClock
from worker.dial import GuardedConnector
from worker.errors import RejectedError
from worker.guard import Guard, RefusedError, shown
from worker.hosts import Host, Hosts
from worker.item import FetchedImage
from worker.metrics import Metrics

_STEP_BYTES = 64 << 10
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_WAIT_SECONDS = 15.0
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"RIFF", b"BM", b"II*\x00", b"MM\x00*")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """Limits of one picture's download; times in seconds."""

    timeout_seconds: float = 8.0
    max_bytes: int = 10 << 20
    max_redirects: int = 3
    give_up_seconds: float = 120.0
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
    ) -> None:
        self._policy = policy
        self._metrics = metrics
        self._guard = Guard(policy.allow_endpoints)
        self._clock = clock or MonotonicClock()
        self._wait = wait
        self._hosts = Hosts(self._clock, policy.max_per_host)
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the session: no cookies, no proxy from the environment, no compression that could be a bomb."""
        self._session = aiohttp.ClientSession(
            connector=GuardedConnector(self._guard, self._policy.max_connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
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
        deadline = self._clock.now() + self._policy.give_up_seconds
        cause: RejectedError | None = None
        for attempt in range(self._policy.max_attempts):
            try:
                return await self._attempt(url, lease)
            except _RetryError as error:
                if error.is_rest and cause is not None:
                    error.rejected = cause  # what is wrong with the host says more than that it rests
                cause = error.rejected
                wait = max(error.wait_seconds, self._backoff(attempt))
                is_last = attempt + 1 == self._policy.max_attempts
                if is_last or self._clock.now() + wait > deadline:
                    tries = f" ({attempt + 1} attempts)" if attempt else ""
                    raise RejectedError(error.rejected.reason, Stage.FETCH, error.rejected.detail + tries) from error
                await self._wait(wait)
        raise AssertionError("the loop ends by return or raise")

    def _backoff(self, attempt: int) -> float:
        wait = min(_MAX_WAIT_SECONDS, self._policy.first_wait_seconds * 4.0**attempt)
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  # spreads load; not a secret

    # ---- one attempt --------------------------------------------------------------------------------------------

    async def _attempt(self, url: str, lease: Lease) -> FetchedImage:
        try:
            target = self._guard.check_url(url)
            async with self._hosts.slot(target.authority) as host:
                if rest := self._hosts.rest_left(host):
                    detail = f"{shown(url)}: the host failed again and again and is left alone for a moment"
                    raise _RetryError(_rejected(Reason.CONNECT_FAILED, detail), is_rest=True, wait_seconds=rest)
                return await self._on_host(host, url, target, lease)
        except RefusedError as error:
            self._metrics.fetch_refused.labels(error.rule).inc()
            raise _rejected(Reason.URL_REFUSED, f"{shown(url)}: {error.detail}") from error

    async def _on_host(self, host: Host, url: str, target: URL, lease: Lease) -> FetchedImage:
        held_before = lease.held
        try:
            async with asyncio.timeout(self._policy.timeout_seconds):
                body = await self._download(target, lease)
        except BaseException as error:
            lease.shrink(lease.held - held_before if isinstance(error, Exception) else 0)
            failure = _failure(error, url, self._policy.timeout_seconds)
            if isinstance(failure, _RetryError) and failure.is_host:
                self._hosts.failed(host)
            elif isinstance(failure, RejectedError | _RetryError):
                self._hosts.succeeded(host)
            raise failure from error
        self._hosts.succeeded(host)
        return FetchedImage(url, body, hashlib.sha256(body).hexdigest())

    async def _download(self, url: URL, lease: Lease) -> bytes:
        """Follow redirects to a body. The guard sees every target, the dialler every address."""
        assert self._session is not None  # noqa: S101  # start() comes first
        for _ in range(self._policy.max_redirects + 1):
            async with self._session.get(url, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    _check_status(response, url)
                    return await self._read(response, url, lease)
                location = response.headers.get("Location", "")
            url = self._guard.check_url(str(url.join(URL(location))))
        limit = self._policy.max_redirects
        raise _rejected(Reason.HTTP_ERROR, f"{shown(url)}: more than {limit} redirects; raise fetch.max_redirects")

    async def _read(self, response: aiohttp.ClientResponse, url: URL, lease: Lease) -> bytes:
        limit = self._policy.max_bytes
        if response.content_length is not None and response.content_length > limit:
            raise _rejected(
                Reason.BODY_TOO_LARGE, f"{shown(url)}: {response.content_length:,} bytes, the limit is {limit:,}"
            )
        body = bytearray()
        paid = 0
        async for chunk in response.content.iter_chunked(_STEP_BYTES):
            if len(body) + len(chunk) > limit:
                raise _rejected(
                    Reason.BODY_TOO_LARGE, f"{shown(url)}: more than {limit:,} bytes; raise fetch.max_bytes"
                )
            if not body:
                _check_looks_like_image(chunk, response, url)
            if len(body) + len(chunk) > paid:
                await lease.grow(_STEP_BYTES)
                paid += _STEP_BYTES
            body += chunk
        if not body:
            raise _rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the body is empty")
        lease.shrink(paid - len(body))
        return bytes(body)


def _check_status(response: aiohttp.ClientResponse, url: URL) -> None:
    if response.status == 200:
        return
    rejected = _rejected(Reason.HTTP_ERROR, f"{shown(url)}: the host answered {response.status}")
    if response.status in _TRY_AGAIN:
        told = response.headers.get("Retry-After", "")
        raise _RetryError(
            rejected, is_host=False, wait_seconds=float(told) if told.isdigit() and len(told) < 6 else 0.0
        )
    raise rejected


def _check_looks_like_image(start: bytes, response: aiohttp.ClientResponse, url: URL) -> None:
    """Refuse plain text early; what kind of picture it is, the decoder finds out."""
    if start.startswith(_MAGIC) or start[4:8] == b"ftyp":
        return
    told = response.headers.get("Content-Type", "no content type")[:60]
    raise _rejected(Reason.NOT_AN_IMAGE, f"{shown(url)}: the bytes are no known picture (served as {told})")


def _rejected(reason: Reason, detail: str) -> RejectedError:
    return RejectedError(reason, Stage.FETCH, detail)


def _failure(error: BaseException, url: str, timeout_seconds: float) -> BaseException:
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
