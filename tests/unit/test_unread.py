"""A picture that OCR fails on costs its listing the text in it, and nothing else; an engine that fails costs more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import astuple, dataclass
from typing import Any

import pytest

from model.stand_in import StandInPredictor, StandInReader
from model.types import Pixels, Predictor, TextReader
from schemas.deadletter import Reason
from schemas.topics import EVENT_KINDS, Topics
from tests.reliability.traffic import pictures
from worker.build import Built, build_tagger
from worker.demo.imagehost import ImageHost
from worker.flow.reading_streak import MAX_IN_A_ROW
from worker.item import Finished, Flight, Origin, Record
from worker.metrics import Metrics
from worker.outcome import Identity, Outputs
from worker.settings import Settings

TOPICS = Topics("in", "a", "s", "t", "dead")
NAMES = sorted(pictures())


@dataclass(slots=True)
class Models:
    """The stand-ins; the OCR engine fails on pictures that ``cannot_read``, which may change."""

    cannot_read: Callable[[Pixels], bool] = lambda picture: False

    def load_predictor(self) -> Predictor:
        """See `worker.build.Models`."""
        return StandInPredictor()

    def open_reader(self) -> TextReader:
        """See `worker.build.Models`."""
        return StandInReader(lambda picture: self.cannot_read(picture))


@dataclass(slots=True)
class Line:
    """From a listing to what is published of it."""

    built: Built
    host: ImageHost
    metrics: Metrics
    num_sent: int = 0

    async def publish(self, *names: str, kinds: Sequence[str] = EVENT_KINDS) -> Finished:
        """What comes of a listing with these pictures."""
        urls = [f"{self.host.base_url}/pictures/{name}" for name in names]
        value = json.dumps({"listing_id": "L1", "title": "oak table", "image_urls": urls}).encode()
        self.num_sent += 1
        record = Record(b"L1", value, (), Origin("in", 0, self.num_sent, 0))
        outcome = await self.built.tagger.tag(Flight(record, 0.0))
        limits = dict.fromkeys(astuple(TOPICS), 1_000_000)
        outputs = Outputs(Identity("group", "1", TOPICS, kinds), self.built.info, limits, self.metrics)
        return outputs.of(outcome)

    def read(self, outcome: str) -> float:
        """Pictures that ended so in the OCR lane."""
        found = self.metrics.snapshot()["read_pictures"]
        assert isinstance(found, dict)
        return found[outcome]


@asynccontextmanager
async def line(models: Models) -> AsyncIterator[Line]:
    """All stages, at work."""
    async with AsyncExitStack() as exits, ImageHost(pictures()) as host:
        settings = Settings.model_validate({"fetch": {"allow_endpoints": [host.endpoint]}})
        metrics = Metrics()
        built = await build_tagger(settings, models, metrics, exits)
        work = asyncio.create_task(built.batches.run())
        try:
            yield Line(built, host, metrics)
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work


def bodies(finished: Finished) -> dict[str, Any]:
    """The events, by topic."""
    return {output.topic: json.loads(output.value or b"") for output in finished.outputs}


async def one_that_fails(work: Line, models: Models, name: str) -> None:
    """From now on the engine fails on this picture alone."""
    seen: list[Pixels] = []
    models.cannot_read = lambda picture: seen.append(picture) is None  # type: ignore[func-returns-value]
    await work.publish(name)
    bad = seen[0].tobytes()
    models.cannot_read = lambda picture: picture.tobytes() == bad


async def test_a_picture_that_cannot_be_read_costs_only_its_text() -> None:
    """Tags, scenes and the other picture's text are published; in its place stands why; it counts as fetched."""
    models = Models()
    async with line(models) as work:
        await one_that_fails(work, models, NAMES[1])
        finished = await work.publish(NAMES[0], NAMES[1])
        assert finished.reason is None
        found = bodies(finished)
        assert found.keys() == {"a", "s", "t"}
        assert found["a"]["inputs"]["images"] == {"fetched": 2, "failed": 0}
        assert found["a"]["attributes"]["color"]["values"]
        assert all("error" not in image for image in found["s"]["images"])
        fine, failed = found["t"]["images"]
        assert "error" not in fine
        assert failed["url"].endswith(NAMES[1])
        assert failed["lines"] == []
        assert failed["error"]["reason"] == "model_failed"
        assert "the OCR engine failed on this picture: ValueError" in failed["error"]["detail"]
        assert (work.read("failed"), work.read("empty")) == (2, 1)


async def test_texts_alone_that_cannot_be_read_are_a_dead_letter() -> None:
    """Where nothing else is asked for, nothing would be left; one picture that is read is enough."""
    models = Models()
    async with line(models) as work:
        await one_that_fails(work, models, NAMES[1])
        assert (await work.publish(NAMES[1], kinds=("texts",))).reason is Reason.MODEL_FAILED
        assert (await work.publish(NAMES[0], NAMES[1], kinds=("texts",))).reason is None


@pytest.mark.parametrize("num_listings", [MAX_IN_A_ROW + 30])
async def test_a_broken_engine_does_not_empty_the_topic(num_listings: int) -> None:
    """A few listings lose their texts until it is known; all further ones are dead letters, until it reads again."""
    models = Models(lambda picture: True)
    async with line(models) as work:
        ends = [(await work.publish(NAMES[number])).reason for number in range(num_listings)]
        assert ends == [None] * (MAX_IN_A_ROW - 1) + [Reason.MODEL_FAILED] * 31
        assert work.metrics.snapshot()["ocr_broken"] == 1
        assert work.metrics.snapshot()["dead_letters"] == {"model_failed/read": 31}
        models.cannot_read = lambda picture: False
        assert (await work.publish(NAMES[0])).reason is None
        assert work.metrics.snapshot()["ocr_broken"] == 0
