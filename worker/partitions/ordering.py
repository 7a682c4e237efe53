"""Per key, results leave in the order in which records came in.

Listings of one key are fetched, decoded and predicted side by side; only the last step waits for its turn.
Owner: the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable


class TurnLostError(Exception):
    """An earlier record of the key was given up, so this one must be given up too."""


class Turn:
    """One record's place in its key's queue.

    A record that is given up (its partition was revoked) takes every later record of its key with it: else the later
    one would be published here, and the earlier one after it, by the partition's next owner.
    """

    __slots__ = ("_after", "_is_given_up", "_key", "_left", "_order", "is_wanted")

    def __init__(self, order: KeyOrder, key: Hashable, after: Turn | None) -> None:
        self._order = order
        self._key = key
        self._after = after
        self._left = asyncio.Event()
        self._is_given_up = False
        self.is_wanted = False  # a later record of the key has its result and waits for this one

    def want_earlier(self) -> None:
        """Say of every earlier record of the key that it must be finished, or this one's result is lost."""
        turn = self._after
        while turn is not None and not turn.is_wanted:
            turn.is_wanted = True
            turn = turn._after

    async def wait(self) -> None:
        """Return when every earlier record of the key has left. Raises TurnLostError if one was given up."""
        if self._after is None:
            return
        await self._after._left.wait()
        if self._after._is_given_up:
            raise TurnLostError
        self._after = None  # else each record would keep its whole history alive

    def leave(self) -> None:
        """Let the next record of the key go."""
        self._left.set()
        self._order.forget(self._key, self)

    def give_up(self) -> None:
        """This record will not be published here, nor may later ones of its key."""
        self._is_given_up = True
        self._left.set()


class KeyOrder:
    """Hands out turns, one queue per key of one partition."""

    def __init__(self) -> None:
        self._last: dict[Hashable, Turn] = {}

    def __len__(self) -> int:
        return len(self._last)

    def enter(self, key: Hashable) -> Turn:
        """A turn after every record of ``key`` that entered before and has not left."""
        turn = Turn(self, key, self._last.get(key))
        self._last[key] = turn
        return turn

    def forget(self, key: Hashable, turn: Turn) -> None:
        """Drop the key's queue when its last record left."""
        if self._last.get(key) is turn:
            del self._last[key]
