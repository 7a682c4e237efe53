"""All stages in order: start here.

    consume → fetch → decode → batch → recall → infer → enrich → publish → commit
                             ↘ read (OCR lane) ↗

One event loop runs this file. Each listing is one coroutine, `_journey`; what several listings share (a batch on the
device, `worker.batches`; a transaction) is a loop of its own that journeys hand their work to. Nothing here blocks:
consumer, device, OCR engine and producer live on threads of their own, behind the stage objects.

Two classes. `Tagger` turns one record into an `Outcome` and knows no Kafka: ``hangtag tag`` uses it alone. `Pipeline`
adds the stream: where records come from, which may start, and in which order results leave for `worker.committer`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import TypeVar

import structlog

from model.extract import Extractor
from model.tagging import Tagging
from model.types import ListingInput, Prediction, ReadText
from model.wording.prices import PriceHints, find_prices
from schemas.deadletter import Reason, Stage
from schemas.listing import ListingCreated
from worker.committer import Committer
from worker.decode import Decoder
from worker.errors import RejectedError, rejection_of
from worker.fetch import Fetcher
from worker.fetching.guard import shown
from worker.flow.admission import Budget, Lease, Limits
from worker.flow.lanes import Lane
from worker.flow.pace import Pace
from worker.flow.storm import StormBreaker
from worker.infer import Infer
from worker.item import DecodedImage, FailedImage, FetchedImage, Finished, Flight, ImageOutcome, Item, UnreadText
from worker.metrics import Metrics
from worker.normalise import normalise_title
from worker.outcome import Outcome, Outputs
from worker.parse import check_usable, parse
from worker.partitions.ordering import TurnLostError
from worker.partitions.partition import Journey
from worker.partitions.starts import Starts
from worker.read import Read
from worker.recall import Recall
from worker.telemetry.tracing import NO_TRACES, Traces

T = TypeVar("T")
log = structlog.get_logger(__name__)


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
class TagPolicy:
    """What of a listing is worked out: what nothing published depends on is passed by."""

    predicts: bool = True  # on the device
    reads: bool = True  # by OCR, where that is there
    text_threshold: float = 0.0  # pictures whose probability of holding text lies below are not read


class Tagger:
    """fetch → decode → batch → recall → infer, read beside it, then the tags: one record at a time."""

    def __init__(
        self, stages: Stages, policy: TagPolicy, limits: Limits, lane: Lane, metrics: Metrics,
        traces: Traces = NO_TRACES,
    ) -> None:  # fmt: skip
        self._stages = stages
        self._lane = lane
        self._limits = limits
        self._metrics = metrics
        self.policy = policy
        self.traces = traces
        self.bytes = Budget(limits.max_bytes)
        self.pixels = Budget(limits.max_pixels)
        self._started = asyncio.Semaphore(limits.max_started)

    async def tag(self, flight: Flight) -> Outcome:
        """The journey of one record up to its tags. Never raises for anything that the record itself did."""
        record, listing_id = flight.record, None
        held_bytes, held_pixels = self.bytes.lease(), self.pixels.lease()
        try:
            _check_not_convicted(flight)
            await held_bytes.grow(record.num_bytes)
            listing = parse(record)
            listing_id = listing.listing_id
            flight.enter(Stage.FETCH)
            fetched = await self._fetch_all(listing.image_urls, flight, held_bytes)
            flight.enter(Stage.DECODE)
            # None of their bytes stays here: what a decoded picture has given back would be held on, and not count.
            images = await _all([self._decode(fetched.pop(0), held_bytes, held_pixels) for _ in listing.image_urls])
            check_usable(listing, images)
            flight.enter(Stage.INFER)
            async with self._started:
                prediction = await self._predict(listing, images, flight)
                texts = await self._read_all(images, prediction)
            flight.enter(Stage.ENRICH)
            return self._resolve(Item(record, listing, tuple(images)), prediction, tuple(texts))
        except Exception as failure:
            return Outcome(record, listing_id, error=rejection_of(failure, Reason.MODEL_FAILED, flight.stage))
        finally:
            held_bytes.release()
            held_pixels.release()

    # ---- fetch → decode -----------------------------------------------------------------------------------------

    async def _fetch_all(self, urls: Sequence[str], flight: Flight, held: Lease) -> list[FetchedImage | FailedImage]:
        """All of a listing's pictures. None is decoded before the slowest is there: pixels are too dear to hold."""
        waiting = list(urls)

        async def one(url: str) -> FetchedImage | FailedImage:
            flight.url = waiting[0]
            fetched = await self._fetch(url, held)
            waiting.remove(url)
            flight.url = waiting[0] if waiting else None
            return fetched

        return await _all([one(url) for url in urls])

    async def _fetch(self, url: str, held: Lease) -> FetchedImage | FailedImage:
        """A picture that fails leaves its listing's others alone."""
        try:
            with self._metrics.stage("fetch"), self.traces.span("fetch", url):
                return await self._stages.fetch.fetch(url, held)
        except Exception as failure:
            error = rejection_of(failure, Reason.HTTP_ERROR, Stage.FETCH)
            return FailedImage(url, error.reason, error.stage, error.detail)

    async def _decode(self, fetched: FetchedImage | FailedImage, held_bytes: Lease, held_pixels: Lease) -> ImageOutcome:
        """Bytes are paid for until pixels are."""
        if isinstance(fetched, FailedImage):
            return fetched
        most_pixels = self._limits.pixels_per_picture
        await held_pixels.grow(most_pixels)
        try:
            async with self._lane.decode():
                with self._metrics.stage("decode"), self.traces.span("decode"):
                    decoded = await self._stages.decode.decode(fetched)
        except Exception as failure:
            error = rejection_of(failure, Reason.DECODE_FAILED, Stage.DECODE)
            held_pixels.shrink(most_pixels)
            # With the URL, as fetch does: an operator asks which host serves broken pictures.
            return FailedImage(fetched.url, error.reason, error.stage, f"{shown(fetched.url)}: {error.detail}")
        held_bytes.shrink(len(fetched.body))
        held_pixels.shrink(most_pixels - (decoded.pixels.size + decoded.reading_pixels.size) // 3)
        return decoded

    # ---- infer, with read beside it -----------------------------------------------------------------------------

    async def _predict(
        self, listing: ListingCreated, images: Sequence[ImageOutcome], flight: Flight
    ) -> Prediction | None:
        if not self.policy.predicts:
            return None
        pictures = tuple(image.pixels for image in images if isinstance(image, DecodedImage))
        with self.traces.span("infer"):
            return await self._lane.room.predict(ListingInput(normalise_title(listing.title), pictures), flight)

    async def _read_all(
        self, images: Sequence[ImageOutcome], prediction: Prediction | None
    ) -> Sequence[ReadText | UnreadText | None]:
        """After the prediction, which says in which pictures there is something to read; without one, in all."""
        if self._stages.read is None or not self.policy.reads:
            return (None,) * len(images)
        says = iter(prediction.text_presence if prediction is not None else ())
        chances = [next(says, 1.0) if isinstance(image, DecodedImage) else 0.0 for image in images]
        return await _all([self._read(image, chance) for image, chance in zip(images, chances, strict=True)])

    async def _read(self, image: ImageOutcome, chance: float) -> ReadText | UnreadText | None:
        if self._stages.read is None or isinstance(image, FailedImage):
            return None
        if chance < self.policy.text_threshold:
            self._metrics.read_pictures.labels("skipped").inc()
            return ReadText()
        async with self._lane.read():
            with self._metrics.stage("read"), self.traces.span("read"):
                return await self._stages.read.read(image)

    # ---- enrich -------------------------------------------------------------------------------------------------

    def _resolve(
        self, item: Item, prediction: Prediction | None, texts: tuple[ReadText | UnreadText | None, ...]
    ) -> Outcome:
        """Scores, and what words and pictures state outright, as tags."""
        listing = item.listing
        with self._metrics.stage("enrich"), self.traces.span("enrich"):
            stated = listing.price
            hints = PriceHints(
                listing.title,
                listing.language,
                stated.currency if stated else None,
                Decimal(stated.amount) if stated else None,
            )
            read = tuple(text if isinstance(text, ReadText) else None for text in texts)
            prices = find_prices(read, hints)
            if prediction is None:
                return Outcome(item.record, listing.listing_id, item, None, texts, tuple(prices))
            description = listing.description or ""
            said = self._stages.extractor.read(listing.title, description, read, listing.language)
            was_read = any(text is not None for text in read)
            decoded = [place for place, image in enumerate(item.images) if isinstance(image, DecodedImage)]
            tags = self._stages.tagging.resolve(
                prediction, said, listing.title, was_read=was_read, image_indices=decoded
            )
        return Outcome(item.record, listing.listing_id, item, tags, texts, tuple(prices))


async def _all(works: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """What comes of all, side by side. Most listings have one picture, which needs no task of its own."""
    return [await works[0]] if len(works) == 1 else await asyncio.gather(*works)


def _check_not_convicted(flight: Flight) -> None:
    """Raise RejectedError for a record that killed the process every time it ran, last when it ran alone."""
    if flight.num_deaths:
        detail = f"the process died {flight.num_deaths} times with this record under way, the last time with it alone"
        raise RejectedError(Reason.WORKER_CRASHED, Stage.CONSUME, detail)


class Pipeline:
    """The stream: records in, results out to the committer."""

    def __init__(
        self, tagger: Tagger, starts: Starts, committer: Committer, outputs: Outputs, limits: Limits,
        storm: StormBreaker, metrics: Metrics, pace: Pace,
    ) -> None:  # fmt: skip
        self._tagger = tagger
        self._starts = starts
        self._committer = committer
        self._outputs = outputs
        self._limits = limits
        self._storm = storm
        self._metrics = metrics
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._journeys: set[asyncio.Task[None]] = set()
        self._parked: set[Flight] = set()
        self._watched: OrderedDict[Flight, float] = OrderedDict()  # when to park each, oldest first
        self._is_watching = False
        self._last_start = self._loop.time()
        self._is_resting = False

    @property
    def num_in_flight(self) -> int:
        """Listings between backlog and commit."""
        return len(self._journeys) + self._committer.num_waiting

    @property
    def num_parked(self) -> int:
        """Listings that only wait, for a slow image host or an earlier listing of their key."""
        return len(self._parked)

    def oldest_began(self) -> float | None:
        """When the listing began that has been without its commit for longest, in seconds on the loop's clock."""
        journey = self._starts.oldest()
        began = (journey.flight.began if journey else None, self._committer.oldest_began)
        return min((one for one in began if one is not None), default=None)

    def stalled_seconds(self) -> float:
        """For how long nothing has moved although work is in flight; 0 while a transaction is tried, which retries."""
        if not self.num_in_flight or self._committer.is_committing:
            return 0.0
        return self._loop.time() - max(self._last_start, self._committer.last_movement)

    def rest(self, is_resting: bool) -> None:
        """Start no record from now on, or do again. What is under way goes on."""
        self._is_resting = is_resting
        self._committer.changed.set()

    async def run(self) -> None:
        """Work until cancelled. Raises FatalError when the process cannot go on."""
        async with asyncio.TaskGroup() as loops:
            loops.create_task(self._committer.run(), name="committer")
            await self._start_journeys(loops)

    # ---- consume ------------------------------------------------------------------------------------------------

    async def _start_journeys(self, loops: asyncio.TaskGroup) -> None:
        while True:
            await self._wait_for_calm()
            await self._wait_for_room()
            if wait_seconds := self._pace.wait_seconds(self._loop.time()):
                await asyncio.sleep(wait_seconds)
            journey = await self._starts.next()
            journey.flight.is_probe = self._storm.started()
            self._last_start = self._loop.time()
            self._pace.started(self._last_start)
            self._metrics.consumed_records.inc()
            journey.task = loops.create_task(self._journey(journey), name="journey")
            self._journeys.add(journey.task)
            journey.task.add_done_callback(partial(self._end, journey))

    async def _wait_for_calm(self) -> None:
        """While nearly everything fails, only now and then one record starts, to see whether it still does."""
        while (wait_seconds := self._storm.opens_in(self._loop.time())) != 0.0:
            self._committer.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_seconds):
                    await self._committer.changed.wait()

    async def _wait_for_room(self) -> None:
        while not self._has_room():
            self._committer.changed.clear()
            await self._committer.changed.wait()

    def _has_room(self) -> bool:
        limits, num_parked = self._limits, len(self._parked)
        return (
            not self._is_resting
            and len(self._journeys) - num_parked < limits.max_listings
            and num_parked < limits.max_parked
            and self._committer.has_room
            and self._tagger.bytes.has_room
            and self._tagger.pixels.has_room
        )

    def _end(self, journey: Journey, task: asyncio.Task[None]) -> None:
        """However the task ended: one cancelled before its first step never comes to a ``finally`` of its own."""
        self._journeys.discard(task)
        self._parked.discard(journey.flight)
        if not journey.has_result:
            journey.flight.trace.end(is_given_up=True)
            self._storm.given_up(is_probe=journey.flight.is_probe)
            self._metrics.redone_device_seconds.inc(journey.flight.device_seconds)
        self._starts.end(journey, has_result=journey.has_result)
        self._committer.changed.set()

    # ---- one listing --------------------------------------------------------------------------------------------

    async def _journey(self, journey: Journey) -> None:
        """From record to outbox. Cancelled when its partition is revoked before the device has worked on it."""
        flight, origin = journey.flight, journey.origin
        if not flight.num_deaths:  # nothing that could die of a convicted record looks at it again
            place = (origin.topic, origin.partition, origin.offset)
            flight.trace = self._tagger.traces.listing(flight.record.headers, *place)
        flight.on_stage = lambda: self._parked.discard(flight)
        self._watch(flight)
        try:
            finished = await self._work(flight)
            flight.trace.publish()
            flight.enter(Stage.PUBLISH)
            self._park(flight)
            with self._committer.expecting(finished.num_bytes + flight.record.num_bytes):
                await journey.turn.wait()
            self._committer.add(finished)
            self._storm.ended(self._loop.time(), finished.reason, is_probe=flight.is_probe)
            journey.has_result = True
        except TurnLostError:
            log.debug("journey.given_up", offset=journey.origin.offset)
        finally:
            self._watched.pop(flight, None)

    async def _work(self, flight: Flight) -> Finished:
        """What there is to publish. Nothing else outlives this: a result may wait for minutes, and pixels are dear."""
        outcome = await self._tagger.tag(flight)
        finished = self._outputs.of(outcome, flight.trace.headers)
        return replace(finished, device_seconds=flight.device_seconds, began=flight.began, trace=flight.trace)

    def _watch(self, flight: Flight) -> None:
        """Park it if it is still under way when its time is over: one timer for all, for nearly none comes to that."""
        self._watched[flight] = self._loop.time() + self._limits.park_seconds
        if not self._is_watching:
            self._is_watching = True
            self._loop.call_later(self._limits.park_seconds, self._park_slow)

    def _park_slow(self) -> None:
        now = self._loop.time()
        while self._watched and (due := next(iter(self._watched.values()))) <= now:
            self._park(self._watched.popitem(last=False)[0])
        self._is_watching = bool(self._watched)
        if self._is_watching:
            self._loop.call_at(due, self._park_slow)

    def _park(self, flight: Flight) -> None:
        """It only waits for others: let more start."""
        if flight.stage in (Stage.FETCH, Stage.PUBLISH):
            self._parked.add(flight)
            self._committer.changed.set()
