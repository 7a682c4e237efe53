"""Words by language: ``words/sv.json`` beside the taxonomy file adds Swedish ones.

A speaker of one language owns one file. It has the taxonomy's own entries (``synonyms``, ``ignored``, ``compounds``,
``context``), and under ``languages`` the language's ``markers`` and, by attribute, words that count ``only`` in it.
Taking the file away takes its words away, and nothing else.
"""

from __future__ import annotations

import json
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from model.taxonomy_phrases import check_phrases
from model.taxonomy_shape import TaxonomyError, is_words, once
from model.wording.folding import plain

FOLDER = "words"
_SEARCHED = ("synonyms", "ignored", "looks", "compounds", "context", "silenced_by", "needs_company", "languages")
_ADDED = ("synonyms", "ignored", "compounds", "context", "languages")


def read_words(taxonomy: Path) -> dict[str, bytes]:
    """The files beside a taxonomy file, by language, in order; none where there is no such folder."""
    files = (taxonomy.parent / FOLDER).glob("[!.]*.json")  # not what editors hide there
    return {path.stem: path.read_bytes() for path in sorted(files)}


def with_words(found: Any, words: Mapping[str, bytes]) -> Any:
    """The taxonomy file's object with the words of all languages. It is not checked yet, so it may be anything; each
    language's words are. Raises TaxonomyError for a language's file that cannot be added.
    """
    if not words or not isinstance(found, dict):
        return found
    parts = {language: _entries(language, text) for language, text in words.items()}
    for language, own in parts.items():
        _check_values(own, found, f"{FOLDER}/{language}.json")
    return _together([found, *parts.values()])


def named_with_files(error: TaxonomyError, found: Any, words: Mapping[str, bytes], check: Callable[[Any], Any]) -> str:
    """What ``check`` says of the taxonomy file's object with the words of all languages, and in which files: that of
    the first language with which it says so, and that of an earlier one without which it would not.
    """

    def fails(languages: Iterable[str]) -> bool:
        try:
            check(with_words(found, {language: words[language] for language in languages}))
        except TaxonomyError:
            return True
        return False

    named = list(words)
    last = next((place for place in range(len(named)) if fails(named[: place + 1])), None)
    if last is None or fails(()):
        return str(error)
    alone = [named[last]]
    other = [] if fails(alone) else next(([one] for one in named[:last] if fails([one, *alone])), [])
    return f"{' and '.join(f'{FOLDER}/{language}.json' for language in other + alone)}: {error}"


def in_plain_words(found: Any) -> Any:
    """The taxonomy file's object, whatever it is, with words written as titles are when they are searched."""
    if not isinstance(found, dict):
        return found
    return {name: _plain(one) if name in _SEARCHED else one for name, one in found.items()}


def _entries(language: str, text: bytes) -> dict[str, Any]:
    """One file's, where the taxonomy file has them."""
    where = f"{FOLDER}/{language}.json"
    try:
        own = in_plain_words(json.loads(text, object_pairs_hook=once))
    except UnicodeDecodeError as error:
        raise TaxonomyError(f"{where} is not in UTF-8: {error}; save it as UTF-8") from error
    except (RecursionError, ValueError) as error:
        raise TaxonomyError(f"{where} is no JSON that can be read: {error}") from error
    if not isinstance(own, dict) or not own:
        raise TaxonomyError(f"{where} holds no object; compare with another language's file")
    if unknown := sorted(set(own) - set(_ADDED)):
        raise TaxonomyError(f"{where}: unknown entry {unknown[0]!r}; it takes {', '.join(_ADDED)}")
    spoken = own.get("languages", {})
    if (
        not isinstance(spoken, dict)
        or set(spoken) - {"markers", "only"}
        or not isinstance(spoken.get("only", {}), dict)
    ):
        raise TaxonomyError(f"{where}: languages takes 'markers', a list, and 'only', lists by attribute")
    only = {name: {language: listed} for name, listed in spoken.get("only", {}).items()}
    own = {**own, "languages": {"markers": {language: spoken.get("markers", [])}, "only": only}}
    try:
        check_phrases(own, f"{where}: ")
    except (AttributeError, TypeError) as error:
        raise TaxonomyError(f"{where}: {error}; compare with another language's file") from error
    return own


def _check_values(own: Mapping[str, Any], found: Mapping[str, Any], where: str) -> None:
    """A misspelt value would go out with events: a language has words for values that are there, and none of its own.
    Product types are checked by their places.
    """
    for name, values in own.get("synonyms", {}).items():
        if name == "product_type" or name not in found["attributes"]:
            continue
        prompted = found.get("prompts", {}).get(name, {}).get("values", ())
        for value in values:
            if value not in found["synonyms"].get(name, {}) and value not in prompted:
                raise TaxonomyError(
                    f"{where}: synonyms.{name} names {value!r}, which is no value in taxonomy.json; correct it, or add "
                    "it there"
                )


def _together(parts: Sequence[Any]) -> Any:
    """Objects entry by entry, lists one behind the other. Of things of several kinds the last, for the check."""
    if len(parts) == 1 or not all(type(one) is type(parts[0]) for one in parts):
        return parts[-1]
    if isinstance(parts[0], dict):
        return {name: _together([one[name] for one in parts if name in one]) for name in dict(ChainMap(*parts[::-1]))}
    return list(chain.from_iterable(parts)) if isinstance(parts[0], list) else parts[-1]


def _plain(found: Any) -> Any:
    """An entry, whatever it holds, with all words in its lists made plain."""
    if isinstance(found, dict):
        return {name: one if name == "types" else _plain(one) for name, one in found.items()}
    if not isinstance(found, list) or not is_words(found):
        return found
    together = "\n".join(found)
    if together.count("\n") >= max(len(found), 1) or (made := plain(together)) is together:
        return found  # nothing to change, or a word with a line's end in it, which is refused later
    return list(dict.fromkeys(made.split("\n")))
