"""Probes and metrics over HTTP. Owner: the event loop, so a loop that hangs answers nothing, which is the truth."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from worker.errors import FatalError
from worker.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Verdict:
    """A probe's answer; ``why`` is for the operator."""

    is_ok: bool
    why: str = "ok"


class Probes(Protocol):
    """What the worker says of itself."""

    def started(self) -> Verdict:
        """Is the model loaded and the broker found?"""
        ...

    def ready(self) -> Verdict:
        """Does this worker hold partitions and take records?"""
        ...

    def alive(self) -> Verdict:
        """Does work progress? Independent of broker and Redis being up."""
        ...


class HealthServer:
    """``/metrics``, ``/livez``, ``/readyz`` and ``/startupz``."""

    def __init__(self, host: str, port: int, metrics: Metrics, probes: Probes) -> None:
        self._host = host
        self._port = port
        self._metrics = metrics
        self._probes = probes
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises FatalError when the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._show_metrics)
        for path, probe in (
            ("/startupz", self._probes.started), ("/readyz", self._probes.ready), ("/livez", self._probes.alive),
        ):  # fmt: skip
            app.router.add_get(path, _answer(probe))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise FatalError(
                f"http.port={self._port} on {self._host} cannot be listened on: {error.strerror}; choose another port"
            ) from error
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _show_metrics(self, _: web.Request) -> web.Response:
        self._metrics.ready.set(self._probes.ready().is_ok)
        return web.Response(body=self._metrics.render(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(probe: Callable[[], Verdict]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(_: web.Request) -> web.Response:
        verdict = probe()
        return web.json_response({"ok": verdict.is_ok, "why": verdict.why}, status=200 if verdict.is_ok else 503)

    return handler
