"""The assigned partitions as the event loop sees them, and the records of each that are under way. Noun file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition

from worker.item import Flight, Origin, Record
from worker.offsets import PartitionLedger
from worker.partitions.ordering import KeyOrder, Turn
from worker.partitions.quarantine import Quarantine
from worker.partitions.superseded import NONE_SUPERSEDED, Superseded


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
    while that is the mark as it stands.
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
    has_turn: bool = False  # it stands in the queue for its next record to start
    ahead_left: int = 0  # records that it may start ahead of its turn
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    marks_wanted: int = 1
    marks_written: int = 0
    written: asyncio.Event = field(default_factory=asyncio.Event)
    committed_offset: int = 0
    committed_at: float = 0.0  # when the committed offset last moved
    arrived_at: float = 0.0  # when records last came
    bound: int | None = None  # where a replay ends
    has_ended: bool = False  # every record before the bound was handed over
    superseded: Superseded | None = NONE_SUPERSEDED  # records to pass over; None: not known yet
    search: asyncio.Task[None] | None = None  # for what is superseded

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
        is_known = self.superseded is not None
        return is_known and bool(self.backlog) and self.is_marked and self.ledger.has_room(self.head)

    @property
    def must_pass(self) -> bool:
        """Is its next record one to pass over, and may it be?"""
        known = self.superseded
        return known is not None and known is not NONE_SUPERSEDED and self.is_ready and self.head in known

    @property
    def has_suspect(self) -> bool:
        """Did its last owners die, so that one of its records may be to blame?"""
        return bool(self.quarantine.mark.deaths)

    @property
    def lacks_last_commit(self) -> bool:
        """Is everything before the bound done, and not committed?"""
        bound = self.bound
        return self.has_ended and bound is not None and self.committed_offset < bound <= self.ledger.committable

    @property
    def lacks_position(self) -> bool:
        """Is everything that came done, and what is committed lies before?"""
        return self.committed_offset < self.ledger.committable == self.ledger.next_offset

    def start(self, journey: Journey) -> None:
        """One of its records is under way from now on."""
        self.quarantine.start(journey.origin.offset)
        self.journeys.add(journey)
        self.num_uncommitted += 1
        self.idle.clear()

    def count_down(self) -> None:
        """What came of a journey is committed, or nothing came of it."""
        self.num_uncommitted -= 1
        if self.num_uncommitted == 0:
            self.idle.set()

    def lacks_records(self, log_end: int) -> bool:
        """Should records come, and is none here?"""
        return not (self.is_paused or self.has_ended or self.backlog) and log_end > self.ledger.next_offset

    def lag(self, log_end: int) -> int:
        """Offsets from the committed one to the end, of a replay to its bound."""
        return max(0, (log_end if self.bound is None else self.bound) - self.committed_offset)

    def num_waiting(self, log_end: int) -> int:
        """Its records that are there and not started, with holes of the log counted as records."""
        return max(0, log_end - self.ledger.next_offset) + len(self.backlog)

    def finish(self, offset: int) -> None:
        """One of its records is done."""
        self.ledger.finish(offset)
        self.quarantine.finish(offset, self.ledger.next_offset)

    def position(self, topic: str) -> TopicPartition:
        """What to commit for it now: contiguous offset, gap map and mark from one snapshot."""
        position = self.ledger.position(self.quarantine.mark)
        return TopicPartition(topic, self.number, position.offset, metadata=position.metadata)

    def want_mark(self) -> None:
        """What its next commit has to say has changed."""
        self.marks_wanted += 1
        self.written.clear()

    def note_commit(self, offset: int, mark: int, now: float) -> None:
        """This offset is committed, with the mark of that count."""
        self.marks_written = mark
        if self.is_marked:  # not so where the mark changed while this commit was under way
            self.written.set()
        if offset > self.committed_offset:
            self.committed_offset, self.committed_at = offset, now


class Partitions:
    """Those that are assigned now, by number. Owner: the event loop."""

    def __init__(self) -> None:
        self._by_number: dict[int, Partition] = {}
        self.changed = asyncio.Event()  # another record may start than before; whoever waits for one clears it

    def __iter__(self) -> Iterator[Partition]:
        return iter(self._by_number.values())

    def __contains__(self, partition: Partition) -> bool:
        return self._by_number.get(partition.number) is partition

    def __getitem__(self, number: int) -> Partition:
        return self._by_number[number]

    def get(self, number: int) -> Partition | None:
        """The partition of this number, if it is ours."""
        return self._by_number.get(number)

    def of(self, origin: Origin) -> Partition | None:
        """Where this record belongs, if the assignment under which it was read is still ours."""
        return self.under(origin.partition, origin.epoch)

    def under(self, number: int, epoch: int) -> Partition | None:
        """The partition of this number, if it is ours under this epoch."""
        partition = self._by_number.get(number)
        return partition if partition is not None and partition.epoch == epoch else None

    def add(self, partition: Partition) -> None:
        """It is ours now."""
        self._by_number[partition.number] = partition

    def remove(self, partition: Partition) -> None:
        """It is ours no longer; what waited for its records need not."""
        del self._by_number[partition.number]
        self.changed.set()


def not_worth_finishing(journeys: Iterable[Journey]) -> list[Journey]:
    """Those the device has not worked on, unless a result of a later record of their key waits for them."""
    journeys = list(journeys)
    for journey in journeys:
        if journey.flight.is_started:
            journey.turn.want_earlier()
    return [journey for journey in journeys if not (journey.flight.is_started or journey.turn.is_wanted)]


def cancel(journeys: Iterable[Journey]) -> None:
    """Give these up."""
    for journey in list(journeys):
        if journey.task is not None:
            journey.task.cancel()
