"""A worker that dies, runs out of memory or is poisoned as it is told: ``python -m tests.reliability.worker``.

Everything is the product's own but the model (`model.stand_in`) and what `Faults` asks for. Settings come from the
environment as for ``hangtag run``; faults from the variable RELIABILITY_FAULTS, a JSON object.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

from prometheus_client import Gauge, Metric

from model.errors import OutOfMemoryError
from model.labels import Labels
from model.stand_in import Pace, StandInPredictor, StandInReader
from model.types import ListingInput, ModelInfo, Prediction, Predictor, TextReader
from worker.app import Worker, run
from worker.kafka.transaction import Step
from worker.metrics import Metrics
from worker.replays.guest import Guest
from worker.sources import load_settings
from worker.telemetry.logs import configure_logging

VARIABLE = "RELIABILITY_FAULTS"


@dataclass(frozen=True, slots=True)
class Faults:
    """``die_at``: a stage or a step of a transaction; SIGKILL at its ``die_after``-th passage.

    ``killer_title``: a listing with these words kills the process when the model sees it. ``out_of_memory_every``: so
    many batches of more than one listing bring one failure. ``cannot_read``: OCR fails on every picture.
    ``rest_fails``: so does the first look at whether a backfill has to rest. ``again_seconds``: until a backfill that
    failed is tried again. ``fixed_seconds`` and ``item_seconds`` are the device's. ``revision`` is the model's.
    """

    die_at: str = ""
    die_after: int = 0
    killer_title: str = ""
    failing_title: str = ""
    out_of_memory_every: int = 0
    cannot_read: bool = False
    rest_fails: bool = False
    again_seconds: float = 60.0
    fixed_seconds: float = 0.002
    item_seconds: float = 0.0005
    rebuild_after_unknown: bool = True
    revision: str = "stand-in"

    def to_environment(self) -> dict[str, str]:
        """As the process reads it."""
        return {VARIABLE: json.dumps(asdict(self))}


class Countdown:
    """Kills this process at the n-th passage of one point."""

    def __init__(self, faults: Faults) -> None:
        self._point = faults.die_at
        self._left = faults.die_after

    def pass_by(self, point: str) -> None:
        """The process comes by ``point``."""
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class FailingGauge:
    """Fails when it is first asked for a label's value, then is as good as any."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._has_failed = False

    def labels(self, value: str) -> Gauge:
        """See `Gauge`."""
        if not self._has_failed:
            self._has_failed = True
            raise ArithmeticError("told to fail")
        return self._gauge.labels(value)

    def collect(self) -> Iterable[Metric]:
        """See `Gauge`."""
        return self._gauge.collect()


class DyingMetrics(Metrics):
    """Metrics that know the way past every stage, and how a backfill is when it looks whether to rest."""

    def __init__(self, countdown: Countdown, *, rest_fails: bool = False) -> None:
        super().__init__()
        self._countdown = countdown
        if rest_fails:
            self.backfill_resting = cast(Gauge, FailingGauge(self.backfill_resting))

    def stage(self, name: str) -> AbstractContextManager[object]:
        """See `Metrics.stage`."""
        self._countdown.pass_by(name)
        return super().stage(name)


class FaultyPredictor:
    """The stand-in, with accidents."""

    def __init__(self, faults: Faults, countdown: Countdown) -> None:
        self._inner = StandInPredictor(Pace(faults.fixed_seconds, faults.item_seconds))
        self._faults = faults
        self._countdown = countdown
        self._num_batches = 0
        self.info: ModelInfo = replace(self._inner.info, revision=faults.revision)
        self.labels: Labels = self._inner.labels

    def warm_up(self) -> None:
        """See `model.types.Predictor`."""

    def predict(self, listings: Sequence[ListingInput]) -> list[Prediction]:
        """See `model.types.Predictor`."""
        self._countdown.pass_by("infer")
        faults = self._faults
        if faults.killer_title and any(faults.killer_title in one.title for one in listings):
            os.kill(os.getpid(), signal.SIGKILL)
        if faults.failing_title and any(faults.failing_title in one.title for one in listings):
            raise ArithmeticError("told to fail")
        if faults.out_of_memory_every and len(listings) > 1:
            self._num_batches += 1
            if self._num_batches % faults.out_of_memory_every == 0:
                raise OutOfMemoryError("told to run out")
        return self._inner.predict(listings)


@dataclass(frozen=True, slots=True)
class FaultyModels:
    """See `worker.build.Models`."""

    faults: Faults
    countdown: Countdown

    def load_predictor(self) -> Predictor:
        """See `Models`."""
        return FaultyPredictor(self.faults, self.countdown)

    def open_reader(self) -> TextReader:
        """See `Models`."""
        return StandInReader(lambda picture: self.faults.cannot_read)


def faults_of_environment() -> Faults:
    """What whoever started this process asks for."""
    given: dict[str, Any] = json.loads(os.environ.get(VARIABLE, "{}"))
    return Faults(**given)


def main() -> int:
    """As ``hangtag run``, with a backfill if the settings name one."""
    settings = load_settings()
    configure_logging(settings.log.level, "json", secrets=settings.secrets)
    faults = faults_of_environment()
    countdown = Countdown(faults)

    def watch(step: Step) -> None:
        countdown.pass_by(step.value)

    def make() -> Worker:
        models = FaultyModels(faults, countdown)
        metrics = DyingMetrics(countdown, rest_fails=faults.rest_fails)
        return Worker(
            settings, models, metrics=metrics, watch=watch, rebuild_after_unknown=faults.rebuild_after_unknown,
            companion=Guest(settings, faults.again_seconds) if settings.backfill.name else None,
        )  # fmt: skip

    return run(make)


if __name__ == "__main__":
    sys.exit(main())
