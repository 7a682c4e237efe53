"""What the consumer's thread and its listener say to each other of the partitions that are theirs. Noun file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from worker.errors import FatalError
from worker.item import Record
from worker.kafka.topic_reader import Range


@dataclass(frozen=True, slots=True)
class ConsumePolicy:
    """How to read. Where to start is looked up ``lookup_attempts`` times while the broker is away, inside a rebalance:
    keep that well within ``max.poll.interval``. ``ask_seconds``: how long a broker that was away has to say that it is
    back. ``bounds``: for a replay, what to read of each partition; of one that is not there, nothing.
    """

    topic: str
    start_at: str | datetime = "earliest"
    max_records: int = 500
    poll_seconds: float = 0.02
    lookup_seconds: float = 10.0
    ask_seconds: float = 1.0
    lookup_attempts: int = 12
    bounds: Mapping[int, Range] | None = None


@dataclass(frozen=True, slots=True)
class Assigned:
    """A partition that is ours now: where to start, the gap map's text as committed, and where the log ends now.

    ``bound``: where a replay ends; ``end`` is not beyond it.
    """

    partition: int
    epoch: int
    offset: int
    metadata: str | None
    end: int
    bound: int | None = None


class Listener(Protocol):
    """Who is told what the consumer's thread sees. Called on that thread."""

    def on_records(self, records: Sequence[Record]) -> None:
        """Records in offset order per partition."""

    def on_assigned(self, assigned: Sequence[Assigned]) -> None:
        """These partitions start here, before any of their records is handed over."""

    def on_end(self, partition: int, epoch: int) -> None:
        """Every record before the bound was handed over: the position has reached it."""

    def on_caught_up(self, partition: int, epoch: int, position: int) -> None:
        """Every record before the position was handed over: the log's end, for now."""

    def on_revoked(self, partitions: Sequence[int], *, is_lost: bool) -> Future[None]:
        """These partitions go. Done when what could be finished is committed; ``is_lost``: nothing may be committed."""
        ...

    def on_failed(self, error: FatalError) -> None:
        """The thread ended."""


@dataclass(slots=True)
class Held:
    """A partition as the consumer's thread sees it.

    ``is_rewinding``: its start has to be looked up again. ``seek_to``: the client has yet to be told to go there. What
    arrives meanwhile is from before, and dropped. ``bound``: where a replay ends; ``is_ended``: the position is there.
    """

    epoch: int
    start: int
    stopped: str | None = None
    is_rewinding: bool = False
    seek_to: int | None = None
    bound: int | None = None
    is_ended: bool = False

    @property
    def is_read(self) -> bool:
        """Does it bring records now?"""
        return not (self.stopped or self.is_rewinding or self.is_ended) and self.seek_to is None
