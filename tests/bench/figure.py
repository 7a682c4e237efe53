"""What a bench measures: a ratio or an amount with its bar, and the raw figures that it came from."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.broker import warm_up
from tests.servers.base import Server
from tests.servers.kafka import start_kafka

Bar = tuple[str, float]  # ">=" or "<=", and the bar's value


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the result. ``bar`` None: measured beside the others, not judged. ``raw``: one number per pair."""

    what: str
    value: float
    unit: str
    bar: Bar | None = None
    note: str = ""
    raw: tuple[float, ...] = ()

    @property
    def holds(self) -> bool | None:
        """Whether the bar is held; None without one."""
        if self.bar is None:
            return None
        return self.value >= self.bar[1] if self.bar[0] == ">=" else self.value <= self.bar[1]


@dataclass(slots=True)
class Bench:
    """One run: how much, with what training data (None: the demo's pictures only), and the broker, once asked for."""

    is_full: bool
    data: Path | None
    say: Callable[[str], None]
    _kafka: list[Server] = field(default_factory=list)

    def size(self, *, short: int, full: int) -> int:
        """How many."""
        return full if self.is_full else short

    def kafka(self) -> Server:
        """A real Kafka, warm, shared by all benches of this run."""
        if not self._kafka:
            self._kafka.append(start_kafka())
            self.say(f"kafka: {self._kafka[0].how}")
            warm_up(self._kafka[0].address, self.say)
        return self._kafka[0]

    def close(self) -> None:
        """Stop what was started."""
        for server in self._kafka:
            server.stop()


def median_of(
    what: str, unit: str, values: Sequence[float], bar: Bar | None = None, note: str = "", digits: int = 3
) -> Figure:
    """The median of several pairs, with each of them kept."""
    raw = tuple(round(value, digits) for value in values)
    return Figure(what, round(statistics.median(values), digits), unit, bar, note, raw)
