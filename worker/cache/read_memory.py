"""What was read lately, by content hash, bounded by pictures and by lines. Owner: the event loop."""

from __future__ import annotations

from collections import OrderedDict

from model.types import ReadText


class ReadMemory:
    """Forgets what was least lately asked for. A line costs about 500 bytes."""

    def __init__(self, max_pictures: int = 4096, max_lines: int = 40_000) -> None:
        self._max_pictures = max_pictures
        self._max_lines = max_lines
        self._num_lines = 0
        self._texts: OrderedDict[str, ReadText] = OrderedDict()

    def get(self, sha256: str) -> ReadText | None:
        """What was read in the picture with this content."""
        found = self._texts.get(sha256)
        if found is not None:
            self._texts.move_to_end(sha256)
        return found

    def keep(self, sha256: str, text: ReadText) -> None:
        """Remember it, and forget others where that is too much."""
        if (before := self._texts.pop(sha256, None)) is not None:
            self._num_lines -= len(before.lines)
        self._texts[sha256] = text
        self._num_lines += len(text.lines)
        while len(self._texts) > self._max_pictures or (self._num_lines > self._max_lines and len(self._texts) > 1):
            _, gone = self._texts.popitem(last=False)
            self._num_lines -= len(gone.lines)
