"""Sole owner of the device: runs batches of listings through the resident model.

A batch fails alone: it is split until the one listing that cannot be predicted stands by itself, and its neighbours are
predicted without it. Out of memory splits as well, and shrinks the batches that follow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog

from model.errors import OutOfMemoryError
from model.labels import Labels
from model.types import ListingInput, ModelInfo, Prediction, Predictor
from schemas.deadletter import Reason, Stage
from worker.errors import FatalError, RejectedError
from worker.machine.owner_thread import OwnerThread
from worker.telemetry.redact import describe

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """One answer per listing, in order, and what the device was busy for. ``ended``: by `time.monotonic`."""

    answers: tuple[Prediction | RejectedError, ...]
    busy_seconds: float
    num_splits: int
    ended: float


class Infer:
    """The device's thread. ``load`` builds the predictor there, so that nothing else ever touches the device."""

    def __init__(self, load: Callable[[], Predictor]) -> None:
        self._load = load
        self._thread = OwnerThread("hangtag-device")
        self._predictor: Predictor | None = None
        self._is_over = False  # what is still queued is not run any more
        self.max_listings: int | None = None  # lowered by out-of-memory

    async def start(self) -> ModelInfo:
        """Load and warm up; returns when the model is ready for traffic."""
        return await self._thread.start(self._open)

    async def predict(self, listings: Sequence[ListingInput]) -> BatchResult:
        """One prediction or one refusal per listing, in order."""
        return await self.predict_then(lambda: listings)

    async def predict_then(self, begin: Callable[[], Sequence[ListingInput]]) -> BatchResult:
        """The same for a batch that may have to wait for the one before: ``begin`` gives its listings, on the device's
        thread, when its turn has come. Raises FatalError after one, and after ``close``.
        """
        return await self._thread.run(lambda: self._run(begin))

    @property
    def labels(self) -> Labels:
        """What the model scores. Raises FatalError before ``start``."""
        return self._loaded().labels

    async def close(self) -> None:
        """End the thread after the running batch."""
        self._is_over = True
        await self._thread.close()

    # ---- on the device's thread ---------------------------------------------------------------------------------

    def _open(self) -> ModelInfo:
        self._predictor = self._load()
        self._predictor.warm_up()
        return self._predictor.info

    def _run(self, begin: Callable[[], Sequence[ListingInput]]) -> BatchResult:
        if self._is_over:
            raise FatalError("the device takes no more batches: it was closed, or an earlier one ended its work")
        started = time.monotonic()
        listings = begin()
        try:
            answers, num_splits = self._predict_or_split(listings) if listings else ([], 0)
        except FatalError:
            self._is_over = True
            raise
        ended = time.monotonic()
        return BatchResult(tuple(answers), ended - started, num_splits, ended)

    def _predict_or_split(self, listings: Sequence[ListingInput]) -> tuple[list[Prediction | RejectedError], int]:
        try:
            return list(self._predict(listings)), 0
        except FatalError:
            raise
        except BaseException as error:  # whatever the model raises, panics too, it is this batch's business alone
            if isinstance(error, OutOfMemoryError) and len(listings) > 1:
                self.max_listings = max(1, len(listings) // 2)
            if len(listings) == 1:
                log.warning("infer.listing_failed", error=describe(error))
                return [_refusal(error)], 0
            log.warning("infer.batch_split", listings=len(listings), error=describe(error))
        middle = len(listings) // 2
        left, left_splits = self._predict_or_split(listings[:middle])
        right, right_splits = self._predict_or_split(listings[middle:])
        return left + right, left_splits + right_splits + 1

    def _predict(self, listings: Sequence[ListingInput]) -> Sequence[Prediction]:
        predictions = self._loaded().predict(listings)
        if len(predictions) != len(listings):
            raise FatalError(
                f"the model returned {len(predictions)} predictions for {len(listings)} listings; "
                "results could be attributed to the wrong listing, so the worker stops"
            )
        fused = [scores.fused for one in predictions for scores in one.attributes.values()]
        if fused and not np.isfinite(np.concatenate(fused)).all():
            raise ValueError("the model's scores are not finite numbers")
        return predictions

    def _loaded(self) -> Predictor:
        if self._predictor is None:
            raise FatalError("the model was asked before it was loaded")
        return self._predictor


def _refusal(error: BaseException) -> RejectedError:
    return RejectedError(Reason.MODEL_FAILED, Stage.INFER, f"the model failed on this listing alone: {describe(error)}")
