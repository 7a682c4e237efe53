"""Suspects, and that each has the process to itself while it runs: why is said in `worker.partitions.quarantine`.

One is named at a time: a name in a committed mark convicts, should the process die of another record. Noun file. Owner:
the event loop.
"""

from __future__ import annotations

import structlog

from worker.partitions.backlogs import Backlogs
from worker.partitions.books import Books
from worker.partitions.partition import Partition, Partitions

log = structlog.get_logger(__name__)


class LonelyRuns:
    """Those of all partitions, one after the other. Each is nominated, named in a committed mark, started, and ends."""

    def __init__(self, partitions: Partitions, books: Books, backlogs: Backlogs) -> None:
        self._partitions = partitions
        self._books = books
        self._backlogs = backlogs
        self._suspected: set[Partition] = set()  # those whose last owners died
        self._nominee: Partition | None = None  # whose suspect is next, once its mark is committed
        self._alone: Partition | None = None  # whose suspect is under way

    def watch(self, partition: Partition) -> None:
        """It was assigned: see whether some of its records are suspects."""
        if partition.has_suspect:
            self._suspected.add(partition)

    def forget(self, partition: Partition) -> None:
        """It is ours no longer."""
        self._suspected.discard(partition)
        if self._nominee is partition:
            self._nominee = None
        if self._alone is partition:
            self._alone = None

    def next_ready(self) -> Partition | None:
        """The partition whose next record starts: as `Backlogs` says, unless a suspect wants the process or has it."""
        if self._alone is not None and not self._alone.num_uncommitted:
            self._alone = None
        lonely = self._find() if self._suspected else None
        if not (lonely or self._nominee or self._alone):
            return self._backlogs.next_ready()
        if any(partition.num_uncommitted for partition in self._partitions):
            return None
        if self._nominee is not None:
            return self._begin(self._nominee)
        if lonely is not None:
            self._nominate(lonely)
        return None

    def _find(self) -> Partition | None:
        """A partition whose next record must run by itself."""
        self._suspected = {partition for partition in self._suspected if partition.has_suspect}
        ready = (p for p in self._suspected if p.is_ready and p.quarantine.must_run_alone(p.head))
        return min(ready, key=lambda partition: partition.number, default=None)

    def _nominate(self, lonely: Partition) -> None:
        log.warning("quarantine.running_alone", partition=lonely.number, offset=lonely.head)
        lonely.quarantine.run_alone(lonely.head)
        self._nominee = lonely
        self._books.want_mark(lonely)

    def _begin(self, nominee: Partition) -> Partition | None:
        if not nominee.is_ready:
            return None  # its mark is not committed yet
        self._nominee, self._alone = None, nominee
        return nominee
