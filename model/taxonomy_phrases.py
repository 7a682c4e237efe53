"""Whether words and phrases of the taxonomy stand there as texts are searched for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from model.taxonomy_shape import TaxonomyError, is_words
from model.wording.tokens import SIGNS, WORD

_PHRASE = re.compile(rf"{WORD}(?:(?: ?& ?|[ '’-]){WORD})*")  # what the search takes for one phrase
_BETWEEN = (" & ", "&", "-", "'", "’", "\n")  # words; the longest first
_SIGNS = re.compile(f"[{SIGNS}]")


def check_phrases(found: Mapping[str, Any], where: str = "") -> None:
    """Of the taxonomy file or a language's, the entries whose words texts are searched for. ``where``: told before an
    entry's name. Raises TaxonomyError, or what Python raises for entries of another form.
    """
    lists = list(_lists(found))
    are_words = all(isinstance(words, list) and is_words(words) for _, words in lists)
    every = list(chain.from_iterable(words for _, words in lists)) if are_words else []
    if are_words and _are_sound("\n".join(every), len(every)):
        return  # as nearly always: a hundred thousand words, one by one, take a quarter of a second
    for entry, words in lists:
        _check_words(f"{where}{entry}", words)


def _are_sound(together: str, num_words: int) -> bool:
    """Are there no capitals, no signs but those between words, and no two of those side by side? One phrase a line."""
    if together.count("\n") != max(num_words - 1, 0):
        return False
    spaced = f"\n{together}\n"
    for sign in _BETWEEN:
        spaced = spaced.replace(sign, " ")
    if "  " in spaced or together != together.lower():
        return False
    letters = spaced.replace(" ", "")
    return letters.isalnum() or _SIGNS.sub("", letters).isalnum()


def _lists(found: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every list of words that texts are searched for, with its place in the file."""
    for name, values in found.get("synonyms", {}).items():
        yield from ((f"synonyms.{name}.{value}", words) for value, words in values.items())
    for entry in ("ignored", "looks"):
        yield from ((f"{entry}.{name}", words) for name, words in found.get(entry, {}).items())
    context = found.get("context", {})
    for entry in ("links", "qualifiers", "alternatives", "harmless"):
        yield f"context.{entry}", context.get(entry, [])
    for name, rules in context.get("heads", {}).items():
        yield from ((f"context.heads.{name}.{kind}", words) for kind, words in rules.items())
    for entry in ("before", "after"):
        yield from ((f"context.{entry}.{name}", words) for name, words in context.get(entry, {}).items())
    yield from _scope_lists(found)
    for name, compounds in found.get("compounds", {}).items():
        for kind, words in compounds.items():
            for value, own in words.items() if isinstance(words, dict) else [("", words)]:
                yield f"compounds.{name}.{kind}" + (f".{value}" if value else ""), own


def _scope_lists(found: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Those that say where words count."""
    for entry, kinds in (("silenced_by", ("words", "unless", "always")), ("needs_company", ("words", "company"))):
        for name, own in found.get(entry, {}).items():
            yield from ((f"{entry}.{name}.{kind}", own.get(kind, [])) for kind in kinds)
    for language, words in found.get("languages", {}).get("markers", {}).items():
        yield f"languages.markers.{language}", words
    for name, own in found.get("languages", {}).get("only", {}).items():
        yield from ((f"languages.only.{name}.{language}", words) for language, words in own.items())


def _check_words(where: str, words: Any) -> None:
    if not isinstance(words, list):
        raise TaxonomyError(f"{where} is {words!r}; write a list of words")
    for word in words:
        if not isinstance(word, str):
            raise TaxonomyError(f"{where} holds {word!r}; write words in quotes")
        if word != word.lower():
            raise TaxonomyError(f"{where}: {word!r} must be in lower case")
        if not re.search(r"[^\W_]", word) or word != word.strip():
            raise TaxonomyError(f"{where}: {word!r} holds no word, or spaces around it; write the word alone")
        if not _PHRASE.fullmatch(word):
            raise TaxonomyError(
                f"{where}: {word!r} would never be found; between its words may stand one space, hyphen, apostrophe "
                "or &, and nothing else"
            )
