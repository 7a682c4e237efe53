"""Words within longer ones: as German builds them, and in scripts that put nothing between words."""

from __future__ import annotations

from model.taxonomy import Wording
from model.wording.tokens import has_run, with_runs

HEAD = 3  # letters by which words that may be compounds are sorted out quickly
MAX_COMPOUND = 64  # letters: hardly a word in use has more, and looking into one takes the square of its length
_MIN_REST = 3  # letters that a longer word has beside the one in it


class Joined:
    """One attribute's words that hold a Chinese, Japanese, Korean or Thai character."""

    def __init__(self, wording: Wording) -> None:
        self._words: dict[str, str | None] = dict.fromkeys(with_runs(wording.ignored))
        self._words |= {word: wording.values[word] for word in with_runs(wording.values)}
        self._parts = {part: wording.parts[part] for part in with_runs(wording.parts)}
        modifiers = [one for one in wording.modifiers if has_run(one)]
        self._suffixes = tuple(one for one in wording.suffixes if has_run(one))
        self._shaded = {modifier + part: value for modifier in modifiers for part, value in self._parts.items()}
        every = sorted((*self._words, *self._shaded), key=len)  # of those that begin alike, the longest last
        self._longest = {word[:2]: len(word) for word in every}  # by two letters, as many words begin with one
        self._starts = frozenset(word[0] for word in (*self._longest, *self._parts))

    def at(self, text: str, start: int) -> tuple[str | None, int]:
        """The longest word at ``start``: its value, None for an ignored one, and its length; 0 where there is none."""
        if text[start] not in self._starts:
            return None, 0
        longest = self._longest.get(text[start : start + 2], 1)
        for length in range(longest, 0, -1):
            piece = text[start : start + length]
            if piece in self._words:
                return self._words[piece], len(piece)
            if piece in self._shaded:
                return self._shaded[piece], len(piece) + self._suffix_at(text, start + len(piece))
        value = self._parts.get(text[start])
        if value is None:
            return None, 0
        after = self._suffix_at(text, start + 1)
        is_one = text[start + 1 : start + 2] in self._parts or self._is_paired(text, start) or _is_alone(text, start)
        return (value, 1 + after) if after or is_one else (None, 0)

    def _is_paired(self, text: str, start: int) -> bool:
        """``黑白``: the second of two parts."""
        return start > 0 and text[start - 1] in self._parts

    def _suffix_at(self, text: str, start: int) -> int:
        return next((len(one) for one in self._suffixes if text.startswith(one, start)), 0)


def _is_alone(text: str, start: int) -> bool:
    """``皮帶 黑``: a letter between blanks is a word."""
    return not (text[start - 1 : start].isalnum() or text[start + 1 : start + 2].isalnum())


class Compounds:
    """One attribute's words within longer ones, as German builds them."""

    def __init__(self, wording: Wording, after: frozenset[str]) -> None:
        self._words = {**wording.parts, **wording.values}
        self._beginnings = wording.beginnings
        self._ends: dict[str, str | None] = {**wording.ends, **dict.fromkeys(wording.exceptions)}
        self._modifiers = frozenset(one for one in wording.modifiers if not has_run(one))
        self._suffixes = tuple(one for one in wording.suffixes if not has_run(one))
        self._after = tuple(sorted(after))
        self.heads = frozenset(one[:HEAD] for one in (*self._beginnings, *self._modifiers))
        self.tails = frozenset(one[-HEAD:] for one in (*self._ends, *self._suffixes))

    def value(self, word: str) -> str | None:
        """The value that a part of ``word`` states. Longer ones than `MAX_COMPOUND` are not looked into."""
        if len(word) > MAX_COMPOUND:
            return None
        return self._shade(word) or self._colored(word) or self._beginning(word) or self._end(word)

    def _shade(self, word: str) -> str | None:
        """``dunkelblau``: a modifier, then a word of the attribute."""
        for length in range(2, len(word) - 1):
            if word[:length] in self._modifiers and (value := self._words.get(word[length:])) is not None:
                return value
        return None

    def _colored(self, word: str) -> str | None:
        """``goldfarben``: a word of the attribute, then a suffix."""
        heads = (word.removesuffix(suffix) for suffix in self._suffixes if word.endswith(suffix))
        return next((value for head in heads if (value := self._words.get(head)) is not None), None)

    def _beginning(self, word: str) -> str | None:
        """``lederstiefel``; but ``lederoptik`` and ``lederpflege`` are something else."""
        for length in range(len(word) - _MIN_REST, HEAD - 1, -1):
            value = self._beginnings.get(word[:length])
            if value is not None:
                return None if word[length:].startswith(self._after) else value
        return None

    def _end(self, word: str) -> str | None:
        """``kiefernholz``; the longest end decides, and ``handschuhe`` are no shoes."""
        for length in range(len(word) - HEAD + 1):
            value = self._ends.get(word[length:], "")
            if value is None or (value and length >= _MIN_REST):
                return value
        return None
