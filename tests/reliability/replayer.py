"""``hangtag replay`` on the stand-in model, dying as it is told: ``python -m tests.reliability.replayer NAME [FROM]``.

Everything is the product's own but the model and what `Faults` asks for, as in `tests.reliability.worker`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from tests.reliability.worker import Countdown, DyingMetrics, FaultyModels, faults_of_environment
from worker.app import Worker
from worker.errors import FatalError
from worker.kafka.transaction import Step
from worker.replay import find_plan, run_replay
from worker.replays.backfill import Backfill
from worker.replays.plan import Request
from worker.replays.progress import ReplayProgress
from worker.settings import Settings
from worker.sources import load_settings
from worker.telemetry.logs import configure_logging


def main() -> int:
    """Options: NAME, and a JSON object with the fields of `Request` for whoever makes the plan."""
    settings = load_settings()
    configure_logging(settings.log.level, "json", secrets=settings.secrets)
    name, asked = sys.argv[1], json.loads(sys.argv[2])
    faults = faults_of_environment()
    countdown = Countdown(faults)

    def watch(step: Step) -> None:
        countdown.pass_by(step.value)

    def make(changed: Settings, backfill: Backfill) -> Worker:
        models, metrics = FaultyModels(faults, countdown), DyingMetrics(countdown)
        return Worker(changed, models, metrics=metrics, watch=watch, backfill=backfill)

    def show(progress: ReplayProgress, counts: Mapping[str, Any]) -> None:
        """The suite reads the group's offsets itself."""

    try:
        plan = find_plan(settings, name, Request(**asked), must_exist=False, is_dry=False)
        return run_replay(settings, plan, make, rate=0.0, show=show).exit_code
    except FatalError as error:
        print(f"FatalError: {error}", file=sys.stderr)  # noqa: T201  # a command's own output
        return 1


if __name__ == "__main__":
    sys.exit(main())
