"""What the taxonomy file is made of, before anybody asks what its entries mean to each other: objects, lists, words.

A list that is a string would be read letter by letter, a number for a label break the events of every listing that
has the value, and of an entry that stands there twice the first would be gone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.errors import ModelError

_NEEDED = ("attributes", "categories", "labels", "synonyms", "ignored", "not_applicable", "hex", "scenes")
_TAKEN = ("category", "scene", "association")  # of events: they have these beside the attributes


class TaxonomyError(ModelError):
    """The taxonomy file contradicts itself. The message names the entry."""


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the file, for `json.loads`. Raises TaxonomyError for an entry that stands there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise TaxonomyError(f"entry {twice!r} stands there twice in one object; put both together")
    return found


def is_words(found: Sequence[Any]) -> bool:
    """Does a list hold nothing but strings?"""
    return set(map(type, found)) <= {str}


def check_shape(found: Any) -> None:
    """Raises TaxonomyError."""
    if not isinstance(found, dict):
        raise TaxonomyError("taxonomy.json holds no object; compare with the shipped file")
    if lacking := [name for name in _NEEDED if name not in found]:
        raise TaxonomyError(f"taxonomy.json lacks the entry {lacking[0]!r}; compare with the shipped file")
    _check_words("attributes", found["attributes"])
    if taken := [name for name in found["attributes"] if name in _TAKEN]:
        raise TaxonomyError(f"attributes names {taken[0]!r}, which every event has beside them; take it out")
    _check_words("scenes", found["scenes"])
    for entry in ("ignored", "not_applicable"):
        for name, words in _object(entry, found[entry]).items():
            _check_list(f"{entry}.{name}", words)
    _check_categories(_object("categories", found["categories"]))
    _check_synonyms(_object("synonyms", found["synonyms"]))
    _check_labels(_object("labels", found["labels"]), (*found["attributes"], *_TAKEN[:2]))
    for color, look in _object("hex", found["hex"]).items():
        if not isinstance(look, str):
            raise TaxonomyError(f"hex.{color} is {_shown(look)}; write #rrggbb with lower-case digits")


def _check_categories(categories: Mapping[str, Any]) -> None:
    for path, types in categories.items():
        if not all(part and part == part.strip() and ">" not in part for part in path.split(" > ")):
            raise TaxonomyError(f"categories names {path!r}; a path is written 'Furniture > Chairs'")
        _check_words(f"categories.{path}", types)


def _check_synonyms(synonyms: Mapping[str, Any]) -> None:
    for name, values in synonyms.items():
        for value, words in _object(f"synonyms.{name}", values).items():
            if not value.strip():
                raise TaxonomyError(f"synonyms.{name} has a value without a name; give it one")
            _check_list(f"synonyms.{name}.{value}", words)


def _check_labels(labels: Mapping[str, Any], names: Sequence[str]) -> None:
    for name, own in labels.items():
        if name not in names:
            raise TaxonomyError(f"labels names {name!r}, which is not in attributes; add it there")
        for value, label in _object(f"labels.{name}", own).items():
            if not isinstance(label, str) or not label.strip():
                raise TaxonomyError(
                    f"labels.{name}.{value} is {_shown(label)}; write a name for people, or leave it out"
                )


def _object(where: str, found: Any) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise TaxonomyError(f"{where} is {_shown(found)}; write an object, as the shipped file does")
    return found


def _check_words(where: str, words: Any) -> None:
    _check_list(where, words)
    if twice := [word for place, word in enumerate(words) if word in words[:place]]:
        raise TaxonomyError(f"{where} names {twice[0]!r} twice; keep one")
    if not all(word.strip() for word in words):
        raise TaxonomyError(f"{where} holds an empty name; take it out")


def _check_list(where: str, words: Any) -> None:
    if not isinstance(words, list) or not is_words(words):
        raise TaxonomyError(f"{where} is {_shown(words)}; write a list of words")


def _shown(found: Any) -> str:
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:60]}…"
