"""What the event loop knows of the assigned partitions: backlog, ledger, key order, journeys under way.

The consumer's thread tells an `Intake` what it sees; everything is handed over to the loop and happens there, in the
order in which it was told. Records wait in a backlog per partition and leave round robin, so that a busy partition
does not starve the others. A full backlog pauses its partition, with hysteresis; the consumer keeps polling.

An assignment of a partition has an epoch. What belongs to an older epoch is dropped wherever it turns up: its journey
is cancelled, its result is not published. An assignment begins and ends with a commit of its own, whose mark says who
holds the partition; no record starts before the first is written, so that a death can be counted.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future

import structlog
from confluent_kafka import TopicPartition

from worker.consume import Consumer
from worker.errors import FatalError
from worker.item import Finished, Flight, Origin, Record
from worker.offsets import PartitionLedger, decode_map
from worker.partitions.assignment import Assigned
from worker.partitions.backlogs import Backlogs
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.partition import Journey, Partition, cancel, not_worth_finishing
from worker.partitions.quarantine import Quarantine
from worker.partitions.superseded import Superseded

log = structlog.get_logger(__name__)


FindSuperseded = Callable[[int], Awaitable[Superseded]]


class Intake:
    """The loop's side of the consumer. Implements `worker.consume.Listener`."""

    def __init__(
        self, topic: str, policy: IntakePolicy, on_failed: Callable[[FatalError], None],
        find_superseded: FindSuperseded | None = None,
    ) -> None:  # fmt: skip
        self._topic = topic
        self._policy = policy
        self._on_failed = on_failed
        self._find_superseded = find_superseded
        self._loop = asyncio.get_running_loop()
        self._partitions: dict[int, Partition] = {}
        self._backlogs = Backlogs(policy, self._tell_paused)
        self._suspected: set[Partition] = set()  # those whose last owners died
        self._unmarked: set[Partition] = set()  # those whose mark may have to be committed
        self._arrived = asyncio.Event()
        self._is_closed = False
        self._writer = secrets.randbits(32) | 1  # never 0, which stands for a clean handover
        self._nominee: Partition | None = None  # whose suspect is next to run by itself, once its mark is committed
        self._alone: Partition | None = None  # where a suspect is being run by itself
        self.wake_committer = asyncio.Event()
        self.consumer: Consumer | None = None  # set once, before the consumer starts
        self._moved: dict[int, tuple[int, float]] = {}  # before a rewind: committed offsets, and when they last moved
        self.num_rebalances = 0
        self.num_passed_over = 0  # records superseded by a later one of their key, or not meant

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

    def on_revoked(self, partitions: Sequence[int], *, is_lost: bool) -> Future[None]:
        """See `Listener`."""
        return asyncio.run_coroutine_threadsafe(self._revoke(partitions, is_lost=is_lost), self._loop)

    def on_failed(self, error: FatalError) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._on_failed, error)

    # ---- asked by the pipeline ----------------------------------------------------------------------------------

    @property
    def partitions(self) -> Iterable[Partition]:
        """The assigned partitions."""
        return self._partitions.values()

    def oldest(self) -> Journey | None:
        """The listing that has been under way for longest."""
        under_way = (journey for partition in self._partitions.values() for journey in partition.journeys)
        return min(under_way, key=lambda journey: journey.flight.began, default=None)

    async def next(self) -> Journey:
        """The next record to start on, fair over partitions; waits for one."""
        while True:
            if (partition := self._choose()) is not None:
                return self._start(partition)
            self._arrived.clear()
            await self._arrived.wait()

    def _choose(self) -> Partition | None:
        if self._find_superseded is not None:
            for partition in self._partitions.values():
                self._pass_over(partition)
        lonely = self._lonely() if self._suspected else None
        if lonely or self._nominee or self._alone:
            return self._choose_alone(lonely)
        return self._backlogs.next_ready()

    def _lonely(self) -> Partition | None:
        """A partition whose next record must run by itself."""
        self._suspected = {p for p in self._suspected if p.has_suspect and self.holds(p)}
        ready = (p for p in self._suspected if p.is_ready and p.quarantine.must_run_alone(p.head))
        return min(ready, key=lambda partition: partition.number, default=None)

    def _choose_alone(self, lonely: Partition | None) -> Partition | None:
        """A suspect starts when nothing else is under way and its mark is committed.

        One is named at a time: a name in a committed mark convicts, should the process die of another record.
        """
        if any(p.num_uncommitted for p in self._partitions.values()):
            return None
        if self._nominee is not None:
            return self._begin_alone(self._nominee)
        if lonely is not None:
            log.warning("quarantine.running_alone", partition=lonely.number, offset=lonely.head)
            lonely.quarantine.run_alone(lonely.head)
            self._nominee = lonely
            self._want_mark(lonely)
        return None

    def _begin_alone(self, nominee: Partition) -> Partition | None:
        if not nominee.is_ready:
            return None
        self._nominee, self._alone = None, nominee
        return nominee

    def is_current(self, origin: Origin) -> bool:
        """Does this record still belong to the assignment under which it was read?"""
        partition = self._partitions.get(origin.partition)
        return partition is not None and partition.epoch == origin.epoch

    def holds(self, partition: Partition) -> bool:
        """Is this very assignment still ours?"""
        return self._partitions.get(partition.number) is partition

    def finish(self, finished: Iterable[Finished]) -> None:
        """Mark records as finished, for the next ``positions``."""
        for one in finished:
            self._partitions[one.origin.partition].finish(one.origin.offset)

    def to_mark(self) -> list[Partition]:
        """Partitions whose mark must be committed, with or without results."""
        self._unmarked = {p for p in self._unmarked if not p.is_marked and self.holds(p)}
        return sorted(self._unmarked, key=lambda partition: partition.number)

    def positions(self, partitions: Iterable[int]) -> list[tuple[TopicPartition, Partition, int]]:
        """What to commit for these partitions now, for whom, and with the mark of which count."""
        held = [self._partitions[number] for number in partitions]
        return [(partition.position(self._topic), partition, partition.marks_wanted) for partition in held]

    def written(self, places: Iterable[tuple[TopicPartition, Partition, int]]) -> None:
        """These positions are committed."""
        for place, partition, mark in places:
            partition.note_commit(place.offset, mark, self._loop.time())
        self._arrived.set()

    def settle(self, finished: Iterable[Finished]) -> None:
        """These are committed (or dropped): nothing of them is in flight any more."""
        for one in finished:
            if self.is_current(one.origin):
                self._count_down(self._partitions[one.origin.partition])
        self._arrived.set()  # a gap closed: a window may have room again, or a suspect the process to itself

    def end(self, journey: Journey, *, has_result: bool) -> None:
        """A journey is over. Without a result it was given up, and its partition with it."""
        if has_result:
            journey.turn.leave()
        else:
            journey.turn.give_up()
        if not self.is_current(journey.origin):
            return
        partition = self._partitions[journey.origin.partition]
        partition.journeys.discard(journey)
        if not has_result:
            self._count_down(partition)

    def rewind(self) -> None:
        """After an unknown outcome: drop everything in flight, start again from what is committed."""
        assert self.consumer is not None  # noqa: S101  # set before start
        self._moved = {p.number: (p.committed_offset, p.committed_at) for p in self._partitions.values()}
        for number in list(self._partitions):
            self._drop(number)
        self.consumer.rewind()

    async def drain(self) -> None:
        """Take no more; finish what the device has started, within the budget; drop the rest."""
        self._is_closed = self._backlogs.is_closed = True
        await self._revoke(list(self._partitions), is_lost=False)

    def unstick(self, ends: Mapping[int, int], silent_seconds: float) -> list[int]:
        """Resume partitions that should bring records and do not: a pause can outlive its resume in the client.

        ``ends``: the log's end per partition, as far as the client knows it. Returns the partitions.
        """
        assert self.consumer is not None  # noqa: S101  # set before start
        now = self._loop.time()
        stuck = [
            p.number
            for p in self._partitions.values()
            if not (p.is_paused or p.has_ended) and not p.backlog and now - p.arrived_at > silent_seconds
            and ends.get(p.number, 0) > p.ledger.next_offset
        ]  # fmt: skip
        for number in stuck:
            log.warning("partition.silent", partition=number, seconds=silent_seconds, remedy="resumed it")
            self._partitions[number].arrived_at = now
        if stuck:
            self.consumer.resume(stuck)
        return stuck

    # ---- on the loop --------------------------------------------------------------------------------------------

    def _take(self, records: Sequence[Record]) -> None:
        fed: set[Partition] = set()
        now = self._loop.time()
        for record in records:
            origin = record.origin
            if origin is None or self._is_closed or not self.is_current(origin):
                continue
            partition = self._partitions[origin.partition]
            partition.arrived_at = now
            if partition.ledger.deliver(origin.offset):
                partition.quarantine.deliver(origin.offset)
                self._backlogs.add(partition, record, origin, partition.order.enter(record.key or origin.offset))
                fed.add(partition)
        self._backlogs.came(fed, self._partitions.values())
        self._arrived.set()

    def _pass_over(self, partition: Partition) -> None:
        """Records that a later one of their key superseded are done without work."""
        if not partition.must_pass:
            return
        while partition.must_pass:
            _, origin, turn = self._backlogs.take(partition)
            partition.finish(origin.offset)
            turn.leave()
            self.num_passed_over += 1
        self._commit_end(partition)

    def _reach_bound(self, number: int, epoch: int) -> None:
        partition = self._partitions.get(number)
        if partition is None or partition.epoch != epoch or partition.bound is None:
            return
        partition.has_ended = True
        partition.ledger.pass_to(partition.bound)
        self._commit_end(partition)

    def _commit_end(self, partition: Partition) -> None:
        """No result may be left to carry the last offset."""
        if partition.lacks_last_commit:
            self._want_mark(partition)

    async def _find(self, partition: Partition, find: FindSuperseded) -> None:
        try:
            partition.superseded = await find(partition.number)
        except Exception as error:  # any: a task that ends unseen leaves its partition waiting for ever
            words = f"what to leave out of {self._topic}, partition {partition.number}, cannot be found: {error!r}"
            self._on_failed(error if isinstance(error, FatalError) else FatalError(words))
        self._arrived.set()

    def _start(self, partition: Partition) -> Journey:
        record, origin, turn = self._backlogs.take(partition)
        partition.quarantine.start(origin.offset)
        is_convict = origin.offset == partition.quarantine.convict
        flight = Flight(record, self._loop.time(), num_deaths=partition.quarantine.mark.deaths if is_convict else 0)
        journey = Journey(flight, origin, turn)
        partition.journeys.add(journey)
        partition.num_uncommitted += 1
        partition.idle.clear()
        return journey

    def _count_down(self, partition: Partition) -> None:
        partition.num_uncommitted -= 1
        if partition.num_uncommitted == 0:
            partition.idle.set()
            if self._alone is partition:
                self._alone = None
            self._arrived.set()

    def _want_mark(self, partition: Partition) -> None:
        partition.marks_wanted += 1
        partition.written.clear()
        self._unmarked.add(partition)
        self.wake_committer.set()

    def _tell_paused(self, partition: Partition, is_paused: bool) -> None:
        assert self.consumer is not None  # noqa: S101  # set before start
        (self.consumer.pause if is_paused else self.consumer.resume)([partition.number])

    def _assign(self, assigned: Sequence[Assigned]) -> None:
        assert self.consumer is not None  # noqa: S101  # set before start
        self.num_rebalances += 1
        for place in assigned:
            self._drop(place.partition)
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
            partition = self._partitions[place.partition] = Partition(place.partition, place.epoch, ledger, quarantine)
            partition.bound = place.bound
            self._unmarked.add(partition)
            if partition.has_suspect:
                self._suspected.add(partition)
            if self._find_superseded is not None and place.offset < (place.bound or 0):
                partition.superseded = None
                partition.search = self._loop.create_task(self._find(partition, self._find_superseded))
            partition.idle.set()
            partition.committed_offset = place.offset
            partition.committed_at = partition.arrived_at = self._loop.time()
            offset, moved_at = self._moved.pop(place.partition, (-1, 0.0))
            if offset == place.offset:  # a rewind is no progress
                partition.committed_at = moved_at
            log.info(
                "partition.assigned",
                partition=place.partition,
                offset=place.offset,
                finished_beyond=len(gaps.finished),
                epoch=place.epoch,
                deaths=quarantine.mark.deaths,
            )
        self.wake_committer.set()
        # A pause survives a rebalance inside librdkafka, silently: whatever we hold starts unpaused.
        self.consumer.resume([place.partition for place in assigned])

    async def _revoke(self, partitions: Sequence[int], *, is_lost: bool) -> None:
        held = [self._partitions[number] for number in partitions if number in self._partitions]
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
            await self._hand_over(held)
        for partition in held:
            log.info("partition.revoked", partition=partition.number, lost=is_lost, dropped=partition.num_uncommitted)
            self._drop(partition.number)
        self._backlogs.resume()  # what went may have held the others back

    async def _hand_over(self, held: Sequence[Partition]) -> None:
        """Commit that these end cleanly. Without it their next owner counts a death, which costs little."""
        for partition in held:
            cancel(partition.journeys)
            partition.quarantine.leave()
            self._want_mark(partition)
        all_written = asyncio.gather(*(partition.written.wait() for partition in held))
        try:
            await asyncio.wait_for(all_written, self._policy.handover_seconds)
        except TimeoutError:
            log.warning("partition.handover_uncommitted", partitions=[partition.number for partition in held])

    def _drop(self, number: int) -> None:
        partition = self._partitions.pop(number, None)
        if partition is None:
            return
        if self._alone is partition:
            self._alone = None
        if self._nominee is partition:
            self._nominee = None
            self._arrived.set()
        self._backlogs.forget(partition)
        cancel(partition.journeys)
        if partition.search is not None:
            partition.search.cancel()
