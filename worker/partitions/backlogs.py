"""Records that came and have not started: whose turn it is, and which partitions must wait. Noun file.

What is asked for every record must not look at every partition: the queue holds those with a backlog, each once, and a
partition's being full is looked at when records come to it or leave it. Owner: the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from worker.item import Origin, Record
from worker.partitions.fair_queue import FairQueue
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.ordering import Turn
from worker.partitions.partition import Partition


class Backlogs:
    """The backlogs of all assigned partitions. ``pause`` tells the consumer, for one partition, True to pause."""

    def __init__(self, policy: IntakePolicy, pause: Callable[[Partition, bool], None]) -> None:
        self._policy = policy
        self._pause = pause
        self._num_bytes = 0
        self._queue = FairQueue()
        self._paused: set[Partition] = set()
        self._is_heavy = False  # the bytes have reached their limit, and are not yet at half of it
        self.is_closed = False  # nothing is resumed any more

    def add(self, partition: Partition, record: Record, origin: Origin, turn: Turn) -> None:
        """A record came. `came` has to follow."""
        if not partition.backlog:
            self._queue.enter(partition)
        partition.backlog.append((record, origin, turn))
        self._num_bytes += record.num_bytes

    def came(self, fed: Iterable[Partition], assigned: Iterable[Partition]) -> None:
        """Pause what is full. ``fed``: where records came just now; only these can have become full by themselves."""
        if self._num_bytes >= self._policy.max_backlog_bytes:
            self._is_heavy = True
            fed = assigned
        for partition in fed:
            is_full = len(partition.backlog) >= self._policy.max_backlog_records
            if not partition.is_paused and (is_full or (self._is_heavy and partition.backlog)):
                self._set_paused(partition, is_paused=True)

    def next_ready(self) -> Partition | None:
        """The partition whose turn it is."""
        return self._queue.first_ready()

    def take(self, partition: Partition) -> tuple[Record, Origin, Turn]:
        """Its next record leaves."""
        taken = partition.backlog.popleft()
        self._num_bytes -= taken[0].num_bytes
        self.resume((partition,))
        return taken

    def clear(self, partition: Partition) -> None:
        """What came and has not started is dropped."""
        self._num_bytes -= sum(record.num_bytes for record, _, _ in partition.backlog)
        partition.backlog.clear()

    def forget(self, partition: Partition) -> None:
        """It is ours no longer."""
        self.clear(partition)
        self._paused.discard(partition)
        self._queue.leave(partition)

    def resume(self, drained: Iterable[Partition] | None = None) -> None:
        """Resume what has room again, with hysteresis. ``drained``: where records left just now; unless bytes held all
        back, only these can have room again. None: look at all.
        """
        # Below the limit bytes hold nobody back: a partition that is skipped here once it is empty never asks again.
        if self.is_closed or (self._is_heavy and self._num_bytes > self._policy.max_backlog_bytes // 2):
            return
        if self._is_heavy or drained is None:
            drained = list(self._paused)
        self._is_heavy = False
        for partition in drained:
            if partition.is_paused and len(partition.backlog) <= self._policy.max_backlog_records // 2:
                self._set_paused(partition, is_paused=False)

    def _set_paused(self, partition: Partition, *, is_paused: bool) -> None:
        partition.is_paused = is_paused
        (self._paused.add if is_paused else self._paused.discard)(partition)
        self._pause(partition, is_paused)
