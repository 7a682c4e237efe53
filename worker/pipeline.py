"""All stages in order: start here.

    consume → fetch → decode → batch → recall → infer → enrich → publish → commit
                             ↘ read (OCR lane) ↗

One event loop runs this file. Each listing is one coroutine, `_journey`; what several listings share (a batch on the
device, a transaction) is a loop of its own that journeys hand their work to. Nothing here blocks: consumer, device, OCR
engine and producer live on threads of their own, behind the stage objects.

Two classes. `Tagger` turns one record into an `Outcome` and knows no Kafka: ``hangtag tag`` uses it alone. `Pipeline`
adds the stream: where records come from, in which order results leave, and how they are committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from model.extract import Extractor
from model.prices import PriceHints, find_prices
from model.tagging import Tagging
from model.types import ListingInput, ListingTags, ModelInfo, Prediction, Price, ReadText
from schemas.deadletter import Stage
from schemas.listing import ListingCreated
from schemas.topics import Topics
from worker.admission import Budget, Lease, Limits
from worker.batch import BatchPolicy
from worker.deadletter import build_dead_letter
from worker.decode import Decoder
from worker.enrich import build_events, check_sizes
from worker.errors import RejectedError
from worker.fetch import Fetcher
from worker.infer import Infer
from worker.intake import Intake, Journey
from worker.item import DecodedImage, FailedImage, Finished, Flight, ImageOutcome, Item, OutputRecord, Record
from worker.metrics import Metrics
from worker.normalise import normalise_title
from worker.ordering import TurnLostError
from worker.parse import check_usable, parse
from worker.publish import Commit, Publisher
from worker.publish import Outcome as Committed
from worker.read import Read
from worker.recall import Recall, Recalled
from worker.waiting import Waiting, WaitingRoom

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this worker says it is, in events and dead letters."""

    group_id: str
    version: str
    topics: Topics


@dataclass(frozen=True, slots=True)
class Stages:
    """The stage objects, built by `worker.app`. ``read`` is None when OCR is switched off."""

    fetch: Fetcher
    decode: Decoder
    recall: Recall
    infer: Infer
    read: Read | None
    extractor: Extractor
    tagging: Tagging


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A batch whose titles were looked up; ``recalled`` has one place per listing."""

    listings: Sequence[Waiting]
    recalled: Recalled


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one record: everything its events are built from, or why there are none."""

    record: Record
    listing_id: str | None
    item: Item | None = None
    tags: ListingTags | None = None
    texts: tuple[ReadText | None, ...] = ()
    prices: tuple[Price, ...] = ()
    error: RejectedError | None = None


