"""Several workers of one group as real processes, and one stream that they work on, audited at the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException

from tests.audit import Report
from tests.integration.stream import Stream, WorkerProcess
from tests.reliability.traffic import Letter, pictures
from tests.reliability.worker import Faults
from worker.demo.imagehost import ImageHost

COMMAND = ("-m", "tests.reliability.worker")
SESSION_SECONDS = 6.0  # the least that brokers allow by default

SETTINGS = {
    "OCR__ENABLED": "false",
    "LOG__LEVEL": "info",
    "KAFKA__CONSUMER": '{"session.timeout.ms": 6000}',
    "STORM__RATIO": "0",
    "STORM__CONSECUTIVE": "0",
}


def image_host() -> ImageHost:
    """The suites' pictures on a local host."""
    return ImageHost(pictures())


def send(stream: Stream, letters: Sequence[Letter]) -> None:
    """Produce them all, in order."""
    stream.send([(letter.key, letter.value, letter.headers) for letter in letters])


@dataclass(slots=True)
class Fleet:
    """Workers by instance name. ``settings`` are for all of them."""

    stream: Stream
    host: ImageHost
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: dict[str, WorkerProcess] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """No worker outlives its suite."""
        await asyncio.gather(*(worker.kill() for worker in self.workers.values()))

    async def start(self, name: str, faults: Faults = Faults()) -> WorkerProcess:  # noqa: B008  # frozen
        """Start the worker of this name; it must not run."""
        environment = self.stream.environment(self.host, name, {**SETTINGS, **self.settings})
        self.workers[name] = await WorkerProcess.start({**environment, **faults.to_environment()}, COMMAND)
        return self.workers[name]

    async def stop(self) -> list[int]:
        """SIGTERM to all; their exit codes."""
        return list(await asyncio.gather(*(worker.stop() for worker in self.workers.values())))

    async def until_done(self, seconds: float) -> bool:
        """Wait until everything sent is committed; False when it takes too long or a worker ends."""
        return await self.until(len(self.stream.sent), seconds)

    async def until(self, count: int, seconds: float) -> bool:
        """Wait until ``count`` records are committed."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while loop.time() < deadline:
            if await self.num_committed() >= count:
                return True
            await asyncio.sleep(0.2)
        return False

    async def num_committed(self) -> int:
        """Records committed so far; -1 while the broker cannot say."""
        try:
            return await asyncio.to_thread(self.stream.num_committed)
        except KafkaException:
            return -1

    def dying_words(self) -> str:
        """The last lines of every worker's log, for a failure's report."""
        return "\n".join(f"-- {name}\n" + "".join(one.log[-8:]) for name, one in self.workers.items())


def verdict(report: Report) -> str:
    """A report in a table's cell."""
    reasons = ", ".join(f"{reason} {number:,}" for reason, number in sorted(report.reasons.items()))
    return (
        f"{report.num_tagged:,} tagged, {report.num_dead:,} dead letters{f' ({reasons})' if reasons else ''}; "
        f"{len(report.missing)} lost, "
        f"{len(report.doubled)} doubled, {len(report.wrong)} wrong, {len(report.out_of_order)} out of order"
    )


def spread(choose: random.Random, low: float, high: float) -> int:
    """A whole number between both, small ones as likely as large ones (log-uniform)."""
    return int(low * (high / low) ** choose.random())
