"""The loop that looks at everything, once a second."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import cast

from tests.unit.test_intake import Bench
from tests.unit.test_pipeline import UNUSED, pipeline_of, storm_breaker, tagger_of
from worker.consume import Consumer
from worker.metrics import Metrics
from worker.telemetry.gauges import Gauges


class Answers:
    """A consumer that tells the log's ends when it is told to."""

    def __init__(self) -> None:
        self.answer: Future[dict[int, int]] = Future()

    def lag(self) -> Future[dict[int, int]]:
        """See `Consumer.lag`."""
        return self.answer


async def test_who_is_cancelled_as_an_answer_comes_ends() -> None:
    """Else whoever cancelled it waits for ever: on a busy machine a backfill that had failed never said so."""
    bench, metrics, consumer = Bench(), Metrics(), Answers()
    tagger, storm = tagger_of(UNUSED), storm_breaker()
    pipeline = pipeline_of(bench, tagger, storm, metrics)
    gauges = Gauges(metrics, bench.intake, tagger, storm, cast(Consumer, consumer))
    looking = asyncio.create_task(gauges.run(pipeline))
    for _ in range(5):
        await asyncio.sleep(0)  # until it asks
    consumer.answer.set_result({})
    await asyncio.sleep(0)  # the answer is there, and has not been taken
    looking.cancel()
    await asyncio.wait({looking}, timeout=0.5)
    is_over = looking.done()
    looking.cancel()
    bench.loop.cancel()
    assert is_over
