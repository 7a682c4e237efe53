"""How partitions come and go, with the records that the consumer brings: the consumer's side.

The consumer's thread tells an `Intake` what it sees; everything is handed over to the event loop and happens there, in
the order in which it was told. What the loop knows then has one owner each:

    `Partitions`   those that are ours now; each with its ledger, key order, quarantine and journeys
    `Backlogs`     records that came and have not started
    `LonelyRuns`   suspects that must have the process to themselves
    `Starts`       which record starts next: for the pipeline
    `Books`        what has to be committed, and what is: for the committer

An assignment of a partition has an epoch. What belongs to an older epoch is dropped wherever it turns up: its journey
is cancelled, its result is not published. An assignment begins and ends with a commit of its own, whose mark says who
holds the partition; no record starts before the first is written, so that a death can be counted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future

import structlog

from worker.consume import Consumer
from worker.errors import FatalError
from worker.item import Record
from worker.offsets import PartitionLedger, decode_map
from worker.partitions.assignment import Assigned
from worker.partitions.backlogs import Backlogs
from worker.partitions.books import Books
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.lonely_runs import LonelyRuns
from worker.partitions.partition import Partition, Partitions, cancel, not_worth_finishing
from worker.partitions.quarantine import Quarantine
from worker.partitions.starts import Starts
from worker.partitions.superseded import Superseded

log = structlog.get_logger(__name__)


FindSuperseded = Callable[[int], Awaitable[Superseded]]


class Intake:
    """Assigns, feeds and revokes. Implements `worker.consume.Listener`."""

    def __init__(
        self, topic: str, policy: IntakePolicy, on_failed: Callable[[FatalError], None],
        find_superseded: FindSuperseded | None = None,
    ) -> None:  # fmt: skip
        self._topic = topic
        self._policy = policy
        self._on_failed = on_failed
        self._find_superseded = find_superseded
        self._loop = asyncio.get_running_loop()
        self._writer = secrets.randbits(32) | 1  # never 0, which stands for a clean handover
        self._moved: dict[int, tuple[int, float]] = {}  # before a rewind: committed offsets, and when they last moved
        self._is_closed = False
        self.consumer: Consumer  # set once, before it starts: it is made of its listener
        self.num_rebalances = 0
        self.partitions = Partitions()
        self.books = Books(topic, self.partitions)
        self._backlogs = Backlogs(policy, self._tell_paused)
        self._lonely_runs = LonelyRuns(self.partitions, self.books, self._backlogs)
        self.starts = Starts(
            self.partitions, self.books, self._backlogs, self._lonely_runs, passes_over=find_superseded is not None
        )

    # ---- told by the consumer's thread --------------------------------------------------------------------------

    def on_records(self, records: Sequence[Record]) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._take, records)

    def on_assigned(self, assigned: Sequence[Assigned]) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._assign, assigned)

    def on_end(self, partition: int, epoch: int) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._reach_bound, partition, epoch)

    def on_caught_up(self, partition: int, epoch: int, position: int) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._pass_end, partition, epoch, position)

    def on_revoked(self, partitions: Sequence[int], *, is_lost: bool) -> Future[None]:
        """See `Listener`."""
        return asyncio.run_coroutine_threadsafe(self._revoke(partitions, is_lost=is_lost), self._loop)

    def on_failed(self, error: FatalError) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._on_failed, error)

    # ---- records come -------------------------------------------------------------------------------------------

    def _take(self, records: Sequence[Record]) -> None:
        fed: set[Partition] = set()
        now = self._loop.time()
        for record in records:
            origin = record.origin
            if origin is None or (partition := self._taking(origin.partition, origin.epoch)) is None:
                continue
            partition.arrived_at = now
            if partition.ledger.deliver(origin.offset):
                partition.quarantine.deliver(origin.offset)
                self._backlogs.add(partition, record, origin, partition.order.enter(record.key or origin.offset))
                fed.add(partition)
        self._backlogs.came(fed, self.partitions)
        self.partitions.changed.set()

    def _reach_bound(self, number: int, epoch: int) -> None:
        partition = self._taking(number, epoch)
        if partition is None or partition.bound is None:
            return
        partition.has_ended = True
        partition.ledger.pass_to(partition.bound)
        self.books.want_end(partition)

    def _pass_end(self, number: int, epoch: int, position: int) -> None:
        """Markers of transactions and aborted records at the log's end are behind us: say so, though no result comes of
        them. Else they look like lag, and once they have expired, like records that were lost.
        """
        partition = self._taking(number, epoch)
        if partition is None or position <= partition.ledger.next_offset:
            return
        partition.ledger.pass_to(position)
        self.books.want_position(partition)

    def _taking(self, number: int, epoch: int) -> Partition | None:
        """The partition, if records of this assignment are still taken. Once they are not, a position that was reached
        lies behind some that nobody has: passing to it would commit them as done.
        """
        return None if self._is_closed else self.partitions.under(number, epoch)

    def _tell_paused(self, partition: Partition, is_paused: bool) -> None:
        (self.consumer.pause if is_paused else self.consumer.resume)([partition.number])

    def unstick(self, ends: Mapping[int, int], silent_seconds: float) -> list[int]:
        """Resume partitions that should bring records and do not: a pause can outlive its resume in the client.

        ``ends``: the log's end per partition, as far as the client knows it. Returns the partitions.
        """
        now = self._loop.time()
        stuck = []
        for partition in self.partitions:
            is_silent = now - partition.arrived_at > silent_seconds
            if is_silent and partition.lacks_records(ends.get(partition.number, 0)):
                log.warning("partition.silent", partition=partition.number, seconds=silent_seconds, remedy="resumed it")
                partition.arrived_at = now
                stuck.append(partition.number)
        if stuck:
            self.consumer.resume(stuck)
        return stuck

    # ---- partitions come ----------------------------------------------------------------------------------------

    def _assign(self, assigned: Sequence[Assigned]) -> None:
        self.num_rebalances += 1
        for place in assigned:
            self._drop(place.partition)
            self._take_over(place)
        # A pause survives a rebalance inside librdkafka, silently: whatever we hold starts unpaused.
        self.consumer.resume([place.partition for place in assigned])

    def _take_over(self, place: Assigned) -> None:
        gaps = decode_map(place.metadata, place.offset)
        if gaps.foreign:
            log.warning(
                "offsets.foreign_metadata",
                partition=place.partition,
                offset=place.offset,
                why=gaps.foreign,
                effect="listings finished beyond this offset may be published again",
            )
        quarantine = Quarantine(gaps.mark, self._writer, place.offset, place.end)
        ledger = PartitionLedger(place.offset, gaps.finished)
        partition = Partition(place.partition, place.epoch, ledger, quarantine, bound=place.bound)
        partition.idle.set()
        partition.committed_offset = place.offset
        partition.committed_at = partition.arrived_at = self._loop.time()
        offset, moved_at = self._moved.pop(place.partition, (-1, 0.0))
        if offset == place.offset:  # a rewind is no progress
            partition.committed_at = moved_at
        if self._find_superseded is not None and place.offset < (place.bound or 0):
            partition.superseded = None
            partition.search = self._loop.create_task(self._search(partition, self._find_superseded))
        self.partitions.add(partition)
        self._lonely_runs.watch(partition)
        self.books.want_mark(partition)
        log.info(
            "partition.assigned",
            partition=place.partition,
            offset=place.offset,
            finished_beyond=len(gaps.finished),
            epoch=place.epoch,
            deaths=quarantine.mark.deaths,
        )

    async def _search(self, partition: Partition, find: FindSuperseded) -> None:
        try:
            partition.superseded = await find(partition.number)
        except Exception as error:  # any: a task that ends unseen leaves its partition waiting for ever
            words = f"what to leave out of {self._topic}, partition {partition.number}, cannot be found: {error!r}"
            self._on_failed(error if isinstance(error, FatalError) else FatalError(words))
        self.partitions.changed.set()

    # ---- partitions go ------------------------------------------------------------------------------------------

    def rewind(self) -> None:
        """After an unknown outcome: drop everything in flight, start again from what is committed."""
        self._moved = {p.number: (p.committed_offset, p.committed_at) for p in self.partitions}
        for number in self._moved:
            self._drop(number)
        self.consumer.rewind()

    async def drain(self) -> None:
        """Take no more; finish what the device has started, within the budget; drop the rest."""
        self._is_closed = self._backlogs.is_closed = True
        await self._revoke([partition.number for partition in self.partitions], is_lost=False)

    async def _revoke(self, partitions: Sequence[int], *, is_lost: bool) -> None:
        held = [partition for number in partitions if (partition := self.partitions.get(number)) is not None]
        self._moved.clear()
        for partition in held:
            self._backlogs.clear(partition)
            cancel(partition.journeys if is_lost else not_worth_finishing(partition.journeys))
        if not is_lost and held:
            idle = [asyncio.ensure_future(partition.idle.wait()) for partition in held]
            drain_seconds = self._policy.drain_seconds - self._policy.handover_seconds
            _, late = await asyncio.wait(idle, timeout=drain_seconds)
            for waiter in late:
                waiter.cancel()
            await self._hand_over([partition for partition in held if partition in self.partitions])
        for partition in held:
            log.info("partition.revoked", partition=partition.number, lost=is_lost, dropped=partition.num_uncommitted)
            if partition in self.partitions:  # else it went meanwhile, and may be ours again under another epoch
                self._drop(partition.number)
        self._backlogs.resume()  # what went may have held the others back

    async def _hand_over(self, held: Sequence[Partition]) -> None:
        """Commit that these end cleanly. Without it their next owner counts a death, which costs little."""
        for partition in held:
            cancel(partition.journeys)
            partition.quarantine.leave()
            self.books.want_mark(partition)
        try:
            async with asyncio.timeout(self._policy.handover_seconds):
                await asyncio.gather(*(partition.written.wait() for partition in held))
        except TimeoutError:
            log.warning("partition.handover_uncommitted", partitions=[partition.number for partition in held])

    def _drop(self, number: int) -> None:
        partition = self.partitions.get(number)
        if partition is None:
            return
        self.partitions.remove(partition)
        self._lonely_runs.forget(partition)
        self._backlogs.forget(partition)
        cancel(partition.journeys)
        partition.idle.set()  # a revocation under way waits for nothing more: it was rewound meanwhile
        partition.written.set()
        if partition.search is not None:
            partition.search.cancel()
