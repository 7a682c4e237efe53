"""mosec: two processes that fetch and decode, and one that holds the device; pixels go over its Unix sockets."""

from __future__ import annotations

import os
from typing import Any

import mosec
import numpy as np

from tests.bench.peer_servers.work import BATCH, NUM_DECODERS, WAIT_SECONDS, Fetcher, SimulatedDevice, port
from worker.benching.loop import pixels_of

_AT_ONCE = 4  # pictures that one process fetches together; with 1 and 16 it is as fast


class Prepare(mosec.Worker):  # type: ignore[misc]  # not looked into, see pyproject.toml
    """First stage: from URLs to pixels."""

    def __init__(self) -> None:
        super().__init__()
        self._fetcher = Fetcher()

    def forward(self, data: list[dict[str, str]]) -> list[np.ndarray]:
        """See `mosec.Worker`."""
        return [pixels_of(body) for body in self._fetcher.fetch([one["url"] for one in data])]


class Device(mosec.Worker):  # type: ignore[misc]
    """Second stage: batches for the device."""

    def __init__(self) -> None:
        super().__init__()
        self._device = SimulatedDevice()

    def forward(self, data: list[np.ndarray]) -> list[Any]:
        """See `mosec.Worker`."""
        return self._device.run(data)


def main() -> None:
    """Serve until SIGTERM."""
    told = {"ADDRESS": "127.0.0.1", "PORT": str(port()), "LOG_LEVEL": "warning", "TIMEOUT": "60000"}
    os.environ.update({f"MOSEC_{name}": value for name, value in told.items()})
    server = mosec.Server()
    server.append_worker(Prepare, num=NUM_DECODERS, max_batch_size=_AT_ONCE, max_wait_time=1)
    server.append_worker(Device, num=1, max_batch_size=BATCH, max_wait_time=round(1000 * WAIT_SECONDS))
    server.run()


if __name__ == "__main__":
    main()
