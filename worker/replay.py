"""A replay, from a plan to its end: the worker, bounded, as a group of its own, until every partition is done.

The live group is never touched: the replay's progress is the committed offsets and gap maps of its own group, written
in the transactions that publish its results. So any number of processes share it, and each may die at any moment.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from worker.app import Worker, run_until
from worker.errors import FatalError, RetryableError, UsageError
from worker.kafka.admin import Admin, parse_partitions, planned_topics
from worker.kafka.config import client_config, producer_config
from worker.kafka.topic_state import PlannedTopic
from worker.replays.backfill import Backfill
from worker.replays.bounds import EARLIEST, LATEST, check_order, parse_bound
from worker.replays.bulk import BulkInput
from worker.replays.bulk_load import BulkLoad, BulkTopic, Loaded
from worker.replays.left_out import LeftOut
from worker.replays.plan import Plan, Request
from worker.replays.plan_store import Kept, PlanStore
from worker.replays.planner import Planner
from worker.replays.progress import ProgressReader, ReplayProgress, Report, Standing
from worker.settings import Settings

log = structlog.get_logger(__name__)

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_LOOK_SECONDS = 1.0
_STATUS_SECONDS = 2.0

MakeWorker = Callable[[Settings, Backfill], Worker]
Show = Callable[[ReplayProgress, dict[str, Any]], None]


def find_plan(
    settings: Settings, name: str, request: Request, *, must_exist: bool, is_dry: bool, is_bulk: bool = False
) -> Plan:
    """The plan of this name; a new one is kept, unless it is a dry run. ``is_bulk``: a new one is for the topic that
    `load_input` filled. Raises FatalError.
    """
    kafka = settings.kafka
    check_words(name, request)
    store = plan_store(settings)
    plans = store.read().plans if _has_home(settings, is_dry=is_dry or must_exist) else {}
    plan = plans.get(name)
    if plan is None:
        if must_exist:
            known = ", ".join(sorted(plans)) or "none"
            raise FatalError(f"there is no replay named {name!r} to go on with; known: {known}")
        topic = bulk_topic(settings, name).topic if is_bulk else kafka.input_topic
        planner = Planner(client_config(kafka), topic, kafka.group_id)
        plan = planner.plan(name, request, parse_partitions(request.partitions or ""), datetime.now(UTC))
        plan = plan if is_dry else store.keep(plan)
    if not _is_ours(settings, plan) or (is_bulk and plan.topic == kafka.input_topic):
        raise FatalError(f"the name {name!r} is taken by a replay of {plan.topic} for the group {plan.live_group}")
    request.check_same(name, plan.request)
    return plan


def check_words(name: str, request: Request) -> None:
    """Whatever can be seen before anything is read or written. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: give 1 to 100 letters, digits, dots, dashes and underscores")
    now = datetime.now(UTC)
    start, end = request.start or EARLIEST, request.end or LATEST
    check_order(parse_bound(start, "--from", now), parse_bound(end, "--to", now), now)
    parse_partitions(request.partitions or "")


def load_input(settings: Settings, name: str, source: BulkInput, show: Callable[[Loaded], None]) -> Loaded:
    """Put the listings of these files into a topic of this replay's own, each once. Raises FatalError."""
    to = bulk_topic(settings, name)
    admin = Admin(settings.kafka)
    forever = {"retention.ms": "-1", "max.message.bytes": str(1 << 20)}  # whoever made the files has the time
    admin.apply([PlannedTopic(to.topic, admin.num_partitions(), -1, forever)], is_dry=False)
    return BulkLoad(client_config(settings.kafka), producer_config(settings.kafka), to, show).run(source)


def bulk_topic(settings: Settings, name: str) -> BulkTopic:
    """Where the files of the replay of this name go."""
    kafka = settings.kafka
    return BulkTopic(f"{kafka.input_topic}.bulk.{name}", f"{kafka.group_id}.replay.{name}.load")


def _is_ours(settings: Settings, plan: Plan) -> bool:
    """Is it a plan for this input topic, or for files, and for this group?"""
    topics = (settings.kafka.input_topic, bulk_topic(settings, plan.name).topic)
    return plan.topic in topics and plan.live_group == settings.kafka.group_id


def plan_store(settings: Settings) -> PlanStore:
    """Where plans lie."""
    kafka = settings.kafka
    return PlanStore(client_config(kafka), producer_config(kafka), kafka.replay_topic)


def _has_home(settings: Settings, *, is_dry: bool) -> bool:
    """Is the topic of plans there, or made now? Raises FatalError when it may not be created."""
    [row] = Admin(settings.kafka).apply(planned_topics(settings.kafka, 1, -1)[-1:], is_dry=is_dry)
    return bool(row["state"] != "missing")


