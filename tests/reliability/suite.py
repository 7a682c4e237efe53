"""What a suite is: a module with ``TITLE`` and ``run``, that breaks things on purpose and says what held."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.servers.base import Server
from tests.servers.kafka import start_kafka
from tests.servers.redis import start_redis


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a result table. ``holds`` None: measured, and no bar was set for it."""

    what: str
    bar: str
    found: str
    holds: bool | None


@dataclass(slots=True)
class Trial:
    """One run of a suite: how much, from which seed, on which servers (started when first asked for)."""

    is_full: bool
    seed: int
    say: Callable[[str], None]
    _servers: dict[str, Server] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def random(self, salt: str = "") -> random.Random:
        """A generator that the seed decides; another ``salt``, another sequence."""
        return random.Random(f"{self.seed}/{salt}")

    def size(self, *, short: int, full: int) -> int:
        """How many: ``full`` by hand, ``short`` in CI."""
        return full if self.is_full else short

    def kafka(self) -> Server:
        """A real Kafka, shared by all suites of this run."""
        return self._server("kafka", start_kafka)

    def redis(self) -> Server:
        """A real Redis, shared by all suites of this run."""
        return self._server("redis", start_redis)

    def close(self) -> None:
        """Stop what was started."""
        for server in self._servers.values():
            server.stop()

    def _server(self, name: str, start: Callable[[], Server]) -> Server:
        if name not in self._servers:
            self._servers[name] = start()
            self.say(f"{name}: {self._servers[name].how}")
        return self._servers[name]


def failed(rows: Sequence[Row]) -> list[Row]:
    """The rows whose bar was missed."""
    return [row for row in rows if row.holds is False]
