"""Batches fill up while the device works: none is formed before the one ahead of it has left for the device."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest

from model.stand_in import StandInPredictor
from model.types import ListingInput, Prediction, ReadText
from schemas.deadletter import DeadLetterHeaders, Reason, SourcePosition, Stage
from schemas.topics import EVENT_KINDS
from worker.batch import BatchPolicy
from worker.batches import Batches
from worker.build import tag_policy_of
from worker.cache.vector_codec import VectorCodec
from worker.cache.vector_store import NoVectorStore
from worker.errors import RejectedError
from worker.flow.admission import Limits
from worker.flow.lanes import Crossing, Turnstile
from worker.infer import Infer
from worker.item import DecodedImage, FailedImage, FetchedImage, Flight, Record
from worker.metrics import Metrics
from worker.pipeline import Stages, Tagger, TagPolicy
from worker.recall import Recall
from worker.replays.dead_letters import DeadLetter


class Held(StandInPredictor):
    """Lets a batch pass each time ``steps`` is released, and remembers how large each was."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = threading.Semaphore(0)
        self.sizes: list[int] = []

    def warm_up(self) -> None:
        """Nothing to warm."""

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """See `model.types.Predictor`."""
        self.sizes.append(len(listings))
        self.steps.acquire(timeout=10)
        return super().predict(listings)


class Nothing:
    """A lane that must not be asked."""

    async def read(self, image: DecodedImage) -> ReadText:
        """Says which picture it was asked for."""
        return ReadText((), truncated=bool(image.width))


def _tagger(predictor: Held) -> tuple[Tagger, Batches, Infer]:
    metrics = Metrics()
    infer = Infer(lambda: predictor)
    recall = Recall(NoVectorStore(), VectorCodec("stand-in", 384), metrics)
    unused: Any = None  # fetch, decode and tags play no part
    stages = Stages(unused, unused, recall, infer, cast(Any, Nothing()), unused, unused)
    batches = Batches(recall, infer, BatchPolicy(16), metrics)
    return Tagger(stages, TagPolicy(), Limits(), Crossing(Turnstile(1)).live(batches.live), metrics), batches, infer


async def test_listings_that_come_while_the_device_works_leave_together() -> None:
    """After the first, every listing that came meanwhile is in the next batch, not spread over two."""
    predictor = Held()
    _, batches, infer = _tagger(predictor)
    await infer.start()
    work = asyncio.create_task(batches.run())
    flight = Flight(Record(None, b"", (), None), 0.0)
    waiting = []
    for number in range(10):
        waiting.append(asyncio.create_task(batches.live.predict(ListingInput(f"title {number}"), flight)))
        for _ in range(20):
            await asyncio.sleep(0)
    for _ in range(10):
        predictor.steps.release()
    await asyncio.gather(*waiting)
    work.cancel()
    await asyncio.wait([work])
    await infer.close()
    assert predictor.sizes[0] == 1
    assert len(predictor.sizes) <= 3
    assert sum(predictor.sizes) == 10


async def test_pictures_without_text_are_not_read() -> None:
    """Below the threshold a picture counts as read and empty; failed ones stay unread, and 0 reads them all."""
    tagger, _, _ = _tagger(Held())
    pixels = np.zeros((4, 4, 3), np.uint8)
    images: list[DecodedImage | FailedImage] = [
        DecodedImage("u", "a" * 64, 4, 4, pixels, pixels),
        FailedImage("v", cast(Any, "http_error"), cast(Any, "fetch"), "gone"),
        DecodedImage("w", "b" * 64, 4, 4, pixels, pixels),
    ]
    prediction = Prediction({}, None, (), None, (), None, text_presence=(0.1, 0.9))
    tagger.policy = TagPolicy(text_threshold=0.5)
    assert await tagger._read_all(images, prediction) == [ReadText(), None, ReadText((), truncated=True)]
    tagger.policy = TagPolicy()
    assert await tagger._read_all(images, prediction) == [
        ReadText((), truncated=True),
        None,
        ReadText((), truncated=True),
    ]
    assert tagger._metrics.snapshot()["read_pictures"]["skipped"] == 1  # type: ignore[index]  # it has a label


class Broken:
    """A decoder that takes no picture."""

    async def decode(self, image: FetchedImage) -> DecodedImage:
        """Refuses it."""
        raise RejectedError(Reason.CORRUPT_IMAGE, Stage.DECODE, f"the {len(image.body)} bytes end too early")


async def test_a_picture_that_cannot_be_decoded_names_its_host() -> None:
    """Dead letters are counted by image host, also where the host answered and its pictures are broken."""
    unused: Any = None
    stages = Stages(unused, cast(Any, Broken()), unused, unused, None, unused, unused)
    tagger = Tagger(stages, TagPolicy(), Limits(), Crossing(Turnstile(1)).live(unused), Metrics())
    fetched = FetchedImage("https://shop.example:8443/a.jpg?signature=secret", b"1234", "a" * 64)
    found = await tagger._decode(fetched, tagger.bytes.lease(), tagger.pixels.lease())
    assert isinstance(found, FailedImage)
    assert found.detail == "https://shop.example:8443/a.jpg: the 4 bytes end too early"
    told = DeadLetterHeaders(
        SourcePosition("in", 0, 0, None), "g", found.detail, found.reason, found.stage, 1, "1", None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert DeadLetter(0, 0, None, None, (), told).host == "shop.example:8443"


@pytest.mark.parametrize(
    ("kinds", "text_threshold", "expected"),
    [
        (EVENT_KINDS, 0.5, (True, True)),
        (("scenes",), 0.5, (True, False)),
        (("texts",), 0.0, (False, True)),
        (("texts",), 0.5, (True, True)),  # the model says which pictures are read
    ],
)
def test_what_no_event_needs_is_passed_by(
    kinds: Sequence[str], text_threshold: float, expected: tuple[bool, bool]
) -> None:
    """A replay of some events costs what these cost, and brings what all would bring."""
    policy = tag_policy_of(kinds, text_threshold)
    assert (policy.predicts, policy.reads) == expected
