"""A peer as a process of its own, and the load on it: a fixed number of requests in flight."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import IO

import aiohttp

from model.stand_in import Pace
from tests.bench.driven import STEADY
from tests.bench.peer_servers.work import environment
from tests.servers.base import free_port
from worker.machine.processes import tree, tree_cpu_seconds

_UP_SECONDS, _END_SECONDS = 120.0, 15.0
_NOT_YET = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)  # its front is up, what is behind it is not


@dataclass(frozen=True, slots=True)
class Served:
    """Steady state: pictures a second, and CPU-ms per picture of the whole process tree."""

    rate: float
    cpu_ms: float


@dataclass(slots=True)
class PeerProcess:
    """A server that answers at ``address``; the session allows any number of requests in flight."""

    process: asyncio.subprocess.Process
    address: str
    session: aiohttp.ClientSession
    said: IO[bytes]

    async def ask(self, url: str) -> None:
        """One picture. Raises aiohttp.ClientError when it is not answered well."""
        async with self.session.post(self.address, json={"url": url}) as response:
            response.raise_for_status()
            await response.read()

    async def until_up(self, url: str) -> None:
        """Ask until it answers. Raises RuntimeError with its last words when it ends or takes too long."""
        deadline = time.monotonic() + _UP_SECONDS
        while self.process.returncode is None and time.monotonic() < deadline:
            try:
                await self.ask(url)
            except aiohttp.ClientResponseError as error:
                if error.status not in _NOT_YET:
                    raise RuntimeError(f"{error}: {self.last_words()}") from error
            except aiohttp.ClientError:
                pass  # it does not listen yet
            else:
                return
            await asyncio.sleep(0.2)
        raise RuntimeError(f"{self.address} did not come up: {self.last_words()}")

    async def serve(self, urls: Sequence[str], in_flight: int) -> Served:
        """All of these, so many at once. Raises RuntimeError when one is not answered well."""
        load = _Load(self, iter(urls), [round(share * len(urls)) for share in STEADY])
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(in_flight):
                    group.create_task(load.run())
        except* aiohttp.ClientError as errors:
            raise RuntimeError(f"{errors.exceptions[0]}: {self.last_words()}") from errors
        (began, first, cpu), (ended, last, all_cpu) = load.looks
        return Served((last - first) / (ended - began), 1000 * (all_cpu - cpu) / (last - first))

    def last_words(self) -> str:
        """The end of what it printed."""
        self.said.seek(0)
        return self.said.read()[-3000:].decode(errors="replace")

    async def end(self) -> None:
        """SIGTERM; SIGKILL for what is left of its processes a while later."""
        processes = tree(self.process.pid) if self.process.returncode is None else []
        with suppress(ProcessLookupError):
            self.process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), _END_SECONDS)
        for pid in processes:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await self.process.wait()


@dataclass(slots=True)
class _Load:
    """Looks at the process tree when so many pictures are answered: (seconds, pictures, CPU seconds)."""

    peer: PeerProcess
    urls: Iterator[str]
    marks: list[int]
    num_answered: int = 0
    looks: list[tuple[float, int, float]] = field(default_factory=list)

    async def run(self) -> None:
        """One request after the other."""
        for url in self.urls:
            await self.peer.ask(url)
            self.num_answered += 1
            if self.num_answered in self.marks:
                self.looks.append((time.monotonic(), self.num_answered, tree_cpu_seconds(self.peer.process.pid)))


@asynccontextmanager
async def started(module: str, pace: Pace, workers: int) -> AsyncIterator[PeerProcess]:
    """``python -m tests.bench.peer_servers.MODULE``, ended on the way out."""
    port = free_port()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, tempfile.TemporaryFile() as said:
        told = {**os.environ, **environment(pace, port, workers, folder)}
        command = ("-m", f"tests.bench.peer_servers.{module}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=told, stdin=asyncio.subprocess.DEVNULL, stdout=said, stderr=said
        )
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            peer = PeerProcess(process, f"http://127.0.0.1:{port}/inference", session, said)
            try:
                yield peer
            finally:
                await peer.end()
