"""What stands on a card: pieces of text in lines, and the prices that they state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Strike = Literal["level", "rising", "falling"]


@dataclass(frozen=True, slots=True)
class Piece:
    """Text in one size. ``scale``: of the line's size; raised pieces hang from the top of the digits."""

    text: str
    scale: float = 1.0
    is_raised: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One line, from left to right; ``strike``: the line drawn through it."""

    pieces: tuple[Piece, ...]
    strike: Strike | None = None
    scale: float = 1.0

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "".join(piece.text for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Truth:
    """A price that the card states. ``currency`` None: the sign, if there is one, leaves it open."""

    amount: str
    currency: str | None
    sign: str
    kind: Literal["regular", "sale", "unit"] = "regular"
    per: str | None = None
    is_struck: bool = False


@dataclass(frozen=True, slots=True)
class Wording:
    """What one card says. ``rows``: lines from top to bottom, those of one row side by side."""

    notation: str
    rows: tuple[tuple[Words, ...], ...]
    truths: tuple[Truth, ...] = ()

    @property
    def characters(self) -> frozenset[str]:
        """Every character that a font must have."""
        return frozenset("".join(words.text for row in self.rows for words in row))


def plain(text: str, scale: float = 1.0, strike: Strike | None = None) -> Words:
    """A line in one size."""
    return Words((Piece(text),), strike, scale)
