"""What the event loop knows of the assigned partitions: backlog, ledger, key order, journeys under way.

The consumer's thread tells an `Intake` what it sees; everything is handed over to the loop and happens there, in the
order in which it was told. Records wait in a backlog per partition and leave round robin, so that a busy partition
does not starve the others. A full backlog pauses its partition, with hysteresis; the consumer keeps polling.

An assignment of a partition has an epoch. What belongs to an older epoch is dropped wherever it turns up: its journey
is cancelled, its result is not published.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import structlog
from confluent_kafka import TopicPartition

from worker.consume import Assigned, Consumer
from worker.errors import FatalError
from worker.item import Finished, Flight, Origin, Record
from worker.offsets import PartitionLedger, decode_map
from worker.ordering import KeyOrder, Turn

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IntakePolicy:
    """Limits of what waits before a listing starts, and how long a revoked partition may drain."""

    max_backlog_records: int = 200  # per partition
    max_backlog_bytes: int = 64 << 20  # over all partitions
    drain_seconds: float = 20.0


@dataclass(slots=True, eq=False)
class Journey:
    """One record of the stream under way."""

    flight: Flight
    origin: Origin
    turn: Turn
    task: asyncio.Task[None] | None = None


@dataclass(slots=True)
class Partition:
    """One assigned partition, under one epoch."""

    number: int
    epoch: int
    ledger: PartitionLedger
    order: KeyOrder = field(default_factory=KeyOrder)
    backlog: deque[tuple[Record, Origin, Turn]] = field(default_factory=deque)
    journeys: set[Journey] = field(default_factory=set)
    num_uncommitted: int = 0  # journeys under way, and results not yet committed
    is_paused: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Intake:
    """The loop's side of the consumer. Implements `worker.consume.Listener`."""

    def __init__(self, topic: str, policy: IntakePolicy, on_failed: Callable[[FatalError], None]) -> None:
        self._topic = topic
        self._policy = policy
        self._on_failed = on_failed
        self._loop = asyncio.get_running_loop()
        self._partitions: dict[int, Partition] = {}
        self._turns: deque[int] = deque()  # round robin over partitions
        self._backlog_bytes = 0
        self._arrived = asyncio.Event()
        self._is_closed = False
        self.consumer: Consumer | None = None  # set once, before the consumer starts
        self.num_rebalances = 0

    # ---- told by the consumer's thread --------------------------------------------------------------------------

    def on_records(self, records: Sequence[Record]) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._take, records)

    def on_assigned(self, assigned: Sequence[Assigned]) -> None:
        """See `Listener`."""
        self._loop.call_soon_threadsafe(self._assign, assigned)

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

    def oldest_seconds(self) -> float:
        """Age of the oldest listing under way, in seconds; 0 without any."""
        began = [journey.flight.began for partition in self._partitions.values() for journey in partition.journeys]
        return self._loop.time() - min(began) if began else 0.0

    async def next(self) -> Journey:
        """The next record to start on, fair over partitions; waits for one."""
        while True:
            for _ in range(len(self._turns)):
                self._turns.rotate(-1)
                partition = self._partitions[self._turns[-1]]
                if partition.backlog and partition.ledger.has_room(partition.backlog[0][1].offset):
                    return self._start(partition)
            self._arrived.clear()
            await self._arrived.wait()

    def is_current(self, origin: Origin) -> bool:
        """Does this record still belong to the assignment under which it was read?"""
        partition = self._partitions.get(origin.partition)
        return partition is not None and partition.epoch == origin.epoch

    def finish(self, finished: Iterable[Finished]) -> list[TopicPartition]:
        """Mark records as finished; what to commit for the partitions they touch, gap maps included."""
        touched = set()
        for one in finished:
            self._partitions[one.origin.partition].ledger.finish(one.origin.offset)
            touched.add(one.origin.partition)
        return self.positions(touched)

    def positions(self, partitions: Iterable[int]) -> list[TopicPartition]:
        """What to commit for these partitions now."""
        places = []
        for number in partitions:
            position = self._partitions[number].ledger.position()
            places.append(TopicPartition(self._topic, number, position.offset, metadata=position.metadata))
        return places

    def settle(self, finished: Iterable[Finished]) -> None:
        """These are committed (or dropped): nothing of them is in flight any more."""
        for one in finished:
            if self.is_current(one.origin):
                self._count_down(self._partitions[one.origin.partition])
        self._arrived.set()  # a gap closed: a window may have room again

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

    async def rewind(self) -> None:
        """After an unknown outcome: drop everything in flight, start again from what is committed."""
        assert self.consumer is not None  # noqa: S101  # set before start
        await asyncio.wrap_future(self.consumer.rewind())

    async def drain(self) -> None:
        """Take no more; finish what the device has started, within the budget; drop the rest."""
        self._is_closed = True
        await self._revoke(list(self._partitions), is_lost=False)

    # ---- on the loop --------------------------------------------------------------------------------------------

    def _take(self, records: Sequence[Record]) -> None:
        for record in records:
            origin = record.origin
            if origin is None or self._is_closed or not self.is_current(origin):
                continue
            partition = self._partitions[origin.partition]
            if partition.ledger.deliver(origin.offset):
                partition.backlog.append((record, origin, partition.order.enter(record.key or origin.offset)))
                self._backlog_bytes += record.num_bytes
        self._pause_full()
        self._arrived.set()

    def _start(self, partition: Partition) -> Journey:
        record, origin, turn = partition.backlog.popleft()
        self._backlog_bytes -= record.num_bytes
        journey = Journey(Flight(record, self._loop.time()), origin, turn)
        partition.journeys.add(journey)
        partition.num_uncommitted += 1
        partition.idle.clear()
        self._resume_drained()
        return journey

    def _count_down(self, partition: Partition) -> None:
        partition.num_uncommitted -= 1
        if partition.num_uncommitted == 0:
            partition.idle.set()

    def _pause_full(self) -> None:
        is_heavy = self._backlog_bytes >= self._policy.max_backlog_bytes
        for partition in self._partitions.values():
            is_full = len(partition.backlog) >= self._policy.max_backlog_records
            if not partition.is_paused and (is_full or (is_heavy and partition.backlog)):
                self._set_paused(partition, is_paused=True)

    def _resume_drained(self) -> None:
        if self._is_closed or self._backlog_bytes > self._policy.max_backlog_bytes // 2:
            return
        for partition in self._partitions.values():
            if partition.is_paused and len(partition.backlog) <= self._policy.max_backlog_records // 2:
                self._set_paused(partition, is_paused=False)

    def _set_paused(self, partition: Partition, *, is_paused: bool) -> None:
        assert self.consumer is not None  # noqa: S101  # set before start
        partition.is_paused = is_paused
        change = self.consumer.pause if is_paused else self.consumer.resume
        change([partition.number])

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
            ledger = PartitionLedger(place.offset, gaps.finished)
            self._partitions[place.partition] = Partition(place.partition, place.epoch, ledger)
            self._partitions[place.partition].idle.set()
            log.info(
                "partition.assigned",
                partition=place.partition,
                offset=place.offset,
                finished_beyond=len(gaps.finished),
                epoch=place.epoch,
            )
        self._turns = deque(self._partitions)
        # A pause survives a rebalance inside librdkafka, silently: whatever we hold starts unpaused.
        self.consumer.resume([place.partition for place in assigned])

    async def _revoke(self, partitions: Sequence[int], *, is_lost: bool) -> None:
        held = [self._partitions[number] for number in partitions if number in self._partitions]
        for partition in held:
            self._clear_backlog(partition)
            for journey in list(partition.journeys):
                if journey.task is not None and (is_lost or not journey.flight.is_started):
                    journey.task.cancel()
        if not is_lost and held:
            idle = [asyncio.ensure_future(partition.idle.wait()) for partition in held]
            _, late = await asyncio.wait(idle, timeout=self._policy.drain_seconds)
            for waiter in late:
                waiter.cancel()
        for partition in held:
            log.info("partition.revoked", partition=partition.number, lost=is_lost, dropped=partition.num_uncommitted)
            self._drop(partition.number)
        self._turns = deque(self._partitions)

    def _drop(self, number: int) -> None:
        partition = self._partitions.pop(number, None)
        if partition is None:
            return
        self._clear_backlog(partition)
        for journey in partition.journeys:
            if journey.task is not None:
                journey.task.cancel()
        if self._turns.count(number):
            self._turns.remove(number)

    def _clear_backlog(self, partition: Partition) -> None:
        self._backlog_bytes -= sum(record.num_bytes for record, _, _ in partition.backlog)
        partition.backlog.clear()
