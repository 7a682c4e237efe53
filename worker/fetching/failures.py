"""What can go wrong with a download, in our words. Pure."""

from __future__ import annotations

import aiohttp
from yarl import URL

from schemas.deadletter import Reason, Stage
from worker.errors import RejectedError
from worker.fetching.guard import RefusedError, shown


class RetryError(Exception):
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


def rejected(reason: Reason, detail: str) -> RejectedError:
    """This picture cannot be had."""
    return RejectedError(reason, Stage.FETCH, detail)


def failure_of(error: Exception, url: URL, late: str) -> Exception:
    """Library errors as ours; what is ours already stays what it is. ``late``: what a time-out is called."""
    at = shown(url)
    if isinstance(error, TimeoutError):
        return RetryError(rejected(Reason.FETCH_TIMEOUT, f"{at}: {late}"), is_host=True)
    if isinstance(error, RefusedError):
        return error
    if refused := _refusal_inside(error):
        return RefusedError(refused.rule, refused.detail)  # the one inside would have itself as its cause
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return RetryError(rejected(Reason.DNS_FAILED, f"{at}: the host's name does not resolve"), is_host=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return rejected(Reason.CONNECT_FAILED, f"{at}: TLS failed: {type(error).__name__}")
    if isinstance(error, aiohttp.ClientPayloadError | aiohttp.ClientConnectionError | OSError):
        words = f"{at}: the connection failed: {type(error).__name__}"
        return RetryError(rejected(Reason.CONNECT_FAILED, words), is_host=True)
    if isinstance(error, aiohttp.ClientError | ValueError):
        return rejected(Reason.HTTP_ERROR, f"{at}: the answer cannot be read: {type(error).__name__}")
    return error


def _refusal_inside(error: BaseException | None) -> RefusedError | None:
    """aiohttp wraps what a resolver raises; the refusal is what counts."""
    while error is not None:
        if isinstance(error, RefusedError):
            return error
        error = error.__cause__ or error.__context__
    return None
