"""Which record starts next, and what the end of its journey means for its partition: the pipeline's side. Noun file.

Owner: the event loop.
"""

from __future__ import annotations

import asyncio

from worker.item import Flight
from worker.partitions.backlogs import Backlogs
from worker.partitions.books import Books
from worker.partitions.lonely_runs import LonelyRuns
from worker.partitions.partition import Journey, Partition, Partitions


class Starts:
    """Of all assigned partitions. ``passes_over``: some records are not to be worked on (`Partition.superseded`)."""

    def __init__(
        self, partitions: Partitions, books: Books, backlogs: Backlogs, lonely_runs: LonelyRuns, *, passes_over: bool
    ) -> None:
        self._partitions = partitions
        self._books = books
        self._backlogs = backlogs
        self._lonely_runs = lonely_runs
        self._passes_over = passes_over
        self.num_passed_over = 0  # records superseded by a later one of their key, or not meant

    async def next(self) -> Journey:
        """The next record to start on, as `Backlogs` says; waits for one."""
        while True:
            if self._passes_over:
                for partition in self._partitions:
                    self._pass_over(partition)
            if (ready := self._lonely_runs.next_ready()) is not None:
                return self._start(ready)
            self._partitions.changed.clear()
            await self._partitions.changed.wait()

    def end(self, journey: Journey, *, has_result: bool) -> None:
        """A journey is over. Without a result it was given up, and its partition with it."""
        if has_result:
            journey.turn.leave()
        else:
            journey.turn.give_up()
        partition = self._partitions.of(journey.origin)
        if partition is None:
            return
        partition.journeys.discard(journey)
        if not has_result:
            partition.count_down()
            self._partitions.changed.set()

    def oldest(self) -> Journey | None:
        """The listing that has been under way for longest."""
        under_way = (journey for partition in self._partitions for journey in partition.journeys)
        return min(under_way, key=lambda journey: journey.flight.began, default=None)

    def _pass_over(self, partition: Partition) -> None:
        """Records that a later one of their key superseded are done without work."""
        if not partition.must_pass:
            return
        while partition.must_pass:
            _, origin, turn = self._backlogs.take(partition)
            partition.finish(origin.offset)
            turn.leave()
            self.num_passed_over += 1
        self._books.want_end(partition)

    def _start(self, partition: Partition) -> Journey:
        record, origin, turn = self._backlogs.take(partition)
        is_convict = origin.offset == partition.quarantine.convict
        num_deaths = partition.quarantine.mark.deaths if is_convict else 0
        journey = Journey(Flight(record, asyncio.get_running_loop().time(), num_deaths=num_deaths), origin, turn)
        partition.start(journey)
        return journey
