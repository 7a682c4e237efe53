"""Two lanes before one device: live listings first, the backfill where there is room."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from model.labels import Labels
from model.types import ListingInput, ModelInfo, Prediction
from tests.polling import until
from worker.batch import BatchPolicy
from worker.batches import Batches, SparePolicy
from worker.cache.vector_codec import VectorCodec
from worker.cache.vector_store import NoVectorStore
from worker.errors import FatalError
from worker.flow.waiting import WaitingRoom
from worker.infer import Infer
from worker.item import Flight, Record
from worker.metrics import Metrics
from worker.recall import Recall

PICTURE = np.zeros((4, 4, 3), np.uint8)


@dataclass
class Gated:
    """A device that works on a batch until it is let go; tells which titles it was given, batch by batch."""

    info: ModelInfo = field(default_factory=lambda: ModelInfo("gated", "1", "1", 4, 4, "cpu", "none"))
    labels: Labels = field(default_factory=lambda: Labels({}, {}))
    batches: list[list[str]] = field(default_factory=list)
    computed: list[str] = field(default_factory=list)
    num_begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_end: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    is_lying: bool = False

    def warm_up(self) -> None:
        """Nothing to warm."""

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """One empty answer per listing, when it is let go."""
        self.batches.append([one.title for one in listings])
        self.computed += [one.title for one in listings if one.title_vector is None]
        self.num_begun.release()
        self.may_end.acquire()
        answers = [Prediction({}, None, (), None, (), np.ones(4, np.float32)) for _ in listings]
        return answers[1:] if self.is_lying else answers


@dataclass
class Desk:
    """Batches on a gated device, and listings that wait for it."""

    device: Gated
    batches: Batches
    metrics: Metrics
    work: asyncio.Task[None]
    infer: Infer
    asked: list[asyncio.Task[Prediction]] = field(default_factory=list)
    flights: list[Flight] = field(default_factory=list)

    def ask(self, room: WaitingRoom, *titles: str, pictures: int = 1) -> None:
        """Put listings into a lane."""
        for title in titles:
            self.flights.append(Flight(Record(None, None, (), None), 0.0))
            inputs = ListingInput(title, (PICTURE,) * pictures)
            self.asked.append(asyncio.create_task(room.predict(inputs, self.flights[-1])))

    async def begun(self) -> list[str]:
        """The next batch on the device, once it has begun."""
        await asyncio.to_thread(self.device.num_begun.acquire)
        return self.device.batches[-1]

    async def hand_over(self, *titles: str, then: tuple[str, ...]) -> None:
        """The device works on l1, and has the batch of ``titles`` as well; ``then`` stands in front of it."""
        self.ask(self.batches.live, "l1")
        await self.begun()
        self.ask(self.batches.live, *titles, *then)
        await asyncio.sleep(0)  # now they are in the queue

        async def has_next() -> bool:
            return len(self.batches.live) == 0  # formed, as the one before left for the device

        await until(has_next)

    def finish(self) -> None:
        """Let the running batch go."""
        self.device.may_end.release()


@asynccontextmanager
async def desk(spare: SparePolicy | None = SparePolicy(10.0)) -> AsyncIterator[Desk]:  # noqa: B008  # frozen
    """Running; closed at the end, whatever happened."""
    device, metrics = Gated(), Metrics()
    infer = Infer(lambda: device)
    recall = Recall(NoVectorStore(), VectorCodec("rev", 4), metrics)
    await asyncio.gather(infer.start(), recall.start())
    batches = Batches(recall, infer, BatchPolicy(4), metrics, spare)
    work = asyncio.create_task(batches.run())
    one = Desk(device, batches, metrics, work, infer)
    try:
        yield one
    finally:
        work.cancel()
        for task in one.asked:
            task.cancel()
        await asyncio.wait([work, *one.asked])
        for _ in range(100):
            device.may_end.release()
        await infer.close()
        await recall.close()


async def test_live_goes_before_a_backfill_that_came_first_and_is_prepared() -> None:
    """While the device works a batch of the backfill is prepared; then live listings come, and go first."""
    async with desk() as one:
        one.ask(one.batches.spare, "s1")
        assert await one.begun() == ["s1"]
        one.ask(one.batches.spare, "s2", "s3", "s4", "s5", "s6")
        await asyncio.sleep(0)
        one.ask(one.batches.live, "l1", "l2")
        await asyncio.sleep(0)
        one.finish()
        assert await one.begun() == ["l1", "l2"]
        one.finish()
        assert await one.begun() == ["s2", "s3", "s4", "s5"]


async def test_the_device_goes_on_while_the_event_loop_is_busy() -> None:
    """The next live batch waits at the device before the running one ends; a third does not."""
    async with desk() as one:
        await one.hand_over("l2", "l3", "l4", "l5", then=("l6", "l7", "l8", "l9"))
        assert not any(flight.is_started for flight in one.flights[1:])
        one.finish()
        assert one.device.num_begun.acquire(timeout=30)  # nothing else can run in this thread meanwhile
        assert one.device.batches[-1] == ["l2", "l3", "l4", "l5"]
        assert [flight.is_started for flight in one.flights] == [True] * 5 + [False] * 4


async def test_what_is_given_up_at_the_device_before_its_turn_is_not_run() -> None:
    """A partition is revoked while its batch waits there: the device goes on with what is wanted."""
    async with desk() as one:
        await one.hand_over("l2", "l3", "l4", "l5", then=("l6",))
        for task in one.asked[2:5]:
            task.cancel()
        one.finish()
        assert await one.begun() == ["l2"]
        one.asked[5].cancel()
        one.finish()
        one.ask(one.batches.spare, "s1")
        assert await one.begun() == ["s1"]
        assert [flight.is_started for flight in one.flights] == [True, True, False, False, False, False, True]


async def test_a_title_that_the_device_computes_is_not_computed_again_by_the_next_batch() -> None:
    """Such a batch is not handed over ahead: it waits for the vector."""
    async with desk() as one:
        one.ask(one.batches.live, "red shoe")
        await one.begun()
        one.ask(one.batches.live, "blue shoe", "red shoe", "hat", "bag")
        one.ask(one.batches.live, "later")
        began = time.monotonic()

        async def is_overdue() -> bool:
            return time.monotonic() > began + 0.3  # a batch of one is expected to take 0.07 s

        await until(is_overdue)
        one.finish()
        assert await one.begun() == ["blue shoe", "red shoe", "hat", "bag"]
        assert one.device.computed == ["red shoe", "blue shoe", "hat", "bag"]


async def test_after_a_fatal_error_the_device_takes_no_more() -> None:
    """Not even what was handed over already."""
    async with desk(None) as one:
        one.device.is_lying = True
        await one.hand_over("l2", "l3", "l4", "l5", then=("l6",))
        one.finish()
        with pytest.raises(FatalError, match="0 predictions for 1 listings"):
            await one.work
        await one.infer.close()
        assert one.device.batches == [["l1"]]


async def test_a_live_listing_given_up_does_not_keep_the_backfill_out() -> None:
    """Its partition was revoked while it waited: nobody waits for the device any more."""
    async with desk() as one:
        one.ask(one.batches.spare, "s1")
        await one.begun()
        one.ask(one.batches.spare, "s2", "s3", "s4", "s5")
        one.ask(one.batches.live, "l1")
        await asyncio.sleep(0)
        one.asked[-1].cancel()
        one.finish()
        assert await one.begun() == ["s2", "s3", "s4", "s5"]


async def test_a_resting_backfill_starts_nothing() -> None:
    """Live goes on; when it is over the prepared batch runs."""
    async with desk() as one:
        one.batches.rest_spare(True)
        one.ask(one.batches.spare, "s1", "s2", "s3", "s4")
        await asyncio.sleep(0)
        one.ask(one.batches.live, "l1")
        assert await one.begun() == ["l1"]
        one.finish()
        one.batches.rest_spare(False)
        assert await one.begun() == ["s1", "s2", "s3", "s4"]


async def test_a_backfill_batch_is_capped_in_time_and_a_live_one_is_not() -> None:
    """With the first guess, 50 ms and 20 ms per picture, 100 ms are two pictures."""
    async with desk(SparePolicy(0.1)) as one:
        one.ask(one.batches.spare, "s1", "s2", "s3")
        assert await one.begun() == ["s1", "s2"]
        one.ask(one.batches.live, "l1", "l2", "l3")
        await asyncio.sleep(0)
        one.finish()
        assert await one.begun() == ["l1", "l2", "l3"]
        one.finish()
        assert await one.begun() == ["s3"]
        one.finish()
        await asyncio.gather(*one.asked)
        await asyncio.sleep(0)
        assert one.metrics.snapshot()["backfill_batch_seconds_count"] in (1, 2)
        assert one.metrics.snapshot()["batch_listings_sum"] == 6


async def test_a_batch_whose_listings_were_all_given_up_is_not_run() -> None:
    """The device is spared, and goes on with what is wanted."""
    async with desk(None) as one:
        one.ask(one.batches.live, "l1")
        await one.begun()
        one.ask(one.batches.live, "l2", "l3", "l4", "l5")
        await asyncio.sleep(0)
        for task in one.asked[1:]:
            task.cancel()
        one.ask(one.batches.live, "l6")
        one.finish()
        assert await one.begun() == ["l6"]


async def test_a_device_that_cannot_go_on_ends_the_work_with_its_own_error() -> None:
    """Not with a group of errors: commands tell operators what a FatalError says."""
    async with desk(None) as one:
        one.device.is_lying = True
        one.ask(one.batches.live, "l1", "l2")
        await one.begun()
        one.finish()
        with pytest.raises(FatalError, match="1 predictions for 2 listings"):
            await one.work


async def test_the_device_is_measured_before_a_backfill_begins() -> None:
    """A batch of one picture and a full one, several times."""
    async with desk(SparePolicy(0.1)) as one:
        for _ in range(100):
            one.finish()
        await one.batches.calibrate(4)
        assert [len(batch) for batch in one.device.batches] == [1, 4] * 3
