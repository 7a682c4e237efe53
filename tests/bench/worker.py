"""The worker on a simulated device: ``python -m tests.bench.worker``. All is the product's but the model.

The device takes ``BENCH_FIXED`` seconds per batch and ``BENCH_ITEM`` per picture, and next to no processor time: the
answer to the first listing is every listing's. So what the process costs is the pipeline's own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from model.stand_in import Pace
from worker.app import Worker, run
from worker.benching.simulated import SimulatedModels
from worker.sources import load_settings
from worker.telemetry.logs import configure_logging


def device_environment(pace: Pace) -> dict[str, str]:
    """What tells the process how fast its device is."""
    return {"BENCH_FIXED": str(pace.fixed_seconds), "BENCH_ITEM": str(pace.item_seconds)}


def pace_of_environment() -> Pace:
    """What ``device_environment`` told."""
    return Pace(float(os.environ["BENCH_FIXED"]), float(os.environ["BENCH_ITEM"]))


def main(arguments: Sequence[str] = ()) -> int:
    """As ``hangtag run``."""
    settings = load_settings()
    configure_logging(settings.log.level, "json", secrets=settings.secrets)
    return run(lambda: Worker(settings, SimulatedModels(pace_of_environment())))


if __name__ == "__main__":
    sys.exit(main())
