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
        while (earlier := self._earlier()) is not None:
            await earlier._left.wait()
            if earlier._is_given_up:
                raise TurnLostError

    def leave(self) -> None:
        """This record needs nothing more. One that leaves before its turn, as one that is passed over does, lets nobody
        overtake: the next record of the key then waits for those before this one.
        """
        self._left.set()
        self._order.replace(self._key, self, self._earlier())

    def give_up(self) -> None:
        """This record will not be published here, nor may later ones of its key."""
        self._is_given_up = True
        self._left.set()

    def _earlier(self) -> Turn | None:
        """The last one before this that has not left, or was given up. Those that have left are let go of: else each
        record would keep its whole history alive.
        """
        while (after := self._after) is not None and after._left.is_set() and not after._is_given_up:
            self._after = after._after
        return self._after


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

    def replace(self, key: Hashable, turn: Turn, earlier: Turn | None) -> None:
        """``turn`` left; if it was the last of its key, ``earlier`` is now. Without one the queue is dropped."""
        if self._last.get(key) is not turn:
            return
        if earlier is None:
            del self._last[key]
        else:
            self._last[key] = earlier
