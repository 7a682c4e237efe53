"""What the taxonomy must fulfil as a whole. Each message names the entry, says what is wrong with it and what to do."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

from model.taxonomy_shape import TaxonomyError as TaxonomyError  # part of this file's face
from model.taxonomy_shape import check_shape
from model.wording.tokens import has_run

EVERY = "*"  # in ``context``: words that count for every attribute
_OPTIONAL = ("context", "looks", "compounds", "silenced_by", "needs_company", "languages", "prompts")
_NEEDED = ("version", "attributes", "not_applicable", "labels", "hex", "synonyms", "ignored", "scenes", "categories")
_ENTRIES = frozenset((*_NEEDED, *_OPTIONAL))
_COMPOUNDS = {  # by value?
    "beginnings": True, "ends": True, "parts": True, "modifiers": False, "suffixes": False, "exceptions": False,
}  # fmt: skip
_SILENCE = ("words", "unless", "always")
_COMPANY = ("words", "types", "company")
_LANGUAGES = ("assumed", "markers", "only")
_CONTEXT = ("links", "qualifiers", "alternatives", "before", "after", "harmless", "heads")
HEADS = ("for", "whom", "of", "to", "kinds", "quantities")  # in ``context.heads``
_MIN_PART = 3  # letters; shorter ones would be found in nearly any word
_HEX = re.compile(r"#[0-9a-f]{6}")
_JOINS = re.compile(" ?& ?|['’-]")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def check(found: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By attribute, the value of each word. Raises TaxonomyError, or what Python raises for a file of another form."""
    unknown = sorted(set(found) - _ENTRIES) if isinstance(found, dict) else []
    if unknown:
        raise TaxonomyError(f"unknown entry {unknown[0]!r}; the entries are {', '.join(sorted(_ENTRIES))}")
    check_shape(found)
    _check_categories(found["categories"])
    _check_attributes(found)
    _check_not_applicable(found["not_applicable"], found["categories"])
    stated = _check_synonyms(found["synonyms"], found["categories"])
    _check_ignored(found["ignored"], stated)
    _check_hex(found["hex"], found["synonyms"])
    _check_context(found.get("context", {}))
    for name, words in found.get("looks", {}).items():
        for word in words:
            if word not in stated[name]:
                raise TaxonomyError(f"looks.{name} names {word!r}, which states no value; add it to synonyms.{name}")
    for name, compounds in found.get("compounds", {}).items():
        _check_compounds(name, compounds, found["synonyms"][name])
    for name, silence in found.get("silenced_by", {}).items():
        _check_kinds(f"silenced_by.{name}", silence, _SILENCE)
    for name, company in found.get("needs_company", {}).items():
        _check_company(name, company, found, stated[name])
    _check_languages(found.get("languages", {}), stated)
    return stated


def _check_categories(categories: Mapping[str, list[str]]) -> None:
    category_of: dict[str, str] = {}
    for path, types in categories.items():
        for name in types:
            if name in category_of:
                raise TaxonomyError(f"product type {name!r} stands under {category_of[name]!r} and {path!r}; keep one")
            category_of[name] = path


def _check_attributes(found: Mapping[str, Any]) -> None:
    """Whatever speaks of an attribute speaks of a declared one; how words are read, of one that has words."""
    declared, worded = set(found["attributes"]), set(found["synonyms"])
    context = found.get("context", {})
    for entry in ("not_applicable", "synonyms", "ignored"):
        for name in found[entry]:
            if name not in declared:
                raise TaxonomyError(f"{entry} names {name!r}, which is not in attributes; add it there")
    spoken = {
        "looks": found.get("looks", {}),
        "compounds": found.get("compounds", {}),
        "context.before": context.get("before", {}),
        "context.after": context.get("after", {}),
        "silenced_by": found.get("silenced_by", {}),
        "needs_company": found.get("needs_company", {}),
        "languages.only": found.get("languages", {}).get("only", {}),
        "context.heads": context.get("heads", {}),
    }
    for entry, names in spoken.items():
        for name in set(names) - {EVERY}:
            if name not in worded:
                raise TaxonomyError(f"{entry} names {name!r}, which has no synonyms; add them or take it out")


def _check_not_applicable(rules: Mapping[str, list[str]], categories: Iterable[str]) -> None:
    for attribute, paths in rules.items():
        for path in paths:
            if not any(one == path or one.startswith(f"{path} >") for one in categories):
                raise TaxonomyError(
                    f"not_applicable.{attribute} names the category {path!r}, which has no product type; "
                    "name one of categories or what stands before its ' > '"
                )


def _check_synonyms(
    synonyms: Mapping[str, Mapping[str, list[str]]], categories: Mapping[str, list[str]]
) -> dict[str, dict[str, str]]:
    """A word states one value of its attribute; a product type has its place. By attribute, the value of each word."""
    placed = {name for types in categories.values() for name in types}
    found: dict[str, dict[str, str]] = {}
    for attribute, values in synonyms.items():
        stated: dict[str, str] = {}
        for value, words in values.items():
            if attribute == "product_type" and value not in placed:
                raise TaxonomyError(f"synonyms.product_type names {value!r}, which is in no category; add it to one")
            own = dict.fromkeys(words, value)
            if not stated.keys().isdisjoint(own.keys()):
                word = next(word for word in own if word in stated)
                raise TaxonomyError(f"{attribute}: {word!r} stands for {stated[word]!r} and {value!r}; keep one")
            stated |= own
        found[attribute] = stated
    return found


