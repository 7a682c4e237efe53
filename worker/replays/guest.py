"""A backfill in the process of a live worker: ``run --backfill NAME``. Edge file.

It has a consumer, a ledger and a producer of its own, as every replay has, and shares fetcher, decoder, OCR engine and
device, where live listings go first (`worker.batches`, `worker.flow.lanes`, `worker.fetching.hosts`). While live
listings are slow or wait to be started it rests (`worker.flow.yielding`). Whatever happens to it, live traffic goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.app import first_cause
from worker.batches import Batches
from worker.build import Built
from worker.errors import FatalError, RetryableError
from worker.flow.yielding import Cause, Yielding, YieldPolicy
from worker.kafka.config import client_config
from worker.metrics import Metrics
from worker.replay import find_plan, left_out_of, make_output_topics, plan_store, replay_settings
from worker.replays.backfill import Backfill
from worker.replays.plan import Plan, Request
from worker.replays.progress import ProgressReader
from worker.settings import Settings
from worker.stream import Connector, Stream

log = structlog.get_logger(__name__)

_PLAN_SECONDS = 15.0  # until it is looked for again
_DONE_SECONDS, _LOOK_SECONDS = 2.0, 0.5


class Guest:
    """See `worker.app.Companion`. Runs on the live worker's event loop."""

    def __init__(self, settings: Settings, again_seconds: float = 60.0) -> None:
        self._settings = settings
        self._again_seconds = again_seconds  # from a try that failed to the next
        self._own = Metrics()  # of all tries; only counts of it are shown, under names of their own
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()

    async def run(self, built: Built, live: Stream, metrics: Metrics) -> None:
        """See `Companion`."""
        self._ended.clear()
        try:
            while not await self._try(built, live, metrics) and not self._stopping.is_set():
                await self._pause(self._again_seconds)
        finally:
            self._ended.set()

    async def _try(self, built: Built, live: Stream, metrics: Metrics) -> bool:
        """Work until the end; False: something failed, which may pass or not."""
        try:
            await self._work(built, live, metrics)
        except Exception as error:  # of whatever kind: it is the backfill's trouble alone
            log.error(
                "backfill.failed",
                replay=self._settings.backfill.name,
                error=str(first_cause(error)),
                effect=f"live traffic goes on without it; it is tried again in {self._again_seconds:g} s",
            )
            return False
        finally:
            metrics.backfill_running.set(0)
        return True

    async def stop(self) -> None:
        """See `Companion`."""
        self._stopping.set()
        await self._ended.wait()

    async def _work(self, built: Built, live: Stream, metrics: Metrics) -> None:
        plan = await self._find_plan()
        if plan is None:
            return
        await asyncio.to_thread(make_output_topics, self._settings, plan)
        tagger, limits = built.beside(plan.kinds, self._own)
        async with AsyncExitStack() as exits:
            left_out = left_out_of(self._settings, plan)
            exits.callback(left_out.close)
            find = left_out.find if left_out.is_needed else None
            backfill = Backfill(plan.ranges, plan.kinds, self._settings.backfill.rate, find)
            connector = Connector(replay_settings(self._settings, plan), self._own, exits, backfill)
            is_done = False
            connecting = connector.connect(tagger, built.info, limits, self._stopping)
            if (stream := await self._unless_stopping(connecting)) is not None:
                exits.push_async_callback(stream.leave)
                stream.consumer.start()
                metrics.backfill_running.set(1)
                log.info("backfill.started", replay=plan.name, offsets=plan.num_offsets)
                watch = self._watch(stream, live, built.batches, metrics)
                is_done = await self._run_stream(stream, plan, watch, metrics)
        if is_done:
            await asyncio.to_thread(plan_store(self._settings).note_done, plan, datetime.now(UTC))
        log.info("backfill.done" if is_done else "backfill.stopped", replay=plan.name)

    async def _unless_stopping(self, connecting: Coroutine[Any, Any, Stream]) -> Stream | None:
        """The producer asks for its name until a broker gives it. None: this process stops, and so does that."""
        tasks = work, stop = asyncio.create_task(connecting), asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return None if stop.done() else work.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _run_stream(
        self, stream: Stream, plan: Plan, watching: Coroutine[Any, Any, None], metrics: Metrics
    ) -> bool:
        """Until the plan is done (True), by whoever, or this process stops. Raises what ended any part of it."""
        work = asyncio.create_task(stream.pipeline.run(), name="backfill-pipeline")
        look = asyncio.create_task(stream.gauges.run(stream.pipeline), name="backfill-gauges")
        watch = asyncio.create_task(watching, name="backfill-watch")
        done = asyncio.create_task(self._until_done(plan, metrics), name="backfill-progress")
        stop = asyncio.create_task(self._stopping.wait(), name="backfill-stop")
        tasks: list[asyncio.Task[object]] = [work, look, watch, done, stop]
        try:
            watched: set[asyncio.Future[object]] = {*tasks, stream.failed}  # type: ignore[arg-type]
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for one in watched:
                if one.done():
                    one.result()
            await stream.drain()
            return done.done()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            _count(self._own, metrics)

    async def _find_plan(self) -> Plan | None:
        """The plan of this name, as soon as somebody has made one; None: it is done, or this process stops."""
        name = self._settings.backfill.name
        remedy = f"hangtag replay --name {name} --from … --freeze makes it; it is looked for again and again"
        while not self._stopping.is_set():
            try:
                plan = await asyncio.to_thread(self._look_for_plan)
            except FatalError as error:
                log.warning("backfill.waits_for_its_plan", replay=name, error=str(error), remedy=remedy)
            else:
                if plan is None:
                    log.info("backfill.was_done_before", replay=name)
                return plan
            await self._pause(_PLAN_SECONDS)
        return None

    async def _pause(self, seconds: float) -> None:
        """As long, unless this process stops before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _look_for_plan(self) -> Plan | None:
        plan = find_plan(self._settings, self._settings.backfill.name, Request(), must_exist=True, is_dry=False)
        return None if plan.name in plan_store(self._settings).read().done_at else plan

    async def _until_done(self, plan: Plan, metrics: Metrics) -> None:
        reader = ProgressReader(client_config(self._settings.kafka))
        is_done = False
        while not is_done:
            await asyncio.sleep(_DONE_SECONDS)
            with suppress(RetryableError):  # the next look will tell
                progress = await asyncio.to_thread(reader.look, plan)
                metrics.backfill_lag.set(progress.num_offsets - progress.num_done)
                is_done = progress.is_done

    async def _watch(self, stream: Stream, live: Stream, batches: Batches, metrics: Metrics) -> None:
        """Rest while live traffic is worse off than its limits, and say what goes on. Runs until cancelled."""
        limits = self._settings.backfill
        yielding = Yielding(YieldPolicy(limits.max_live_p99_ms / 1000, limits.max_live_lag))
        now = asyncio.get_running_loop().time
        while True:
            before, p99 = yielding.cause, live.committer.recent.percentile(now(), 0.99)
            cause = yielding.look(p99, live.gauges.num_waiting)
            if cause != before:
                p99_ms = None if p99 is None else round(p99 * 1000)
                event = "backfill.rests" if cause else "backfill.goes_on"
                log.info(event, cause=cause, live_p99_ms=p99_ms, live_records_waiting=live.gauges.num_waiting)
            batches.rest_spare(bool(cause))
            stream.pipeline.rest(bool(cause))
            _show(cause, metrics)
            _count(self._own, metrics)
            await asyncio.sleep(_LOOK_SECONDS)


def _show(cause: Cause, metrics: Metrics) -> None:
    for one in ("p99", "lag"):
        metrics.backfill_resting.labels(one).set(cause == one)


def _count(own: Metrics, metrics: Metrics) -> None:
    """What the backfill has finished since the last look."""
    finished, shown = (
        one.snapshot()[name] for one, name in ((own, "finished_listings"), (metrics, "backfill_listings"))
    )
    assert isinstance(finished, dict) and isinstance(shown, dict)  # noqa: S101  # they have a label
    for outcome, number in finished.items():
        metrics.backfill_listings.labels(outcome).inc(number - shown.get(outcome, 0.0))
