"""What is finished, what has to be committed and what is: the committer's side of the assigned partitions. Noun file.

A mark is committed with results or without: nothing may start before the first one, nor a suspect before the one that
names it, and an assignment ends with one. Owner: the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import TopicPartition

from worker.item import Finished, Origin
from worker.partitions.partition import Partition, Partitions


@dataclass(frozen=True, slots=True)
class Entry:
    """What a commit says of one partition. ``mark``: which of its marks that is, by count."""

    partition: Partition
    place: TopicPartition
    mark: int


class Books:
    """Of all assigned partitions of one topic."""

    def __init__(self, topic: str, partitions: Partitions) -> None:
        self._topic = topic
        self._partitions = partitions
        self._unmarked: set[Partition] = set()  # those whose mark may have to be committed
        self.wake = asyncio.Event()  # there is something to commit; the committer clears it

    # ---- what has to be committed -------------------------------------------------------------------------------

    def want_mark(self, partition: Partition) -> None:
        """Its mark has changed: commit that, whether or not there is a result."""
        partition.want_mark()
        self._unmarked.add(partition)
        self.wake.set()

    def want_end(self, partition: Partition) -> None:
        """Commit the end of a replay, if that is reached: no result may be left to carry it."""
        if partition.lacks_last_commit:
            self.want_mark(partition)

    def want_position(self, partition: Partition) -> None:
        """Commit where it stands, unless a result is left to carry that. Its records need not wait for it."""
        self._unmarked.add(partition)
        self.wake.set()

    def to_mark(self) -> list[Partition]:
        """Partitions whose mark or position must be committed, with or without results."""
        self._unmarked = {p for p in self._unmarked if p in self._partitions and (p.lacks_position or not p.is_marked)}
        return sorted(self._unmarked, key=lambda partition: partition.number)

    # ---- a transaction, from its results to their commit --------------------------------------------------------

    def is_current(self, origin: Origin) -> bool:
        """Does this record still belong to the assignment under which it was read?"""
        return self._partitions.of(origin) is not None

    def finish(self, finished: Iterable[Finished]) -> None:
        """These, which must be current, are done: the next ``entries`` say so."""
        for one in finished:
            self._partitions[one.origin.partition].finish(one.origin.offset)

    def entries(self, finished: Iterable[Finished], marks: Iterable[Partition]) -> list[Entry]:
        """What to commit now with these, which must be current, and for those of ``marks`` that are still ours."""
        touched = {self._partitions[one.origin.partition] for one in finished}
        touched.update(partition for partition in marks if partition in self._partitions)
        in_order = sorted(touched, key=lambda partition: partition.number)
        return [Entry(partition, partition.position(self._topic), partition.marks_wanted) for partition in in_order]

    def committed(self, entries: Iterable[Entry], finished: Iterable[Finished]) -> None:
        """These entries are committed, with these results: nothing of them is in flight any more."""
        now = asyncio.get_running_loop().time()
        for entry in entries:
            entry.partition.note_commit(entry.place.offset, entry.mark, now)
        for one in finished:
            if (partition := self._partitions.of(one.origin)) is not None:
                partition.count_down()
        # A mark is there, a gap closed, the last record ended: a window may have room, a suspect the process to itself.
        self._partitions.changed.set()
