"""Which partition's record starts next, in runs: a transaction should touch few partitions. Noun file.

Records that start one after the other end so too, and share a transaction. Each partition that it touches costs the
broker a batch and a marker in every topic, and a position. Taking turns record by record, a transaction of a dozen
results over 64 partitions touched as many: the broker spent 7 CPU-ms on a listing, and with runs 4.

A run is short, so that a busy partition does not starve the others, and one to which records come that had none goes
first, as only a new one would wait for the runs of all who lag: deficit round robin (Shreedhar and Varghese, 1995) with
the two lists of FQ-CoDel (RFC 8290). Unlike there, while partitions lag one may go first again before its turn comes,
for as many records as a run has: a listing now and then is live each time. Where none lags a turn comes soon, and
waiting for it makes runs longer. Owner: the event loop.
"""

from __future__ import annotations

from collections import deque

from worker.partitions.partition import Partition

RUN = 16  # records


class FairQueue:
    """Partitions with records that have not started; `Partition.has_turn` says whether it stands here."""

    def __init__(self) -> None:
        self._turns: deque[Partition] = deque()  # all, each once
        self._left = RUN  # of the run of the first one
        self._some_lag = False  # was the last run used up?
        self._fresh: deque[Partition] = deque()  # of them those that had none, each once: they go first

    def enter(self, partition: Partition) -> None:
        """Records come to it, and it has none."""
        if not partition.has_turn:
            partition.has_turn, partition.ahead_left = True, RUN
            self._turns.append(partition)
        if partition.ahead_left and partition not in self._fresh:
            self._fresh.append(partition)

    def leave(self, partition: Partition) -> None:
        """It gets no turn any more."""
        if not partition.has_turn:
            return
        partition.has_turn = False
        if self._turns[0] is partition:
            self._left = RUN
        self._turns.remove(partition)
        if partition in self._fresh:
            self._fresh.remove(partition)

    def first_ready(self) -> Partition | None:
        """The one whose next record starts. None where no partition may start one."""
        while self._fresh:
            first = self._fresh[0]
            if first.ahead_left and first.is_ready:
                first.ahead_left -= 1
                return first
            self._fresh.popleft()
            if not self._some_lag:
                first.ahead_left = 0
        for _ in range(len(self._turns) + 1):  # the first one again, where its run is over and no other may start
            if not self._turns:
                break
            if self._left and self._turns[0].is_ready:
                self._left -= 1
                return self._turns[0]
            self._pass_on()
        return None

    def _pass_on(self) -> None:
        """The first one's run is over. Only now may it go first again, even if it has had nothing left for long: else
        those that a record comes to now and then could starve the others.
        """
        partition = self._turns.popleft()
        if self._left < RUN:
            self._some_lag = not self._left
        self._left = partition.ahead_left = RUN
        partition.has_turn = bool(partition.backlog)
        if partition.has_turn:
            self._turns.append(partition)