def _check_ignored(ignored: Mapping[str, list[str]], stated: Mapping[str, Mapping[str, str]]) -> None:
    """What is ignored states nothing, however it is joined: ``multi color`` is found as ``multi-color``."""
    for name, phrases in ignored.items():
        known = stated.get(name, {})
        as_given = "\n".join(phrases)
        for every in (*(_JOINS.sub(join, as_given) for join in (" ", "-", "'")), as_given):
            hidden = every.split("\n")
            if not known.keys().isdisjoint(hidden):
                phrase, word = next((phrase, one) for phrase, one in zip(phrases, hidden, strict=True) if one in known)
                raise TaxonomyError(f"ignored.{name}: {phrase!r} hides the synonym {word!r}; keep one")


def _check_hex(looks: Mapping[str, str], synonyms: Mapping[str, Mapping[str, list[str]]]) -> None:
    for color, look in looks.items():
        if color not in synonyms.get("color", {}):
            raise TaxonomyError(f"hex names the colour {color!r}, which has no synonyms; add them or take it out")
        if not _HEX.fullmatch(look):
            raise TaxonomyError(f"hex.{color} is {look!r}; write #rrggbb with lower-case digits")


def _check_context(context: Mapping[str, Any]) -> None:
    """A misspelt entry would be passed over in silence."""
    heads = context.get("heads", {})
    for where, entries, known in (
        ("context", context, _CONTEXT),
        *((f"context.heads.{name}", rules, HEADS) for name, rules in heads.items()),
    ):
        for entry in entries:
            if entry not in known:
                raise TaxonomyError(f"{where} has {entry!r}; it takes {', '.join(known)}")


def _check_compounds(name: str, compounds: Mapping[str, Any], synonyms: Mapping[str, list[str]]) -> None:
    for kind, words in compounds.items():
        if kind not in _COMPOUNDS:
            raise TaxonomyError(f"compounds.{name} has {kind!r}; it takes {', '.join(_COMPOUNDS)}")
        if isinstance(words, dict) != _COMPOUNDS[kind]:
            raise TaxonomyError(f"compounds.{name}.{kind} must be {'lists by value' if _COMPOUNDS[kind] else 'a list'}")
        for value in words if _COMPOUNDS[kind] else ():
            if value not in synonyms:
                raise TaxonomyError(f"compounds.{name}.{kind} names {value!r}, which is no value of {name}; add it")
        own = [word for list_of in words.values() for word in list_of] if _COMPOUNDS[kind] else words
        for word in own:
            if len(word) < _MIN_PART and not has_run(word):
                raise TaxonomyError(
                    f"compounds.{name}.{kind}: {word!r} has {len(word)} letters, and at least {_MIN_PART} are needed: "
                    "it would be found in nearly any word"
                )


def _check_company(
    name: str, company: Mapping[str, list[str]], found: Mapping[str, Any], stated: Container[str]
) -> None:
    _check_kinds(f"needs_company.{name}", company, _COMPANY)
    _check_known(f"needs_company.{name}.words", company["words"], name, stated)
    for value in company.get("types", ()):
        if value not in found["synonyms"].get("product_type", {}):
            raise TaxonomyError(f"needs_company.{name}.types names {value!r}, a product type without words; add them")


def _check_languages(languages: Mapping[str, Any], stated: Mapping[str, Container[str]]) -> None:
    _check_kinds("languages", languages, _LANGUAGES)
    markers = languages.get("markers", {})
    for language in (*markers, *([languages["assumed"]] if "assumed" in languages else [])):
        if not _LANGUAGE.fullmatch(language):
            raise TaxonomyError(f"languages names {language!r}; write the code alone, such as 'de'")
    for name, by_language in languages.get("only", {}).items():
        for language, words in by_language.items():
            if not markers.get(language):
                raise TaxonomyError(f"languages.only.{name} names {language!r}, which has no markers; add them")
            _check_known(f"languages.only.{name}.{language}", words, name, stated[name])


def _check_known(where: str, words: Iterable[str], name: str, known: Container[str]) -> None:
    """Words that are to count only under a condition state a value to begin with."""
    for word in words:
        if word not in known:
            raise TaxonomyError(f"{where} names {word!r}, which states no value; add it to synonyms.{name}")


def _check_kinds(where: str, found: Mapping[str, Any], kinds: tuple[str, ...]) -> None:
    if not isinstance(found, dict):
        raise TaxonomyError(f"{where} must be an object with {', '.join(kinds)}")
    for kind in found:
        if kind not in kinds:
            raise TaxonomyError(f"{where} has {kind!r}; it takes {', '.join(kinds)}")
