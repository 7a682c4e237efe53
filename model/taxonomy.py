"""What can be said of a listing: attributes, their values' names and synonyms, and where each product type belongs.

All of it stands in ``taxonomy.json``, which people edit and review.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from model.errors import ModelError
from model.prompts import Prompted, read_prompts

_FILE = Path(__file__).parent / "taxonomy.json"


class TaxonomyError(ModelError):
    """The taxonomy file contradicts itself. The message names the entry."""


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """The file, checked. A category is a path such as ``Furniture > Chairs``."""

    attributes: tuple[str, ...]
    categories: tuple[str, ...]
    scenes: tuple[str, ...]
    revision: str
    _category_of: Mapping[str, str]
    _labels: Mapping[str, Mapping[str, str]]
    _synonyms: Mapping[str, Mapping[str, tuple[str, ...]]]
    _not_applicable: Mapping[str, tuple[str, ...]]
    _ignored: Mapping[str, tuple[str, ...]]
    _hex: Mapping[str, str]
    prompts: Mapping[str, Prompted] = field(default_factory=dict)  # attributes declared by prompts alone

    def category_of(self, product_type: str) -> str | None:
        """The category path of a product type, None for one that the file does not place."""
        return self._category_of.get(product_type)

    def label(self, attribute: str, value: str) -> str:
        """A readable name: from the file, or made from the value."""
        found = self._labels.get(attribute, {}).get(value)
        return found or (value if attribute == "category" else value.replace("_", " ").capitalize())

    def applies(self, attribute: str, category: str) -> bool:
        """Does the attribute make sense in this category?"""
        ruled_out = self._not_applicable.get(attribute, ())
        return not any(category == path or category.startswith(f"{path} >") for path in ruled_out)

    def synonyms(self, attribute: str) -> Mapping[str, tuple[str, ...]]:
        """Words in several languages that state a value, by value."""
        return self._synonyms.get(attribute, {})

    def ignored(self, attribute: str) -> tuple[str, ...]:
        """Phrases that hold a synonym and state no value, such as ``olive oil``."""
        return self._ignored.get(attribute, ())

    def hex(self, color: str) -> str | None:
        """How the colour typically looks, ``#rrggbb`` sRGB; None for one without a look, such as ``clear``."""
        return self._hex.get(color)


def load_taxonomy(path: Path = _FILE) -> Taxonomy:
    """Read and check the file. Raises TaxonomyError."""
    text = path.read_bytes()
    try:
        return _checked(json.loads(text), hashlib.sha256(text).hexdigest()[:16])
    except (KeyError, TypeError, ValueError) as error:
        raise TaxonomyError(f"{path.name}: {type(error).__name__}: {error}; compare with the shipped file") from error


def _checked(found: Mapping[str, Any], revision: str) -> Taxonomy:
    category_of: dict[str, str] = {}
    for path, types in found["categories"].items():
        for name in types:
            if name in category_of:
                raise TaxonomyError(f"product type {name!r} stands under {category_of[name]!r} and {path!r}; keep one")
            category_of[name] = path
    for attribute, paths in found["not_applicable"].items():
        if attribute not in found["attributes"]:
            raise TaxonomyError(f"not_applicable names {attribute!r}, which is not in attributes")
        for path in paths:
            if not any(one == path or one.startswith(f"{path} >") for one in found["categories"]):
                raise TaxonomyError(
                    f"not_applicable.{attribute} names the category {path!r}, which has no product type"
                )
    _check_words(found["synonyms"])
    synonyms = {
        attribute: {value: tuple(words) for value, words in values.items()}
        for attribute, values in found["synonyms"].items()
    }
    return Taxonomy(
        tuple(found["attributes"]),
        tuple(sorted(found["categories"])),
        tuple(found["scenes"]),
        revision,
        category_of,
        found["labels"],
        synonyms,
        {attribute: tuple(paths) for attribute, paths in found["not_applicable"].items()},
        {attribute: tuple(phrases) for attribute, phrases in found["ignored"].items()},
        found["hex"],
        read_prompts(found.get("prompts", {}), found["attributes"]),
    )


def _check_words(synonyms: Mapping[str, Mapping[str, list[str]]]) -> None:
    """A word states one value of its attribute, and stands in lower case, as it is looked for."""
    for attribute, values in synonyms.items():
        stated: dict[str, str] = {}
        for value, words in values.items():
            for word in words:
                if word != word.lower():
                    raise TaxonomyError(f"synonyms.{attribute}.{value}: {word!r} must be in lower case")
                if word in stated:
                    raise TaxonomyError(f"{attribute}: {word!r} stands for {stated[word]!r} and {value!r}; keep one")
                stated[word] = value
