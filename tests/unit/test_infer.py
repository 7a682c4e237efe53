"""A batch fails alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest

from model.errors import OutOfMemoryError
from model.labels import Labels
from model.types import ListingInput, ModelInfo, Prediction, Scores
from worker.errors import FatalError, RejectedError
from worker.infer import Infer

INFO = ModelInfo("fake", "1", "1", 4, 8, "cpu", "none")


class PanicException(BaseException):
    """As pyo3 raises it: no `Exception`."""


class Echo:
    """A predictor that answers with each title's length, and fails on titles that say so."""

    info = INFO
    labels = Labels({}, {})

    def __init__(self, *, max_listings: int = 100, drops: bool = False) -> None:
        self.max_listings = max_listings
        self.drops = drops

    def warm_up(self) -> None:
        """Nothing to warm."""

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """One answer per listing."""
        if len(listings) > self.max_listings:
            raise OutOfMemoryError("too many")
        if any("bad" in one.title for one in listings):
            raise ValueError("cannot predict this")
        if any("panic" in one.title for one in listings):
            raise PanicException("not a boundary")
        if any("nan" in one.title for one in listings):
            not_a_number = Scores(np.array([np.nan], np.float32), None, None)
            return [Prediction({"color": not_a_number}, None, (), None, (), None) for _ in listings]
        answers = [Prediction({}, None, (), len(one.title) / 100, (), None) for one in listings]
        return answers[1:] if self.drops else answers


async def run(predictor: Echo, titles: Sequence[str]) -> list[float | str | None]:
    """Each listing's answer, or the reason of its refusal."""
    infer = Infer(lambda: predictor)
    await infer.start()
    try:
        async with asyncio.timeout(10):
            result = await infer.predict([ListingInput(title) for title in titles])
    finally:
        await infer.close()
    return [one.reason.value if isinstance(one, RejectedError) else one.association for one in result.answers]


async def test_bad_listing_is_found_and_neighbours_keep_their_answers() -> None:
    """One listing that cannot be predicted is refused; all others get their own answers, in order."""
    titles = ["a", "bb", "bad", "dddd", "eeeee"]
    assert await run(Echo(), titles) == [0.01, 0.02, "model_failed", 0.04, 0.05]


async def test_a_panic_is_the_listings_alone() -> None:
    """What compiled code raises past every ``except Exception`` refuses one listing; the device's thread goes on."""
    assert await run(Echo(), ["a", "panic", "ccc"]) == [0.01, "model_failed", 0.03]


async def test_scores_that_are_no_numbers_are_refused() -> None:
    """NaN would pass every comparison and end up in an event; it is the model's failure on that listing."""
    assert await run(Echo(), ["a", "nan", "ccc"]) == [0.01, "model_failed", 0.03]


async def test_out_of_memory_makes_batches_smaller() -> None:
    """A batch that does not fit is split until it does, and nobody is refused."""
    assert await run(Echo(max_listings=2), ["a"] * 7) == [0.01] * 7


async def test_wrong_number_of_answers_stops_the_worker() -> None:
    """Answers that cannot be matched to listings are never published."""
    with pytest.raises(FatalError, match="wrong listing"):
        await run(Echo(drops=True), ["a", "b"])
