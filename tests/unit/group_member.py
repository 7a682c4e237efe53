"""A member of a group in one event loop: intake, committer and journeys are real, the consumer's thread is played."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import cast

from tests.unit.group_world import Broker, World
from worker.committer import Committer
from worker.consume import Consumer
from worker.errors import FatalError
from worker.flow.admission import Limits
from worker.item import Finished, Origin, OutputRecord, Record
from worker.metrics import Metrics
from worker.partitions.assignment import Assigned
from worker.partitions.intake import Intake
from worker.partitions.intake_policy import IntakePolicy
from worker.partitions.ordering import TurnLostError
from worker.partitions.partition import Journey
from worker.partitions.superseded import Superseded

TOPIC = "in"


class Member:
    """``positions``: of its partitions, as its consumer's thread knows them. ``failure``: of one of its tasks."""

    def __init__(self, world: World) -> None:
        rnd = world.rnd
        self.world = world
        self.broker = Broker(world)
        policy = IntakePolicy(max_backlog_records=rnd.choice((2, 4, 200)), drain_seconds=2.0)
        self.intake = Intake(TOPIC, policy, self._fail, self._find if world.is_replay else None)
        self.intake.consumer = cast(Consumer, self)
        limits = Limits(max_outputs_per_commit=rnd.choice((2, 5, 600)))
        self.committer = Committer(self.intake.books, self.intake.rewind, self.broker, limits, Metrics())
        self.positions: dict[int, int] = {}
        self.is_draining = False
        self.is_told = asyncio.Event()  # of the end of its session, if that has ended
        self.is_told.set()
        self.in_callback = asyncio.Lock()  # of a rebalance: its thread does nothing else
        self.failure: BaseException | None = None
        self._epoch = 0
        self._epochs: dict[int, int] = {}
        self._paused: set[int] = set()
        self._ended: set[int] = set()
        self._has_to_rewind = False
        self._may_start = asyncio.Semaphore(0)
        self._gates: dict[Journey, asyncio.Event] = {}
        self._loops = [asyncio.ensure_future(self.committer.run()), asyncio.ensure_future(self._start_journeys())]
        for loop in self._loops:
            loop.add_done_callback(self._note)

    def _fail(self, error: FatalError) -> None:
        self.failure = error

    def _note(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()

    async def _find(self, number: int) -> Superseded:
        await asyncio.sleep(0.01)
        log = self.world.logs[number]
        found = Superseded(0, log.aim)
        for offset in log.superseded:
            found.add(offset)
        return found

    # ---- the consumer's doors -----------------------------------------------------------------------------------

    def pause(self, partitions: Sequence[int]) -> None:
        """See `Consumer`."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[int]) -> None:
        """See `Consumer`."""
        self._paused.difference_update(partitions)

    def rewind(self) -> None:
        """See `Consumer`."""
        self._has_to_rewind = True

    # ---- the consumer's thread ----------------------------------------------------------------------------------

    @property
    def is_away(self) -> bool:
        """Dead, in a rebalance, or its session is over and it has yet to hear of it."""
        return self.broker.is_dead or self.broker.is_fenced or self.in_callback.locked()

    def assign(self, partitions: Sequence[int]) -> None:
        """These, which are nobody's."""
        self.broker.generation += 1
        for number in partitions:
            self.world.owners[number] = self
        self._adopt(partitions)

    def _adopt(self, partitions: Sequence[int]) -> None:
        self._epoch += 1
        places = []
        for number in partitions:
            log, (offset, metadata) = self.world.logs[number], self.world.place(number)
            self.positions[number], self._epochs[number] = offset, self._epoch
            self._ended.discard(number)
            end = log.end if log.bound is None else min(log.bound, log.end)
            places.append(Assigned(number, self._epoch, offset, metadata, end, log.bound))
        self.intake.on_assigned(places)

    def turn(self, most: int) -> None:
        """Goes back where it has to; else so many records of each partition, and the ends that are reached."""
        if self.is_away:
            return
        if self._has_to_rewind:
            self._has_to_rewind = False
            self._adopt(sorted(self.positions))
            return
        reading = [number for number in self.positions if number not in self._paused | self._ended]
        self.intake.on_records([record for number in reading for record in self._read(number, most)])
        for number in reading:
            self._tell_end(number)

    def _read(self, number: int, most: int) -> list[Record]:
        log, origin = self.world.logs[number], partial(Origin, TOPIC, number, epoch=self._epochs[number])
        last = log.end if log.bound is None else log.bound
        found = [one for one in log.offsets if self.positions[number] <= one < last][:most]
        if found:
            self.positions[number] = found[-1] + 1
        if not any(self.positions[number] <= one < last for one in log.offsets):
            self.positions[number] = log.end
        return [Record(log.keys[one], b"{}", (), origin(one, 0)) for one in found]

    def _tell_end(self, number: int) -> None:
        log, epoch, position = self.world.logs[number], self._epochs[number], self.positions[number]
        if log.bound is not None and position >= log.bound:
            self._ended.add(number)
            self.intake.on_end(number, epoch)
        elif position == log.end:
            self.intake.on_caught_up(number, epoch, position)

    async def give_up(self, partitions: Sequence[int], *, is_lost: bool) -> None:
        """The group takes these, or took them some time ago."""
        async with self.in_callback:
            gone = [number for number in partitions if number in self.positions]
            if self.broker.is_dead or not gone:
                return
            await asyncio.wrap_future(self.intake.on_revoked(gone, is_lost=is_lost))
            if self.broker.is_dead:
                return
            for number in gone:
                del self.positions[number]
                if not is_lost:
                    self.world.owners[number] = None
            self.broker.generation += 1
            if is_lost:
                self.broker.is_fenced = False
                self.is_told.set()

    async def drain(self) -> None:
        """Until it has left its group."""
        self.is_draining = True
        await self.intake.drain()
        await self.is_told.wait()
        await self.give_up(list(self.positions), is_lost=False)
        self.die()

    def lose(self) -> list[int]:
        """Its session is over, and it does not know."""
        self.broker.is_fenced = True
        self.is_told.clear()
        self._let_go()
        return list(self.positions)

    def die(self) -> None:
        """At once."""
        self.broker.is_dead = True
        self.is_told.set()
        self._let_go()
        for task in (*self._loops, *(journey.task for journey in self._gates)):
            if task is not None:
                task.cancel()

    def _let_go(self) -> None:
        self.world.owners[:] = [None if owner is self else owner for owner in self.world.owners]

    # ---- the pipeline -------------------------------------------------------------------------------------------

    def may_start(self, count: int) -> None:
        """So many journeys more."""
        for _ in range(count):
            self._may_start.release()

    def finish(self, *, all_of_them: bool) -> None:
        """The device is done with one listing, or with all."""
        for journey in (
            list(self._gates) if all_of_them else self.world.rnd.sample(list(self._gates), 1 if self._gates else 0)
        ):
            journey.flight.is_started = True
            self._gates[journey].set()

    async def _start_journeys(self) -> None:
        while True:
            await self._may_start.acquire()
            journey = await self.intake.starts.next()
            self._gates[journey] = asyncio.Event()
            journey.task = asyncio.ensure_future(self._journey(journey))
            journey.task.add_done_callback(partial(self._end, journey))

    async def _journey(self, journey: Journey) -> None:
        """As `worker.pipeline` has it."""
        await self._gates[journey].wait()
        try:
            await journey.turn.wait()
        except TurnLostError:
            return
        value = f"{journey.origin.partition}:{journey.origin.offset}".encode()
        now = asyncio.get_running_loop().time()
        self.committer.add(Finished(journey.origin, (OutputRecord("out", b"k", value, ()),), None, began=now))
        journey.has_result = True

    def _end(self, journey: Journey, task: asyncio.Task[None]) -> None:
        del self._gates[journey]
        self._note(task)
        if not self.broker.is_dead:
            self.intake.starts.end(journey, has_result=journey.has_result)
