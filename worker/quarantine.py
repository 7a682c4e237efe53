"""Pure: which record kills the process? Found by elimination, per partition.

A native crash (a codec, a driver) takes the whole process with it, and restarting would do the same again, for ever. So
each owner of a partition leaves a `Mark` with its commits. When the next owner finds a mark that was not handed over
cleanly, one more death is counted, and the first records it is given are *suspects*: whatever was under way at the
death is among them. After ``MAX_DEATHS`` deaths suspects run one at a time, each named in a committed mark before it
starts; a death while one runs alone convicts it, and the next owner makes it a dead letter instead of running it.
A death counts as over when all suspects are finished.

Kills from outside count as deaths too; the price is a stretch of listings run one by one. Only a record that was alone
at a fourth death is given up.
"""

from __future__ import annotations

from dataclasses import replace

from worker.offsets import MAX_DEATHS_COUNTED, Mark

MAX_DEATHS = 3
MAX_SUSPECTS = 512  # no fewer than the listings that are usually under way; else it takes more deaths


class Quarantine:
    """One partition's suspects. ``end``: the log's end at assignment; nothing from there on can be a suspect."""

    def __init__(self, found: Mark, writer: int, end: int) -> None:
        has_died = found.writer not in (0, writer)
        deaths = min(MAX_DEATHS_COUNTED, found.deaths + 1) if has_died else found.deaths
        self.convict = found.alone if has_died else None
        self.mark = Mark(writer, deaths)
        self._end = end
        self._suspects: set[int] = set()
        self._num_taken = 0

    def deliver(self, offset: int) -> None:
        """A record came that is not finished."""
        if self.mark.deaths and offset < self._end and self._num_taken < MAX_SUSPECTS:
            self._suspects.add(offset)
            self._num_taken += 1

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
        is_convicted = offset == self.convict
        are_all_known = self._num_taken == MAX_SUSPECTS or next_offset >= self._end
        if self.mark.deaths and (is_convicted or (not self._suspects and are_all_known)):
            self.mark = replace(self.mark, deaths=0)
            self._suspects.clear()

    def leave(self) -> None:
        """The partition is handed over: its next owner need not count a death."""
        self.mark = replace(self.mark, writer=0, alone=None)
