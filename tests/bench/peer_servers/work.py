"""What every peer does, so that only the serving differs: fetch, decode, and one simulated device.

Told by the environment (`environment`): how fast the device is, the port to listen on, how many workers share the
device, and a folder for the file by whose lock they take turns.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp
import numpy as np

from model.stand_in import Pace
from worker.benching.loop import fetch, open_session

BATCH = 16
NUM_DECODERS = 2  # as many as the ideal loop has threads
WAIT_SECONDS = 0.01  # for a batch to fill: what the peers' examples and defaults say


def environment(pace: Pace, port: int, workers: int, folder: str) -> dict[str, str]:
    """What a server has to be told."""
    told = {"FIXED": pace.fixed_seconds, "ITEM": pace.item_seconds, "PORT": port, "WORKERS": workers, "FOLDER": folder}
    return {f"BENCH_{name}": str(value) for name, value in told.items()}


def port(told: Mapping[str, str] = os.environ) -> int:
    """Where to listen, on 127.0.0.1."""
    return int(told["BENCH_PORT"])


def workers(told: Mapping[str, str] = os.environ) -> int:
    """Processes that hold a model of their own, all for the one device."""
    return int(told["BENCH_WORKERS"])


def folder(told: Mapping[str, str] = os.environ) -> Path:
    """For whatever the server has to write; gone when it has ended."""
    return Path(told["BENCH_FOLDER"])


class SimulatedDevice:
    """Busy for a fixed time per batch and one per picture; who comes meanwhile, from whatever process, waits."""

    def __init__(self, told: Mapping[str, str] = os.environ) -> None:
        self._pace = Pace(float(told["BENCH_FIXED"]), float(told["BENCH_ITEM"]))
        self._turns = folder(told) / "turns"

    def run(self, pictures: Sequence[np.ndarray]) -> list[int]:
        """One batch; an answer of next to nothing for each picture."""
        with self._turns.open("wb") as turns:
            fcntl.flock(turns, fcntl.LOCK_EX)  # until it is closed
            time.sleep(self._pace.fixed_seconds + self._pace.item_seconds * len(pictures))
        return [len(one) for one in pictures]


class Fetcher:
    """Pictures from their host, several at once, for code that is not asynchronous. Owner: one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._session: aiohttp.ClientSession | None = None

    def fetch(self, urls: Sequence[str]) -> list[bytes]:
        """Their bytes, in order. Raises aiohttp.ClientError."""
        return self._loop.run_until_complete(self._fetch(urls))

    async def _fetch(self, urls: Sequence[str]) -> list[bytes]:
        session = self._session = self._session or open_session()
        return await asyncio.gather(*(fetch(session, url) for url in urls))
