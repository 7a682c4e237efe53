"""``replay``: a bounded stretch of the input topic once more, by a group of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

import typer

from worker.commands.replay_view import show_plan
from worker.commands.shared import plain_errors, settings_of
from worker.errors import FatalError
from worker.kafka_config import client_config, producer_config
from worker.plan_store import PlanStore
from worker.replay_plan import Plan, Request, check_only
from worker.settings import Settings

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")


def replay(
    context: typer.Context,
    name: Annotated[
        str, typer.Option("--name", "--group", help="The replay's name; processes that share it share the work.")
    ] = "",
    start: Annotated[
        str | None, typer.Option("--from", help="earliest, latest, a time, -7d, an offset, or 0:100,1:250.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="The same; default: latest, as of now.")] = None,
    partitions: Annotated[str | None, typer.Option(help="Comma-separated; default: all.")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Listings a second of this process; 0: no limit.")] = 0.0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a plan that is there; never make one.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Tag a stretch of the input topic again. Run the same command again to go on after a kill."""
    settings = settings_of(context)
    with plain_errors():
        request = Request(start, end, partitions, check_only(None), None, None)
        asked = _Asked(name or _name_of(request), request, resume, dry_run)
        plan = _find_or_make(settings, asked)
        show_plan(plan, rate)


@dataclass(frozen=True, slots=True)
class _Asked:
    name: str
    request: Request
    must_exist: bool
    is_dry: bool


def _name_of(request: Request) -> str:
    """The same words, the same replay; so that the same command goes on where it was."""
    words = repr(request.completed())
    return f"replay-{sha256(words.encode()).hexdigest()[:8]}"


def _find_or_make(settings: Settings, asked: _Asked) -> Plan:
    """The plan of this name; a new one is kept unless it is a dry run. Raises FatalError."""
    from worker.admin import Admin, parse_partitions, planned_topics
    from worker.planner import Planner

    kafka = settings.kafka
    if not _NAME.fullmatch(asked.name):
        raise FatalError(f"--name {asked.name!r}: give 1 to 100 letters, digits, dots, dashes and underscores")
    store = PlanStore(client_config(kafka), producer_config(kafka), kafka.replay_topic)
    [home] = Admin(kafka).apply(planned_topics(kafka, 1, -1)[-1:], is_dry=asked.is_dry or asked.must_exist)
    plans = store.read().plans if home["state"] != "missing" else {}
    plan = plans.get(asked.name)
    if plan is None:
        if asked.must_exist:
            raise FatalError(f"there is no replay named {asked.name!r} to go on with; known: {_list(list(plans))}")
        planner = Planner(client_config(kafka), kafka.input_topic, kafka.group_id)
        wanted = parse_partitions(asked.request.partitions or "")
        plan = planner.plan(asked.name, asked.request, wanted, datetime.now(UTC))
        plan = plan if asked.is_dry else store.keep(plan)
    if (plan.topic, plan.live_group) != (kafka.input_topic, kafka.group_id):
        raise FatalError(
            f"the name {asked.name!r} is taken by a replay of {plan.topic} for the group {plan.live_group}"
        )
    asked.request.check_same(asked.name, plan.request)
    return plan


def _list(names: list[str]) -> str:
    return ", ".join(sorted(names)) or "none"
