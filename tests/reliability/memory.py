"""Memory over a long stream with bad records in it."""

from __future__ import annotations

import asyncio
import json

from tests.integration.stream import Stream
from tests.reliability.bad_records import (
    FAILING_TITLE,
    MAX_RECORD_BYTES,
    NOBODY,
    REASONS,
    Places,
    bad_ones,
    vast_picture,
)
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.hosts import OddHost
from tests.reliability.resident import row, watched
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings, mixed
from tests.reliability.worker import Faults

TITLE = "Memory"
SHARE_BAD = 0.05
SETTINGS = {
    "FETCH__GIVE_UP_SECONDS": "3",
    "FETCH__TIMEOUT_SECONDS": "2",
    "KAFKA__MAX_RECORD_BYTES": str(MAX_RECORD_BYTES),
    "DECODE__MEMORY_BYTES": str(256 << 20),
}


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    return await _long_stream(trial)


async def _long_stream(trial: Trial) -> list[Row]:
    """Two workers on a long stream; one record in twenty is bad."""
    count = trial.size(short=6_000, full=200_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("long")
    async with image_host() as host, OddHost(served=vast_picture()) as odd, OddHost("hang") as hanging:
        endpoints = json.dumps([host.endpoint, odd.endpoint, hanging.endpoint, NOBODY])
        places = Places(host.base_url, odd.base_url, hanging.base_url)
        num_bad = int(count * SHARE_BAD)
        good = listings(count - num_bad, [host.base_url], choose, keys=count // 5)
        send(stream, mixed(good, list(bad_ones(num_bad, places, choose, REASONS)), choose))
        async with Fleet(stream, host, {**SETTINGS, "FETCH__ALLOW_ENDPOINTS": endpoints}) as fleet:
            workers = [await fleet.start(name, Faults(failing_title=FAILING_TITLE)) for name in ("one", "two")]
            for worker in workers:
                await worker.until("worker.first_results")
            done = asyncio.create_task(fleet.until_done(120 + count / 20))
            found = await asyncio.gather(*(watched(worker, asyncio.shield(done)) for worker in workers))
            await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    return [
        row(f"{count:,} events, {SHARE_BAD:.0%} bad, 2 workers", found),
        Row(
            "the same stream's results",
            "0 lost, 0 doubled",
            verdict(report),
            report.is_clean and done.result() and report.num_dead == num_bad,
        ),
    ]