class Tagger:
    """fetch → decode → batch → recall → infer, read beside it, then the tags: one record at a time."""

    def __init__(self, stages: Stages, limits: Limits, batch: BatchPolicy, metrics: Metrics) -> None:
        self._stages = stages
        self._limits = limits
        self._metrics = metrics
        self.bytes = Budget(limits.max_bytes)
        self.pixels = Budget(limits.max_pixels)
        self.waiting_room = WaitingRoom(batch)
        self._started = asyncio.Semaphore(limits.max_started)
        self._prepared: asyncio.Queue[_Prepared] = asyncio.Queue(maxsize=1)

    async def tag(self, flight: Flight) -> Outcome:
        """The journey of one record up to its tags. Never raises for anything that the record itself did."""
        record, listing_id = flight.record, None
        held_bytes, held_pixels = self.bytes.lease(), self.pixels.lease()
        try:
            await held_bytes.grow(record.num_bytes)
            listing = parse(record)
            listing_id = listing.listing_id
            flight.stage = Stage.FETCH
            images = await asyncio.gather(*(self._picture(url, held_bytes, held_pixels) for url in listing.image_urls))
            check_usable(listing, images)
            flight.stage = Stage.INFER
            async with self._started:
                prediction, texts = await asyncio.gather(
                    self._predict(listing, images, flight), asyncio.gather(*(self._read(image) for image in images))
                )
            flight.stage = Stage.ENRICH
            return self._resolve(Item(record, listing, tuple(images)), prediction, tuple(texts))
        except RejectedError as error:
            return Outcome(record, listing_id, error=error)
        finally:
            held_bytes.release()
            held_pixels.release()

    # ---- fetch → decode -----------------------------------------------------------------------------------------

    async def _picture(self, url: str, held_bytes: Lease, held_pixels: Lease) -> ImageOutcome:
        """One URL as pixels, or why not: a picture that fails leaves its listing's others alone."""
        most_pixels = self._limits.pixels_per_picture
        try:
            with self._metrics.stage_seconds.labels("fetch").time():
                fetched = await self._stages.fetch.fetch(url, held_bytes)
            await held_pixels.grow(most_pixels)
            with self._metrics.stage_seconds.labels("decode").time():
                decoded = await self._stages.decode.decode(fetched)
        except RejectedError as error:
            return FailedImage(url, error.reason, error.stage, error.detail)
        held_bytes.shrink(len(fetched.body))
        held_pixels.shrink(most_pixels - (decoded.pixels.size + decoded.reading_pixels.size) // 3)
        return decoded

    # ---- infer, with read beside it -----------------------------------------------------------------------------

    async def _predict(self, listing: ListingCreated, images: Sequence[ImageOutcome], flight: Flight) -> Prediction:
        pictures = tuple(image.pixels for image in images if isinstance(image, DecodedImage))
        return await self.waiting_room.predict(ListingInput(normalise_title(listing.title), pictures), flight)

    async def _read(self, image: ImageOutcome) -> ReadText | None:
        if self._stages.read is None or isinstance(image, FailedImage):
            return None
        with self._metrics.stage_seconds.labels("read").time():
            return await self._stages.read.read(image)

    # ---- batch → recall → infer, for all listings ---------------------------------------------------------------

    async def prepare_batches(self) -> None:
        """Form batches and look their titles up while the device still works on the one before. Runs for ever."""
        while True:
            batch = await self.waiting_room.next_batch()
            with self._metrics.stage_seconds.labels("recall").time():
                recalled = await self._stages.recall.look_up([one.inputs.title for one in batch])
            await self._prepared.put(_Prepared(batch, recalled))

    async def run_batches(self) -> None:
        """Feed the device, one prepared batch after the other. Runs for ever."""
        while True:
            prepared = await self._prepared.get()
            vectors = self._stages.recall.settle(prepared.recalled)
            batch = prepared.listings
            inputs = [replace(one.inputs, title_vector=vector) for one, vector in zip(batch, vectors, strict=True)]
            for one in batch:
                one.flight.is_started = True
            cost = sum(one.cost for one in batch)
            self.waiting_room.device_started(cost)
            result = await self._stages.infer.predict(inputs)
            self.waiting_room.device_finished(cost, result.busy_seconds)
            self._keep_vectors(inputs, result.answers)
            for one, answer in zip(batch, result.answers, strict=True):
                one.settle(answer)
            self._observe(len(batch), cost, result.busy_seconds)

    def _keep_vectors(self, inputs: Sequence[ListingInput], answers: Sequence[Prediction | RejectedError]) -> None:
        computed = {
            given.title: answer.title_vector
            for given, answer in zip(inputs, answers, strict=True)
            if isinstance(answer, Prediction) and given.title_vector is None and answer.title_vector is not None
        }
        self._stages.recall.keep(list(computed), list(computed.values()))

    def _observe(self, num_listings: int, cost: int, busy_seconds: float) -> None:
        if self._stages.infer.max_listings is not None:
            self.waiting_room.shrink(self._stages.infer.max_listings)
        self._metrics.batch_listings.observe(num_listings)
        self._metrics.batch_pictures.observe(cost)
        self._metrics.device_busy_seconds.inc(busy_seconds)
        self._metrics.stage_seconds.labels("infer").observe(busy_seconds)

    # ---- enrich -------------------------------------------------------------------------------------------------

    def _resolve(self, item: Item, prediction: Prediction, texts: tuple[ReadText | None, ...]) -> Outcome:
        """Scores, and what words and pictures state outright, as tags."""
        listing = item.listing
        with self._metrics.stage_seconds.labels("enrich").time():
            mentions = self._stages.extractor.extract(listing.title, listing.description or "", texts)
            currency = listing.price.currency if listing.price else None
            prices = find_prices(texts, PriceHints(listing.title, listing.language, currency))
            was_read = any(text is not None for text in texts)
            decoded = [place for place, image in enumerate(item.images) if isinstance(image, DecodedImage)]
            tags = self._stages.tagging.resolve(
                prediction, mentions, listing.title, was_read=was_read, image_indices=decoded
            )
        return Outcome(item.record, listing.listing_id, item, tags, texts, tuple(prices))


class Pipeline:
    """The stream: records in, transactions out."""

    def __init__(
        self, tagger: Tagger, intake: Intake, publisher: Publisher, identity: Identity, info: ModelInfo,
        limits: Limits, metrics: Metrics,
    ) -> None:  # fmt: skip
        self._tagger = tagger
        self._intake = intake
        self._publisher = publisher
        self._identity = identity
        self._info = info
        self._limits = limits
        self._metrics = metrics
        self._outbox: deque[Finished] = deque()
        self._something_finished = asyncio.Event()
        self._journeys: set[asyncio.Task[None]] = set()
        self._journey_ended = asyncio.Event()
        self._is_committing = False
        self.last_movement = asyncio.get_running_loop().time()

    @property
    def num_in_flight(self) -> int:
        """Listings between backlog and commit."""
        return len(self._journeys) + len(self._outbox)

    def stalled_seconds(self) -> float:
        """For how long nothing has moved although work is in flight; 0 while a transaction is tried, which retries."""
        if not self.num_in_flight or self._is_committing:
            return 0.0
        return asyncio.get_running_loop().time() - self.last_movement

    async def run(self) -> None:
        """Work until cancelled. Raises FatalError when the process cannot go on."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._tagger.prepare_batches(), name="prepare-batches")
            loops.create_task(self._tagger.run_batches(), name="run-batches")
            loops.create_task(self._commit_finished(), name="commit-finished")
            await self._start_journeys(loops)

    # ---- consume ------------------------------------------------------------------------------------------------

    async def _start_journeys(self, loops: asyncio.TaskGroup) -> None:
        while True:
            await self._wait_for_room()
            journey = await self._intake.next()
            self.last_movement = asyncio.get_running_loop().time()
            self._metrics.consumed_records.inc()
            journey.task = loops.create_task(self._journey(journey), name="journey")
            self._journeys.add(journey.task)
            journey.task.add_done_callback(self._forget)

    async def _wait_for_room(self) -> None:
        while not (
            len(self._journeys) < self._limits.max_listings
            and self._tagger.bytes.has_room
            and self._tagger.pixels.has_room
        ):
            self._journey_ended.clear()
            await self._journey_ended.wait()

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._journeys.discard(task)
        self._journey_ended.set()

    # ---- one listing --------------------------------------------------------------------------------------------

    async def _journey(self, journey: Journey) -> None:
        """From record to outbox. Cancelled when its partition is revoked before the device has worked on it."""
        has_result = False
        try:
            outcome = await self._tagger.tag(journey.flight)
            journey.flight.stage = Stage.PUBLISH
            finished = self._to_outputs(outcome)
            await journey.turn.wait()
            self._outbox.append(finished)
            self._something_finished.set()
            has_result = True
        except TurnLostError:
            log.debug("journey.given_up", offset=journey.origin.offset)
        finally:
            self._intake.end(journey, has_result=has_result)

    def _to_outputs(self, outcome: Outcome) -> Finished:
        """The three events, or the dead letter: also for a listing whose events the broker would refuse."""
        origin = outcome.record.origin
        assert origin is not None  # noqa: S101  # records of a stream have one
        if outcome.error is None:
            try:
                return Finished(origin, self._events(outcome), None)
            except RejectedError as error:
                return Finished(origin, (self._dead_letter(outcome.record, error),), error.reason)
        return Finished(origin, (self._dead_letter(outcome.record, outcome.error),), outcome.error.reason)

    def _events(self, outcome: Outcome) -> tuple[OutputRecord, ...]:
        assert outcome.item is not None and outcome.tags is not None  # noqa: S101  # no error: both are there
        events = build_events(
            outcome.item, outcome.tags, outcome.texts, outcome.prices, self._info, self._identity.topics,
            now=datetime.now(UTC),
        )  # fmt: skip
        check_sizes(events, self._limits.max_output_bytes)
        return events

    def _dead_letter(self, record: Record, error: RejectedError) -> OutputRecord:
        self._metrics.dead_letters.labels(error.reason.value, error.stage.value).inc()
        log.info(
            "listing.rejected",
            reason=error.reason.value,
            stage=error.stage.value,
            detail=error.detail,
            partition=record.origin and record.origin.partition,
            offset=record.origin and record.origin.offset,
        )
        return build_dead_letter(
            record, error, topic=self._identity.topics.dead_letter, group_id=self._identity.group_id,
            worker_version=self._identity.version, model_revision=self._info.revision,
            failed_at=datetime.now(UTC), max_bytes=self._limits.max_output_bytes,
        )  # fmt: skip

    # ---- publish → commit ---------------------------------------------------------------------------------------

    async def _commit_finished(self) -> None:
        """Everything that finished since the last transaction goes into the next one, in order."""
        while True:
            self._something_finished.clear()
            if not self._outbox:
                await self._something_finished.wait()
            finished = self._current(self._take_outbox())
            if finished:
                self._is_committing = True
                await self._commit(finished)
                self._is_committing = False

    def _take_outbox(self) -> list[Finished]:
        taken: list[Finished] = []
        num_outputs = 0
        while self._outbox and num_outputs < self._limits.max_outputs_per_commit:
            taken.append(self._outbox.popleft())
            num_outputs += len(taken[-1].outputs)
        return taken

    def _current(self, finished: Sequence[Finished]) -> list[Finished]:
        """Without what belongs to a revoked assignment: its partition's next owner does that work."""
        return [one for one in finished if self._intake.is_current(one.origin)]

    async def _commit(self, finished: list[Finished]) -> None:
        self._intake.finish(finished)
        backoff_seconds = 0.01
        while finished:
            places = self._intake.positions({one.origin.partition for one in finished})
            with self._metrics.transaction_seconds.time():
                committed = await self._publisher.send(Commit([o for one in finished for o in one.outputs], places))
            self._metrics.transactions.labels(committed.value).inc()
            if committed is not Committed.ABORTED:
                break
            await asyncio.sleep(backoff_seconds)
            backoff_seconds = min(1.0, backoff_seconds * 2)
            finished = self._current(finished)
        if finished and committed is Committed.UNKNOWN:
            self._metrics.producer_rebuilds.inc()
            await self._intake.rewind()
            return
        self._settle(finished)

    def _settle(self, finished: Sequence[Finished]) -> None:
        self.last_movement = asyncio.get_running_loop().time()
        self._intake.settle(finished)
        for one in finished:
            self._metrics.finished_listings.labels("dead_letter" if one.reason else "tagged").inc()
            for kind in ("dead_letter",) if one.reason else ("attributes", "scenes", "texts"):
                self._metrics.output_events.labels(kind).inc()
