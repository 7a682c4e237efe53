"""Text as words are looked for in it: entities read, accents joined to their letters, wide letters made plain, letters
that sellers write in several ways written in one, every run of white space one space. Each place in it knows where it
stands in the text as given.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html.entities import html5

# Letters that are left out, or written without their accents, in capitals and in haste: Russian yo, Turkish i with and
# without a dot, Greek accents and the last sigma, Arabic alef, ya, ta and their Persian forms, apostrophes
# of Hebrew and Ukrainian.
_ONE_WAY = dict(zip("ёЁıİάέήίόύώϊϋΐΰςΆΈΉΊΌΎΏΪΫأإآٱىةیک׳ʼ״", "еЕiIαεηιουωιυιυσΑΕΗΙΟΥΩΙΥاااايهيك''\"", strict=True))
_TABLE = str.maketrans(_ONE_WAY)
_NON_JOINER = "\u200c"  # within Persian words, where others write a space
_POINTS = "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u065f\u0670"  # Hebrew, Arabic: vowels, length
# Soft hyphen, joiners, byte order mark, and what says from which side text is read, copied with Hebrew and Arabic.
_MARKS = "\xad\u200d-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"
# What folding may change, besides letters in another form. White space that holds the end of a line stays one.
_ODD = re.compile(rf"&|\s\s|[^\S \n]|[{_MARKS}\u2010\u2011{_NON_JOINER}{_POINTS}{''.join(_ONE_WAY)}]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_LOOSE = "\u0300-\u036f\u0653-\u0655\u1100-\u11ff\u3099\u309a"  # accents and parts of letters, not joined yet
_CHANGED = re.compile(f"[’{_NON_JOINER}{_MARKS}{_POINTS}{''.join(_ONE_WAY)}{_LOOSE}]")
_UNSEEN = re.compile(f"[{_MARKS}{_POINTS}]")
_OF_WORDS = _ONE_WAY | {_NON_JOINER: " ", "’": "'"} | dict.fromkeys(filter(_UNSEEN.match, map(chr, range(0x10000))), "")
_LINE_ENDS = frozenset("\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
_OTHER_FORMS = ("<wide>", "<narrow>", "<font>", "<square>", "<initial>", "<medial>", "<final>", "<isolated>")
_LIGATURES = range(0xFB00, 0xFB07)  # ff to st


@dataclass(frozen=True, slots=True)
class Folded:
    """``text`` and, by place in it, where that begins and ends in the text as given; None: at the same place."""

    text: str
    _starts: Sequence[int] | None = None
    _ends: Sequence[int] | None = None

    def first(self, num_letters: int) -> Folded:
        """Its beginning: one letter as given, such as ``ﷺ``, may be 18."""
        return self if len(self.text) <= num_letters else replace(self, text=self.text[:num_letters])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where ``text[start:end]``, which is not empty, stands in the text as given: code points."""
        if self._starts is None or self._ends is None:
            return start, end
        return self._starts[start], self._ends[end - 1]


def plain(word: str) -> str:
    """A word or phrase that texts are searched for, written as `fold` writes theirs, with one apostrophe."""
    if word.isascii():
        return word
    if not unicodedata.is_normalized("NFKC", word):
        word = "".join(map(_usual, word))
    if _CHANGED.search(word) is None:
        return word
    return _CHANGED.sub(lambda letter: _OF_WORDS.get(letter[0], ""), unicodedata.normalize("NFC", word))


def fold(text: str) -> Folded:
    """The time is linear in the text; most texts are left as they are at once."""
    if _ODD.search(text) is None and (text.isascii() or unicodedata.is_normalized("NFKC", text)):
        return Folded(text)
    letters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for letter, start, end in _letters(text):
        last = letters[-1] if letters else ""
        if last in (" ", "\n") and letter in (" ", "\n"):
            letters[-1], ends[-1] = min(last, letter), end  # "\n" sorts first
        elif _joins(letter) and last and len(joined := unicodedata.normalize("NFC", last + letter)) == 1:
            letters[-1], ends[-1] = joined.translate(_TABLE), end
        else:
            letters.append(letter)
            starts.append(start)
            ends.append(end)
    return Folded("".join(letters), starts, ends)


def _joins(letter: str) -> bool:
    """May it become one with the letter before? Accents, and the second and third parts of Korean syllables."""
    return unicodedata.combining(letter) > 0 or "\u1160" <= letter <= "\u11ff"


def _letters(text: str) -> Iterator[tuple[str, int, int]]:
    """Single code points, plain, each with where it came from; several may come from one place."""
    at = 0
    for match in _ENTITY.finditer(text):
        said = match[0]
        if not (said.startswith("&#") or said[1:] in html5):
            continue  # what only looks like one
        yield from ((letter, place, place + 1) for place in range(at, match.start()) for letter in _plain(text[place]))
        at = match.end()
        yield from ((letter, *match.span()) for one in html.unescape(said) for letter in _plain(one))
    yield from ((letter, place, place + 1) for place in range(at, len(text)) for letter in _plain(text[place]))


def _plain(letter: str) -> str:
    """Signs that mean something of their own, such as ½, ² and ″, stay."""
    if letter.isascii():
        return ("\n" if letter in _LINE_ENDS else " ") if letter.isspace() else letter
    if _UNSEEN.match(letter):
        return ""
    if letter in _ONE_WAY:
        return _ONE_WAY[letter]
    if letter == _NON_JOINER:
        return " "
    if letter.isspace():
        return "\n" if letter in _LINE_ENDS else " "
    if letter in "\u2010\u2011":
        return "-"
    return _usual(letter).translate(_TABLE)


def _usual(letter: str) -> str:
    """Wide letters and ligatures made plain."""
    is_form = ord(letter) in _LIGATURES or unicodedata.decomposition(letter).startswith(_OTHER_FORMS)
    return unicodedata.normalize("NFKC" if is_form else "NFC", letter)
