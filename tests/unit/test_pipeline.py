"""The pipeline and what a single record may do to it: nothing that lasts."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from dataclasses import astuple
from typing import Any, cast

import numpy as np
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from model.stand_in import StandInPredictor
from schemas.deadletter import Reason, Stage
from schemas.topics import Topics
from tests.polling import until
from tests.unit.test_intake import Bench
from worker.decode import Decoder
from worker.fetch import Fetcher, FetchPolicy
from worker.flow.admission import Lease, Limits
from worker.flow.lanes import Crossing, Lane, Turnstile
from worker.flow.pace import Pace
from worker.flow.storm import StormBreaker, StormPolicy
from worker.item import DecodedImage, FailedImage, FetchedImage, Finished, Flight, Origin, OutputRecord, Record
from worker.metrics import Metrics
from worker.outcome import Identity, Outputs
from worker.pipeline import Pipeline, Stages, Tagger, TagPolicy

TOPICS = Topics("in", "a", "s", "t", "dead")
UNUSED: Any = None


class Odd(AbstractResolver):
    """A look-up that ends in an error that no resolver raises."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Fails."""
        raise ZeroDivisionError

    async def close(self) -> None:
        """Nothing to close."""


def tagger_of(fetch: Fetcher, decode: Decoder = UNUSED, *, predicts: bool = True) -> Tagger:
    """A tagger with no other stages."""
    stages = Stages(fetch, decode, UNUSED, UNUSED, None, UNUSED, UNUSED)
    lane: Lane = Crossing(Turnstile(1)).live(cast(Any, None))
    return Tagger(stages, TagPolicy(predicts), Limits(), lane, Metrics())


def storm_breaker() -> StormBreaker:
    """One that never opens."""
    return StormBreaker(StormPolicy(200, 0.0, 0, 5.0))


def pipeline_of(bench: Bench, tagger: Tagger, storm: StormBreaker, metrics: Metrics) -> Pipeline:
    """A pipeline that publishes texts, with the bench's intake and committer."""
    outputs = Outputs(
        Identity("g", "1", TOPICS, ("texts",)), StandInPredictor().info, dict.fromkeys(astuple(TOPICS), 10**6), metrics
    )
    return Pipeline(tagger, bench.intake.starts, bench.committer, outputs, Limits(), storm, metrics, Pace(0.0))


async def test_what_nobody_foresaw_of_a_picture_is_that_pictures() -> None:
    """Its listing is tagged from the others, and the process goes on."""
    fetch = Fetcher(FetchPolicy(), Metrics(), resolver=Odd())
    await fetch.start()
    try:
        tagger = tagger_of(fetch)
        found = await tagger._fetch("http://shop.example/a.jpg", tagger.bytes.lease())
    finally:
        await fetch.close()
    assert isinstance(found, FailedImage)
    assert (found.stage, tagger.bytes.held) == (Stage.FETCH, 0)


async def test_what_nobody_foresaw_of_a_record_is_one_dead_letter() -> None:
    """A stage that is not even there is the least foreseen of all."""
    tagger = tagger_of(UNUSED)
    outcome = await tagger.tag(Flight(Record(b"k", b'{"listing_id": "a", "title": "chair"}', (), None), 0.0))
    assert outcome.error is not None
    assert (outcome.error.reason, outcome.error.stage) == (Reason.MODEL_FAILED, Stage.INFER)
    assert "AttributeError" in outcome.error.detail
    assert (tagger.bytes.held, tagger.pixels.held) == (0, 0)


class Hosts:
    """Downloads: a picture of the dead host never comes."""

    async def fetch(self, url: str, lease: Lease) -> FetchedImage:
        """Its bytes."""
        if "dead" in url:
            await asyncio.get_running_loop().create_future()
        await lease.grow(1)
        return FetchedImage(url, b"x", "0" * 64)


class Decodes:
    """Large pictures."""

    async def decode(self, fetched: FetchedImage) -> DecodedImage:
        """Pixels of both lanes."""
        pixels = np.zeros((8, 8, 3), np.uint8)
        return DecodedImage(fetched.url, fetched.sha256, 8, 8, pixels, pixels)


def pictures_alive(kind: type[DecodedImage | FetchedImage] = DecodedImage) -> int:
    """Pictures that somebody still holds."""
    gc.collect()
    return sum(type(one) is kind for one in gc.get_objects())  # isinstance would wake objects that warn


def of_one_key(offset: int, url: str) -> Record:
    """An update of the same listing."""
    value = json.dumps({"listing_id": "a", "title": "chair", "image_urls": [url]}).encode()
    return Record(b"a", value, (), Origin("in", 0, offset, 0, 1))


@pytest.mark.parametrize("num_pictures", [1, 3])
async def test_listings_past_decoding_hold_no_bodies(num_pictures: int) -> None:
    """Bodies are paid for until pixels are: what a listing holds while it waits for the device is counted."""
    before, tagger = pictures_alive(FetchedImage), tagger_of(cast(Fetcher, Hosts()), cast(Decoder, Decodes()))
    urls = [f"http://shop.example/{number}.jpg" for number in range(num_pictures)]
    value = json.dumps({"listing_id": "a", "title": "chair", "image_urls": urls}).encode()
    flight = Flight(Record(b"a", value, (), None), 0.0)
    for _ in range(Limits().max_started):
        await tagger._started.acquire()
    tagging = asyncio.create_task(tagger.tag(flight))

    async def waits_for_the_device() -> bool:
        return flight.stage is Stage.INFER

    await until(waits_for_the_device)
    held = pictures_alive(FetchedImage) - before
    tagging.cancel()
    await asyncio.wait([tagging])
    assert held == 0


async def test_results_that_wait_for_their_turn_hold_no_pictures() -> None:
    """The first record of a key waits for its host; later ones have their result and wait for it."""
    before, bench, metrics = pictures_alive(), Bench(), Metrics()
    tagger = tagger_of(cast(Fetcher, Hosts()), cast(Decoder, Decodes()), predicts=False)
    bench.loop.cancel()  # the pipeline has a committer's loop of its own
    pipeline = pipeline_of(bench, tagger, storm_breaker(), metrics)
    work = asyncio.create_task(pipeline.run())
    await bench.assign()
    bench.intake.on_records([of_one_key(0, "http://dead.example/a.jpg")])
    bench.intake.on_records([of_one_key(offset, "http://shop.example/a.jpg") for offset in range(1, 6)])
    (partition,) = bench.intake.partitions

    async def all_but_one_wait() -> bool:
        return [one.flight.stage for one in partition.journeys].count(Stage.PUBLISH) == 5

    await until(all_but_one_wait)
    held = pictures_alive() - before
    work.cancel()
    await asyncio.wait([work])
    assert held == 0


async def test_results_that_wait_for_their_turn_keep_new_work_out() -> None:
    """They count as unpublished from when they are made, and no more once they are given up."""
    bench = Bench(limits=Limits(max_unpublished_bytes=1000))
    with bench.committer.expecting(999):
        assert bench.committer.has_room
        with bench.committer.expecting(1):
            assert not bench.committer.has_room
        bench.committer.add(Finished(Origin("in", 0, 0, 0), (OutputRecord("out", b"k", b"v", ()),), None))
        assert not bench.committer.has_room
    assert bench.committer.has_room
    bench.loop.cancel()
