"""Is it pictures that cannot be read, or the OCR engine that reads none? Pure.

One picture that the engine fails on says nothing of the engine. So many different ones in a row, with none read in
between, say that the engine is broken: then it is not the pictures' fault, and no listing may lose its texts by it.
"""

from __future__ import annotations

MAX_IN_A_ROW = 20


class ReadingStreak:
    """Different pictures that the engine failed on since it last read one."""

    def __init__(self, most: int = MAX_IN_A_ROW) -> None:
        self._most = most
        self._failed: set[str] = set()

    @property
    def is_broken(self) -> bool:
        """Has the engine failed on so many that it must be the engine?"""
        return len(self._failed) >= self._most

    def was_read(self) -> None:
        """The engine has read a picture."""
        self._failed.clear()

    def failed(self, sha256: str) -> None:
        """It failed on this one; again on the same one is nothing new."""
        if not self.is_broken:
            self._failed.add(sha256)
