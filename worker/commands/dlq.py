"""``dlq ls``, ``dlq show`` and ``dlq redrive``: work with dead letters."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from schemas.deadletter import Reason, Stage
from worker.commands.shared import is_terminal, kafka_settings_of, plain_errors
from worker.errors import FatalError, UsageError
from worker.kafka.config import client_config, producer_config
from worker.kafka.topic_reader import Range, TopicReader
from worker.replays.dead_letters import DeadLetter, Filter, to_letter
from worker.replays.redrive import Redrive, RedrivePolicy, RedriveProgress, RedriveTopics
from worker.settings import Settings

dlq_app = typer.Typer(help="Dead letters: what is there, what one says, and sending them through again.")

_Reasons = Annotated[list[Reason] | None, typer.Option("--reason", help="Only these; may be given several times.")]
_Stages = Annotated[list[Stage] | None, typer.Option("--stage", help="Only these; may be given several times.")]
_Host = Annotated[
    str | None, typer.Option(help="Only those whose message names this image host, as host or host:port.")
]
_Since = Annotated[str | None, typer.Option(help="Failed at or after: an RFC 3339 time, or -2h, -30m, -7d.")]
_Until = Annotated[str | None, typer.Option(help="Failed before: the same.")]
_Group = Annotated[str | None, typer.Option(help="Only those of this consumer group, such as a replay's.")]
_AGO = re.compile(r"-(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dlq_app.command("ls")
def list_letters(
    context: typer.Context, reason: _Reasons = None, stage: _Stages = None, host: _Host = None, since: _Since = None,
    until: _Until = None, group: _Group = None,
    rows: Annotated[bool, typer.Option("--rows", help="One row per dead letter instead of counts.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Most rows shown.")] = 100,
) -> None:  # fmt: skip
    """Count dead letters by reason, stage and image host, or list them."""
    settings = kafka_settings_of(context)
    with plain_errors():
        wanted = _filter(reason, stage, host, since, until, group)
        letters = (letter for letter in _letters(settings) if wanted.takes(letter))
        _print(list(_rows(letters, limit)) if rows else _counts(letters))


@dlq_app.command("show")
def show_letter(
    context: typer.Context, place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="As ls --rows says.")]
) -> None:
    """One dead letter whole: why, its headers and its value."""
    settings = kafka_settings_of(context)
    with plain_errors():
        partition, offset = _place(place)
        found = next(_letters(settings, {partition: Range(offset, offset + 1)}), None)
        if found is None:
            raise FatalError(f"there is no dead letter at {place} in {settings.kafka.topics.dead_letter}")
        typer.echo(json.dumps(_whole(found), indent=2 if is_terminal() else None, ensure_ascii=False))


@dlq_app.command("redrive")
def redrive_letters(
    context: typer.Context, reason: _Reasons = None, stage: _Stages = None, host: _Host = None, since: _Since = None,
    until: _Until = None, group: _Group = None,
    rate: Annotated[float, typer.Option(min=0, help="Records a second; 0: no limit.")] = 0.0,
    max_attempts: Annotated[int, typer.Option(min=1, help="Leave alone what failed so often.")] = 3,
    include_superseded: Annotated[bool, typer.Option("--include-superseded", help="Even if its key came.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Even if it was redriven before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be sent.")] = False,
) -> None:  # fmt: skip
    """Send dead letters to the input topic again, each once, also over kill and restart. Leaves them in the topic."""
    settings = kafka_settings_of(context)
    with plain_errors(), _watched() as show:
        policy = RedrivePolicy(
            _filter(reason, stage, host, since, until, group), rate, max_attempts,
            include_superseded=include_superseded, again=again, is_dry=dry_run,
        )  # fmt: skip
        kafka = settings.kafka
        topics = RedriveTopics(kafka.topics.dead_letter, kafka.topics.input, f"{kafka.group_id}-dlq-redrive")
        redrive = Redrive(client_config(kafka), producer_config(kafka), topics, policy, show)
        outcomes = redrive.run().outcomes
    _print([{"outcome": name, "records": number, "dry_run": dry_run} for name, number in outcomes.most_common()])


def _letters(settings: Settings, ranges: dict[int, Range] | None = None) -> Iterator[DeadLetter]:
    kafka = settings.kafka
    reader = TopicReader(client_config(kafka), f"{kafka.group_id}-dlq-redrive")
    try:
        topic = kafka.topics.dead_letter
        there = reader.ranges(topic)
        asked = {number: one for number, one in (ranges or there).items() if _overlaps(there.get(number), one)}
        yield from map(to_letter, reader.read(topic, asked))
    finally:
        reader.close()


def _overlaps(there: Range | None, asked: Range) -> bool:
    return there is not None and asked.first < there.end and asked.end > there.first


def _filter(
    reasons: list[Reason] | None, stages: list[Stage] | None, host: str | None, since: str | None, until: str | None,
    group: str | None,
) -> Filter:  # fmt: skip
    return Filter(frozenset(reasons or ()), frozenset(stages or ()), host, _time(since), _time(until), group)


def _time(text: str | None) -> datetime | None:
    """An RFC 3339 time or so long ago. Raises FatalError."""
    if text is None:
        return None
    try:
        if found := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[found[2]]: int(found[1])})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is no time: write 2026-01-31T12:00:00Z, or -2h for two hours ago") from None
    if moment.tzinfo is None:
        raise UsageError(f"{text!r} has no zone: write 2026-01-31T12:00:00Z")
    return moment


def _place(text: str) -> tuple[int, int]:
    partition, _, offset = text.partition(":")
    if not (text.isascii() and partition.isdigit() and offset.isdigit()):
        raise UsageError(f"{text!r} is no place: write PARTITION:OFFSET, such as 3:1042")
    return int(partition), int(offset)


def _counts(letters: Iterator[DeadLetter]) -> list[dict[str, Any]]:
    found = Counter(
        (letter.told.reason.value, letter.told.stage.value, letter.host or "") if letter.told else ("foreign", "", "")
        for letter in letters
    )
    return [
        {"reason": reason, "stage": stage, "host": host, "records": number}
        for (reason, stage, host), number in found.most_common()
    ]


def _rows(letters: Iterator[DeadLetter], limit: int) -> Iterator[dict[str, Any]]:
    for _, letter in zip(range(limit), letters, strict=False):
        told = letter.told
        yield {
            "place": f"{letter.partition}:{letter.offset}",
            "key": _text(letter.key),
            "reason": told.reason.value if told else "foreign",
            "stage": told.stage.value if told else "",
            "attempts": told.attempts if told else None,
            "failed_at": told.failed_at.isoformat() if told else None,
            "message": told.message if told else "",
        }


def _whole(letter: DeadLetter) -> dict[str, Any]:
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "key": _text(letter.key),
        "headers": {name: _text(value) for name, value in letter.headers},
        "value": _json_or_text(letter.value),
    }


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", errors="backslashreplace")


def _json_or_text(value: bytes | None) -> Any:
    try:
        return json.loads(value or b"null")
    except ValueError:
        return _text(value)


@contextmanager
def _watched() -> Iterator[Callable[[RedriveProgress], None]]:
    """A bar on a terminal; on a pipe one JSON line a thousand letters."""
    if not is_terminal():
        yield _tell
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("dead letters")

        def show(progress: RedriveProgress) -> None:
            bar.update(task, total=progress.total, completed=progress.outcomes.total())

        yield show


def _tell(progress: RedriveProgress) -> None:
    if progress.outcomes.total() % 1000 == 0:
        told = {"looked_at": progress.outcomes.total(), "total": progress.total, **progress.outcomes}
        typer.echo(json.dumps(told), err=True)


def _print(rows: list[dict[str, Any]]) -> None:
    if not is_terminal():
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False))
        return
    if not rows:
        typer.echo("no dead letters")
        return
    table = Table(*rows[0], box=None, pad_edge=False)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)
