"""How far a long fit has come, for whoever shows it."""

from __future__ import annotations

from typing import Protocol


class ShowProgress(Protocol):
    """Shows progress: a bar on a terminal, lines on a pipe."""

    def __call__(self, done: int, total: int, doing: str) -> None:
        """``done`` of ``total`` steps are behind us; ``doing`` names the present one."""
        ...


def silent(done: int, total: int, doing: str) -> None:
    """Shows nothing."""


class Meter:
    """Counts the steps of a run whose length is known beforehand."""

    def __init__(self, total: int, show: ShowProgress) -> None:
        self._total = total
        self._show = show
        self._done = 0
        self._doing = ""

    def begin(self, doing: str) -> None:
        """What the next steps are for."""
        self._doing = doing
        self._show(self._done, self._total, doing)

    def step(self, count: int = 1) -> None:
        """That many steps more are done."""
        self._done += count
        self._show(self._done, self._total, self._doing)

    def reach(self, count: int) -> None:
        """The first ``count`` steps are done or need not be made."""
        self._done = max(self._done, count)

    def shorten(self, count: int) -> None:
        """That many steps need not be made."""
        self._total -= count
