"""Ray Serve: two replicas that fetch and decode, and one that batches for the device."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import threading

import aiohttp
import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from tests.bench.peer_servers.work import (
    BATCH,
    NUM_DECODERS,
    WAIT_SECONDS,
    SimulatedDevice,
    folder,
    port,
)
from worker.benching.loop import fetch, open_session, pixels_of

_MOST = 256  # requests that one replica takes: with the default of 5 no batch would fill
_STORE_BYTES = 256 << 20


class Device:
    """Batches for the device."""

    def __init__(self) -> None:
        self._device = SimulatedDevice()

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=WAIT_SECONDS)  # type: ignore[untyped-decorator]  # see pyproject.toml
    async def __call__(self, pictures: list[np.ndarray]) -> list[int]:
        return await asyncio.to_thread(self._device.run, pictures)


class Prepare:
    """From a URL to pixels, and on to the device."""

    def __init__(self, device: serve.handle.DeploymentHandle) -> None:
        self._device = device
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, request: Request) -> dict[str, int]:
        url = (await request.json())["url"]
        if self._session is None:
            self._session = open_session()
        picture = await asyncio.to_thread(pixels_of, await fetch(self._session, url))
        return {"answer": await self._device.remote(picture)}


def main() -> None:
    """Serve until SIGTERM."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it would tell its makers
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # it would write one into the home folder
    ray.init(
        num_cpus=NUM_DECODERS, include_dashboard=False, log_to_driver=False, object_store_memory=_STORE_BYTES,
        _node_ip_address="127.0.0.1", _temp_dir=str(folder()),
    )  # fmt: skip
    quiet = {"log_level": "WARNING", "enable_access_log": False}  # a line per request is work, too
    serve.start(http_options={"host": "127.0.0.1", "port": port()}, logging_config=quiet)
    options = {"max_ongoing_requests": _MOST, "ray_actor_options": {"num_cpus": 0}}
    device = serve.deployment(**options)(Device).bind()
    app = serve.deployment(num_replicas=NUM_DECODERS, **options)(Prepare).bind(device)
    serve.run(app, route_prefix="/inference", logging_config=quiet)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
