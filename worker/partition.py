"""One assigned partition as the event loop sees it, and the records of it that are under way. Noun file."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition

from worker.item import Flight, Origin, Record
from worker.offsets import PartitionLedger
from worker.ordering import KeyOrder, Turn
from worker.quarantine import Quarantine


@dataclass(slots=True, eq=False)
class Journey:
    """One record of the stream under way."""

    flight: Flight
    origin: Origin
    turn: Turn
    task: asyncio.Task[None] | None = None
    has_result: bool = False


@dataclass(slots=True, eq=False)
class Partition:
    """One assigned partition, under one epoch.

    ``marks_wanted`` counts changes of the mark, ``marks_written`` is the last one that is committed; ``written`` is set
    at each commit.
    """

    number: int
    epoch: int
    ledger: PartitionLedger
    quarantine: Quarantine
    order: KeyOrder = field(default_factory=KeyOrder)
    backlog: deque[tuple[Record, Origin, Turn]] = field(default_factory=deque)
    journeys: set[Journey] = field(default_factory=set)
    num_uncommitted: int = 0  # journeys under way, and results not yet committed
    is_paused: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    marks_wanted: int = 1
    marks_written: int = 0
    written: asyncio.Event = field(default_factory=asyncio.Event)
    committed_offset: int = 0
    committed_at: float = 0.0  # when the committed offset last moved
    arrived_at: float = 0.0  # when records last came

    @property
    def is_marked(self) -> bool:
        """Is its mark committed as it stands?"""
        return self.marks_written == self.marks_wanted

    @property
    def head(self) -> int:
        """Offset of the next record in the backlog, which must not be empty."""
        return self.backlog[0][1].offset

    @property
    def is_ready(self) -> bool:
        """May its next record start, as far as the partition itself is concerned?"""
        return bool(self.backlog) and self.is_marked and self.ledger.has_room(self.head)

    def position(self, topic: str) -> TopicPartition:
        """What to commit for it now: contiguous offset, gap map and mark from one snapshot."""
        position = self.ledger.position(self.quarantine.mark)
        return TopicPartition(topic, self.number, position.offset, metadata=position.metadata)

    def note_commit(self, offset: int, mark: int, now: float) -> None:
        """This offset is committed, with the mark of that count."""
        self.marks_written = mark
        self.written.set()
        if offset > self.committed_offset:
            self.committed_offset, self.committed_at = offset, now
