"""Calls that hang hold up neither each other, up to a number, nor the end of the process."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.polling import until
from worker.fetching.dial import PooledResolver
from worker.machine.loose_threads import LooseThreads

ROOT = Path(__file__).parents[2]
HANGING_NAME_SERVER = """
import asyncio, socket, threading
from worker.fetching.dial import PooledResolver
begun, never = threading.Event(), threading.Event()
def hang(*_, **__):
    begun.set()
    never.wait()
socket.getaddrinfo = hang
async def main():
    resolver = PooledResolver()
    looking = asyncio.create_task(resolver.resolve("shop.example"))
    await asyncio.to_thread(begun.wait)
    looking.cancel()
    await asyncio.wait([looking])
    await resolver.close()
asyncio.run(main())
print("ended")
"""


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    """A name server that never answers would else cost the rest of the time that an orchestrator grants."""
    found = subprocess.run(
        [sys.executable, "-c", HANGING_NAME_SERVER], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout == "ended\n"


async def test_names_are_looked_up_by_the_system() -> None:
    """Addresses come back as aiohttp wants them, and a name that does not resolve is an OSError."""
    resolver = PooledResolver()
    (found,) = await resolver.resolve("127.0.0.1", 80)
    assert (found["host"], found["port"]) == ("127.0.0.1", 80)
    with pytest.raises(OSError):
        await resolver.resolve("127.0.0.1", 80, socket.AF_INET6)
    await resolver.close()


async def test_only_so_many_run_at_once_and_the_others_follow() -> None:
    """One that is given up keeps its place until it ends; one that was given up while it waited never begins."""
    threads = LooseThreads("calls", 2)
    begun: list[int] = []
    gates = [threading.Event() for _ in range(4)]

    def call(number: int) -> int:
        begun.append(number)
        gates[number].wait(10)
        return number

    calls = [asyncio.create_task(threads.run(lambda number=number: call(number))) for number in range(4)]  # type: ignore[misc]

    async def two_run() -> bool:
        return len(begun) == 2

    await until(two_run)
    calls[0].cancel()
    calls[2].cancel()
    await asyncio.wait([calls[0], calls[2]])
    assert sorted(begun) == [0, 1]
    gates[0].set()
    gates[3].set()
    assert await calls[3] == 3
    gates[1].set()
    assert await calls[1] == 1
    assert sorted(begun) == [0, 1, 3]