def replay_settings(settings: Settings, plan: Plan) -> Settings:
    """The worker's settings for this replay: another group, and other topics if a prefix is asked for."""
    kafka, prefix = settings.kafka, plan.request.output_prefix or ""
    topics = kafka.topics
    changed = kafka.model_copy(
        update={
            "input_topic": plan.topic,
            "group_id": plan.group_id,
            "attributes_topic": prefix + topics.attributes,
            "scenes_topic": prefix + topics.scenes,
            "texts_topic": prefix + topics.texts,
            "dead_letter_topic": prefix + topics.dead_letter,
        }
    )
    # A replay beside a live worker would find the default port taken.
    http = settings.http if "port" in settings.http.model_fields_set else settings.http.model_copy(update={"port": 0})
    return settings.model_copy(update={"kafka": changed, "http": http})


def left_out_of(settings: Settings, plan: Plan) -> LeftOut:
    """What this replay passes over; results of before are live's."""
    return LeftOut(client_config(settings.kafka), plan, settings.kafka.attributes_topic)


def make_output_topics(settings: Settings, plan: Plan) -> None:
    """Create a shadow run's topics, with as many partitions as the input has. Raises FatalError."""
    if not plan.request.output_prefix:
        return
    shadow = replay_settings(settings, plan).kafka
    admin = Admin(settings.kafka)
    wanted: list[PlannedTopic] = planned_topics(shadow, admin.num_partitions(), -1)[1:5]
    admin.apply(wanted, is_dry=False)


def run_replay(settings: Settings, plan: Plan, make_worker: MakeWorker, *, rate: float, show: Show) -> Report:
    """Work until every partition of the plan is at its end, here or elsewhere. Raises FatalError."""
    make_output_topics(settings, plan)
    reader = ProgressReader(client_config(settings.kafka))
    store = plan_store(settings)
    if plan.name in store.read().done_at:
        return Report(0, ReplayProgress.done(plan))
    report = asyncio.run(_run(settings, plan, make_worker, rate, show, reader))
    if report.progress.is_done:
        store.note_done(plan, datetime.now(UTC))
    elif report.exit_code == 0:
        log.warning("replay.stopped_before_its_end", remedy="run the same command again: it goes on where it was")
        report.exit_code = 1
    return report


async def _run(
    live: Settings, plan: Plan, make_worker: MakeWorker, rate: float, show: Show, reader: ProgressReader
) -> Report:
    settings = replay_settings(live, plan)
    left_out = left_out_of(live, plan)
    backfill = Backfill(plan.ranges, plan.kinds, rate, left_out.find if left_out.is_needed else None)
    report = Report(1, await asyncio.to_thread(_look, reader, plan))
    if report.progress.is_done:
        return Report(0, report.progress)

    async def watch(worker: Worker) -> None:
        while not report.progress.is_done:
            await asyncio.sleep(_LOOK_SECONDS)
            await _refresh(report, reader, plan)
            report.counts = worker.counts()
            show(report.progress, report.counts)

    try:
        report.exit_code = await run_until(lambda: make_worker(settings, backfill), watch)
    finally:
        left_out.close()
    await _refresh(report, reader, plan)
    return report


def standings(settings: Settings) -> list[Standing]:
    """Every replay of this input topic and group, the newest first; looks twice, for their rates. Raises FatalError."""
    kafka = settings.kafka
    if not _has_home(settings, is_dry=True):
        return []
    kept = plan_store(settings).read()
    plans = [one for one in kept.plans.values() if _is_ours(settings, one)]
    reader = ProgressReader(client_config(kafka))
    began = time.monotonic()
    before = {plan.name: _standing_progress(reader, plan, kept) for plan in plans}
    if any(not progress.is_done for progress in before.values()):
        threading.Event().wait(_STATUS_SECONDS)
    found = []
    for plan in sorted(plans, key=lambda plan: plan.created_at, reverse=True):
        progress = _standing_progress(reader, plan, kept)
        gained = progress.num_done - before[plan.name].num_done
        rate = gained / (time.monotonic() - began) if gained > 0 else None
        dead = reader.dead_letters(plan, replay_settings(settings, plan).kafka.topics.dead_letter)
        num_dead = None if dead is None else dead.total()
        found.append(Standing(plan, progress, kept.done_at.get(plan.name), rate, num_dead))
    return found


def _standing_progress(reader: ProgressReader, plan: Plan, kept: Kept) -> ReplayProgress:
    return ReplayProgress.done(plan) if plan.name in kept.done_at else _look(reader, plan)


def _look(reader: ProgressReader, plan: Plan) -> ReplayProgress:
    try:
        return reader.look(plan)
    except RetryableError as error:
        raise FatalError(str(error)) from error


async def _refresh(report: Report, reader: ProgressReader, plan: Plan) -> None:
    try:
        report.progress = await asyncio.to_thread(reader.look, plan)
    except RetryableError as error:
        log.warning("replay.progress_unknown", why=str(error))
