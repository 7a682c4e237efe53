"""How far a fit has come: a bar on a terminal, plain lines on a pipe; both on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from model.training import progress

Shown = tuple[Callable[[str], None], progress.ShowProgress]  # where lines go, and steps


@contextmanager
def shown_progress() -> Iterator[Shown]:
    """Where to send lines and progress."""
    if not sys.stderr.isatty():
        yield _say, PlainLines(_say)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(done: int, total: int, doing: str) -> None:
            bar.update(task, completed=done, total=total, description=doing)

        yield bar.console.print, show


class PlainLines:
    """A line for every twentieth of the way, and whenever something else begins."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = (-1, "")

    def __call__(self, done: int, total: int, doing: str) -> None:
        """See `model.training.progress.ShowProgress`."""
        now = (20 * done // max(1, total), doing)
        if now != self._last:
            self._last = now
            self._say(f"{done} of {total} passes: {doing}")


def _say(line: str) -> None:
    typer.echo(line, err=True)
