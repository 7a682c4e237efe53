"""A device that runs out of memory now and then."""

from __future__ import annotations

import asyncio
import json

from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings
from tests.reliability.worker import Faults

TITLE = "Out of memory on the device"


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    count, every = trial.size(short=1_500, full=20_000), trial.size(short=10, full=100)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("device")
    async with image_host() as host, Fleet(stream, host, {"LOG__LEVEL": "info"}) as fleet:
        send(stream, list(listings(count, [host.base_url], choose, keys=count // 5)))
        faults = Faults(out_of_memory_every=every, fixed_seconds=0.02, item_seconds=0.001)
        workers = [await fleet.start(name, faults) for name in ("one", "two")]
        is_done = await fleet.until_done(trial.size(short=120, full=1200))
        await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    lines = [json.loads(line) for worker in workers for line in worker.log if '"infer.batch_split"' in line]
    return [
        Row(
            f"every {every}th batch fails for want of memory, {count:,} events",
            "0 lost, 0 doubled, nobody refused",
            f"{verdict(report)}; {len(lines)} batches split",
            is_done and report.is_clean and report.num_dead == 0 and bool(lines),
        )
    ]
