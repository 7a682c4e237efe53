"""How much of everything a load needs: the formula of docs/sizing.md, and the table there.

    python -m tests.sizing [--device-rate 250] [LISTINGS_PER_SECOND ...]

Constants are measured by suites of `make reliability`; each says by which.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass

LOADS = (10, 100, 1_000, 10_000, 100_000)
MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Constants:
    """What one listing costs, as measured (see docs/results); bytes and seconds."""

    events_bytes: float = 5_900  # sizes: the three events, headers included
    title_bytes: float = 1_000  # sizes: one title in Redis
    decode_core_seconds: float = 0.002  # sizes: decoders, per listing, small photos
    loop_core_seconds: float = 0.0014  # bench stream: the worker's process, per listing with a photo of 800 pixels
    ocr_core_seconds: float = 0.024  # sizes: with OCR minus without
    spare: float = 0.3  # share of a worker kept free: bursts, rebalances (scaling), one worker away


@dataclass(frozen=True, slots=True)
class Traffic:
    """What you send; to be replaced by your own figures."""

    pictures: float = 1.5  # per listing
    picture_bytes: float = 150_000
    record_bytes: float = 1_000
    new_titles: float = 0.3  # share of titles not seen within the hour
    replicas: int = 3  # of each topic
    batch: int = 16  # listings per batch, and so about per transaction


@dataclass(frozen=True, slots=True)
class Needs:
    """What the load needs. Rates per second."""

    workers: int
    partitions: int
    cores: float
    ocr_cores: float
    image_bits: float
    broker_bytes: float  # written, replicas included
    transactions: float
    redis_bytes: float  # for the titles of an hour


def needs(load: float, device_rate: float, constants: Constants, traffic: Traffic) -> Needs:
    """Of ``load`` listings a second, when one worker's device does ``device_rate`` (the processor's share left out)."""
    workers = max(2, math.ceil(load / (device_rate * (1 - constants.spare))))
    return Needs(
        workers=workers,
        partitions=12 * math.ceil(2 * workers / 12),
        cores=load * (constants.decode_core_seconds + constants.loop_core_seconds),
        ocr_cores=load * constants.ocr_core_seconds,
        image_bits=load * traffic.pictures * traffic.picture_bytes * 8,
        broker_bytes=load * (traffic.record_bytes + constants.events_bytes) * traffic.replicas,
        transactions=load / min(traffic.batch, max(1.0, device_rate / 4)),
        redis_bytes=load * 3600 * traffic.new_titles * constants.title_bytes,
    )


def table(loads: Sequence[float], device_rate: float) -> str:
    """Markdown."""
    head = (
        "| Listings a second | Workers | Partitions | Cores, no OCR | Cores for OCR | From image hosts | Broker writes "
        "| Transactions a second | Redis, an hour's titles |\n" + "|---" * 9 + "|\n"
    )
    return head + "".join(_line(load, needs(load, device_rate, Constants(), Traffic())) for load in loads)


def _line(load: float, found: Needs) -> str:
    cells = (
        f"{load:,.0f}", f"{found.workers:,}", f"{found.partitions:,}", _short(found.cores), _short(found.ocr_cores),
        f"{_short(found.image_bits / 1e9)} Gbit/s", f"{_short(found.broker_bytes / 1e6)} MB/s",
        _short(found.transactions), f"{_short(found.redis_bytes / 1e9)} GB",
    )  # fmt: skip
    return "| " + " | ".join(cells) + " |\n"


def _short(number: float) -> str:
    """Two digits that count."""
    if number >= 100:
        digits = 1 - math.floor(math.log10(number))
        return f"{round(number, digits):,.0f}"
    return f"{number:.2g}"


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.sizing", description=__doc__)
    parser.add_argument("loads", nargs="*", type=float, default=LOADS, metavar="LISTINGS_PER_SECOND")
    parser.add_argument("--device-rate", type=float, default=250.0, help="listings a second of one worker's device")
    asked = parser.parse_args()
    print(table(asked.loads, asked.device_rate), end="")  # noqa: T201  # a command's own output


if __name__ == "__main__":
    main()
