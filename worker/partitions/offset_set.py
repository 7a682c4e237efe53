"""Offsets of one stretch, a bit each. Noun file."""

from __future__ import annotations


class OffsetSet:
    """A set of offsets in ``[first, end)``; others are nobody's business."""

    def __init__(self, first: int, end: int) -> None:
        self.first = first
        self.end = end
        self._bits = bytearray(max(0, end - first + 7) // 8)

    def __contains__(self, offset: int) -> bool:
        byte, bit = divmod(offset - self.first, 8)
        return self.first <= offset < self.end and bool(self._bits[byte] >> bit & 1)

    def add(self, offset: int) -> None:
        """From now on it is in."""
        if self.first <= offset < self.end:
            byte, bit = divmod(offset - self.first, 8)
            self._bits[byte] |= 1 << bit

    def discard(self, offset: int) -> None:
        """From now on it is not in."""
        if offset in self:
            byte, bit = divmod(offset - self.first, 8)
            self._bits[byte] &= ~(1 << bit)
