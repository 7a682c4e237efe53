"""Is it pictures that cannot be read, or the OCR engine that reads none? Pure.

One picture that the engine fails on says nothing of the engine. So many different ones in a row, with none read in
between, say that the engine is broken: then it is not the pictures' fault, and no listing may lose its texts by it.
Only those of the last hour count. Where most pictures are known already the engine reads few, and rare ones that cannot
be read would add up over days.
"""

from __future__ import annotations

MAX_IN_A_ROW = 20
COUNTED_SECONDS = 3600.0


class ReadingStreak:
    """Different pictures that the engine failed on since it last read one. ``now`` is in seconds, on any clock."""

    def __init__(self) -> None:
        self._failed: dict[str, float] = {}  # when, by content hash

    @property
    def is_broken(self) -> bool:
        """Has the engine failed on so many that it must be the engine? However long ago, until it reads one."""
        return len(self._failed) >= MAX_IN_A_ROW

    def was_read(self) -> None:
        """The engine has read a picture."""
        self._failed.clear()

    def failed(self, sha256: str, now: float) -> None:
        """It failed on this one; again on the same one is nothing new."""
        if self.is_broken:
            return
        self._failed = {one: when for one, when in self._failed.items() if now - when < COUNTED_SECONDS}
        self._failed[sha256] = now
