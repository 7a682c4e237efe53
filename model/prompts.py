"""Attributes that the taxonomy declares by prompts alone: sentences that a pair of towers compares with pictures.

    "prompts": {"finish": {"template": "a photo of a {} surface",
                           "values": {"glossy": ["shiny, glossy"], "matte": ["dull, matte"]},
                           "otherwise": ["clothes on a person"], "threshold": 0.9}}

``template`` is what every prompt is put into; without it, prompts are taken as they stand. ``values`` may be a list:
then each value is its own prompt. ``otherwise``: what pictures may show that has none of the values; it takes score
away and is never an answer. ``threshold``: the score from which an answer is accepted; without it, none is until
outcomes say from where on it may be (``hangtag evaluate --recalibrate``).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TRAINED = ("category", "product_type", "color", "material", "scene")  # answered by heads
MAX_PROMPTS = 1000
_NAME = re.compile(r"[a-z0-9_]+")
_ENTRIES = {"template", "values", "otherwise", "threshold"}


@dataclass(frozen=True, slots=True)
class Prompted:
    """One attribute: the sentences of each value, in the values' order, and of what is none of them."""

    values: tuple[str, ...]
    sentences: tuple[tuple[str, ...], ...]  # one tuple per value
    otherwise: tuple[str, ...]
    threshold: float | None

    @property
    def digest(self) -> str:
        """16 hex digits that change with any sentence: what was calibrated holds for no others."""
        told = json.dumps([self.values, self.sentences, self.otherwise])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def read_prompts(found: Mapping[str, Any], attributes: Sequence[str]) -> dict[str, Prompted]:
    """The taxonomy's ``prompts``, checked. Raises ValueError naming the entry."""
    if not isinstance(found, dict):
        raise ValueError("prompts must be an object with one entry per attribute")
    return {name: _read(name, entry, attributes) for name, entry in found.items()}


def _read(name: str, entry: Any, attributes: Sequence[str]) -> Prompted:
    where = f"prompts.{name}"
    if name not in attributes:
        raise ValueError(f"{where} is not in attributes; add it there")
    if name in TRAINED or not _NAME.fullmatch(name):
        told = "is answered by a trained head; take its prompts out" if name in TRAINED else "may hold a-z, 0-9 and _"
        raise ValueError(f"{where}: {name!r} {told}")
    if not isinstance(entry, dict) or set(entry) - _ENTRIES or "values" not in entry:
        raise ValueError(f"{where} must be an object with values and any of {', '.join(sorted(_ENTRIES - {'values'}))}")
    template, threshold = entry.get("template", "{}"), entry.get("threshold")
    if not isinstance(template, str) or template.count("{}") != 1:
        raise ValueError(f"{where}.template is {template!r}; it holds {{}} once, where a prompt goes")
    if threshold is not None and not (isinstance(threshold, float | int) and 0 < threshold <= 1):
        raise ValueError(f"{where}.threshold is {threshold!r}; it is a score above 0, at most 1")
    prompts = _by_value(where, entry["values"])
    otherwise = _strings(f"{where}.otherwise", entry.get("otherwise", []))
    sentences = tuple(tuple(template.replace("{}", one) for one in own) for own in prompts.values())
    others = tuple(template.replace("{}", one) for one in otherwise)
    if len(sentences) + bool(others) < 2 or sum(map(len, sentences)) + len(others) > MAX_PROMPTS:
        raise ValueError(f"{where} needs two values, or one and otherwise, and at most {MAX_PROMPTS:,} prompts")
    _refuse_twins(where, sentences, others)
    return Prompted(tuple(prompts), sentences, others, None if threshold is None else float(threshold))


def _by_value(where: str, values: Any) -> dict[str, tuple[str, ...]]:
    if isinstance(values, list):
        return {value: (value.replace("_", " "),) for value in _strings(f"{where}.values", values)}
    if not isinstance(values, dict):
        raise ValueError(f"{where}.values must be a list of values, or an object of values and their prompts")
    found = {value: _strings(f"{where}.values.{value}", prompts) for value, prompts in values.items()}
    for value, prompts in found.items():
        if not prompts or not value.strip():
            raise ValueError(f"{where}.values.{value} has no prompt; write at least one")
    return found


def _strings(where: str, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or not all(isinstance(one, str) and one.strip() for one in found):
        raise ValueError(f"{where} must be a list of words")
    return tuple(found)


def _refuse_twins(where: str, sentences: Sequence[Sequence[str]], others: Sequence[str]) -> None:
    seen: set[str] = set()
    for sentence in [one for own in (*sentences, others) for one in own]:
        if sentence in seen:
            raise ValueError(f"{where}: {sentence!r} stands there twice; keep it for one value")
        seen.add(sentence)
