"""Pure text normalisation: what a title says, without the ways of writing it that say nothing.

The result is both the model's input and what the cache key is made from, so equal meaning means equal key. Removed:
controls, bidi controls, everything that Unicode calls default-ignorable (zero-width spaces, fillers, tags, variation
selectors: the usual hiding places), lone surrogates and noncharacters. Folded: canonical equivalents (NFC), full-width
and half-width forms, every kind and run of whitespace. Kept: case, compatibility characters such as ``½`` and ``m²``,
and the two joiners where they carry meaning: ZWJ inside emoji and after a virama, ZWNJ after a virama and between
letters of a cursive script.
"""

from __future__ import annotations

import re
import unicodedata

MAX_TITLE_CHARS = 1_000

_ZWNJ = "\u200c"
_ZWJ = "\u200d"
_JOINERS = _ZWNJ + _ZWJ
_VIRAMA_CLASS = 9
_STABLE_AFTER_PASSES = 3

_REMOVED = re.compile(
    "["
    "\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"  # controls; those that are whitespace become a space
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # soft hyphen, grapheme joiner, fillers, Mongolian
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"  # zero-width, bidi, invisible operators
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"  # fillers, variation selectors, byte-order mark, annotations
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # shorthand, music, tags
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"  # lone surrogates, noncharacters
    "]"
    "|[" + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF)) + "]"
)
_WIDE_OR_NARROW = re.compile("[\u3000\uff01-\uffee]")
_EMOJI = re.compile("[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")
_CURSIVE = re.compile("[\u0600-\u08ff\u1800-\u18af\ua840-\ua87f\ufb50-\ufdff\ufe70-\ufeff\U00010d00-\U00010d3f]")


def normalise_title(title: str, max_chars: int = MAX_TITLE_CHARS) -> str:
    """The title as the model and the cache see it: one line, at most ``max_chars`` code points. Idempotent."""
    if title.isascii():
        return " ".join(_REMOVED.sub("", title).split())[:max_chars].rstrip()
    cleaned = _clean(title)
    return cleaned if len(cleaned) <= max_chars else _clean(cleaned[:max_chars])


def _clean(text: str) -> str:
    """Repeat until nothing changes: a removed joiner can let its neighbours compose, which can orphan the next."""
    for _ in range(_STABLE_AFTER_PASSES):
        before, text = text, _one_pass(text)
        if text == before:
            return text
    return _one_pass(text.translate(dict.fromkeys(map(ord, _JOINERS))))


def _one_pass(text: str) -> str:
    folded = _WIDE_OR_NARROW.sub(lambda found: _fold_width(found.group()), text)
    visible = unicodedata.normalize("NFC", _REMOVED.sub("", folded))
    if any(joiner in visible for joiner in _JOINERS):
        visible = unicodedata.normalize("NFC", _keep_joiners_with_meaning(visible))
    return " ".join(visible.split())


def _fold_width(char: str) -> str:
    kind, _, code = unicodedata.decomposition(char).partition(" ")
    return chr(int(code, 16)) if kind in {"<wide>", "<narrow>"} else char


def _keep_joiners_with_meaning(text: str) -> str:
    kept: list[str] = []
    for index, char in enumerate(text):
        if char not in _JOINERS or _has_meaning(char, kept, _next_visible(text, index)):
            kept.append(char)
    return "".join(kept)


def _next_visible(text: str, index: int) -> str:
    return text[index + 1 :].lstrip(_JOINERS)[:1]


def _has_meaning(joiner: str, before: list[str], after: str) -> bool:
    previous = before[-1] if before else ""
    if not previous or not after:
        return False
    if unicodedata.combining(previous) == _VIRAMA_CLASS:
        return True
    shapes = _EMOJI if joiner == _ZWJ else _CURSIVE
    return bool(shapes.match(previous) and shapes.match(after))
