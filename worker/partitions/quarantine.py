"""Pure: which record kills the process? Found by elimination, per partition.

A native crash (a codec, a driver) takes the whole process with it, and restarting would do the same again, for ever. So
each owner of a partition leaves a `Mark` with its commits. When the next owner finds a mark that was not handed over
cleanly, a death is counted; the unfinished records that had started by the last commit, and a few more for those that
started after it, are *suspects*. A suspect still unfinished at the third death was there each time. Suspects then
run one at a time, each named in a committed mark before it starts; a death while one runs alone convicts it: the next
owner makes it a dead letter instead of running it. When all suspects are finished, the deaths are forgotten.

Kills from outside count as deaths too. They cost a stretch of listings run one by one if they come so fast that nothing
is finished between them; only a record that is alone at a fourth death is given up.
"""

from __future__ import annotations

from dataclasses import replace

from worker.offsets import MAX_DEATHS_COUNTED, Mark

MAX_DEATHS = 3
STARTED_SINCE = (
    64  # offsets beyond the last commit's that may have started before the death; if more, it takes more deaths
)


class Quarantine:
    """One partition's suspects, from where it starts (``start``) to the log's end at assignment (``end``) at most."""

    def __init__(self, found: Mark, writer: int, start: int, end: int) -> None:
        has_died = found.writer not in (0, writer)
        begun = max(start, found.until or start)
        is_known = bool(found.deaths) and begun > start
        deaths = (found.deaths if is_known else 0) + has_died
        until = begun if is_known else min(end, begun + STARTED_SINCE)
        self.convict = found.alone if has_died else None
        self.mark = Mark(writer, min(MAX_DEATHS_COUNTED, deaths), until if deaths else None)
        self._suspects: set[int] = set()

    def deliver(self, offset: int) -> None:
        """A record came that is not finished."""
        if self.mark.deaths and self.mark.until is not None and offset < self.mark.until:
            self._suspects.add(offset)

    def start(self, offset: int) -> None:
        """A record starts."""
        if not self.mark.deaths:
            self.mark = Mark(self.mark.writer, 0, offset + 1, self.mark.alone)

    def must_run_alone(self, offset: int) -> bool:
        """May nothing else be under way while this one is?"""
        return self.mark.deaths >= MAX_DEATHS and offset in self._suspects

    def run_alone(self, offset: int) -> None:
        """This one is next; say so in a commit before it starts."""
        self.mark = replace(self.mark, alone=offset)

    def finish(self, offset: int, next_offset: int) -> None:
        """A record is done; ``next_offset``: the one after the newest delivered."""
        if self.mark.alone == offset:
            self.mark = replace(self.mark, alone=None)
        self._suspects.discard(offset)
        until = self.mark.until
        if (
            self.mark.deaths
            and until is not None
            and (offset == self.convict or (not self._suspects and next_offset >= until))
        ):
            self.mark = replace(self.mark, deaths=0, until=None)
            self._suspects.clear()

    def leave(self) -> None:
        """The partition is handed over: its next owner need not count a death."""
        self.mark = replace(self.mark, writer=0, alone=None, until=self.mark.until if self.mark.deaths else None)
