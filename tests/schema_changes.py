"""May one JSON Schema follow another? Only for what our schemas use; what else differs counts as a break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from schemas.export import inlined

Schema = Mapping[str, Any]

_WORDS = ("description", "title", "default", "examples", "$schema", "$id")
_CEILINGS = ("maxLength", "maxItems", "maximum", "exclusiveMaximum", "maxProperties")
_FLOORS = ("minLength", "minItems", "minimum", "exclusiveMinimum", "minProperties")
_OWN_RULES = {*_WORDS, *_CEILINGS, *_FLOORS, "properties", "required", "items", "anyOf", "enum"}


def resolved(schema: Schema) -> dict[str, Any]:
    """The schema with every reference replaced by what it names, and without words that bind nobody."""

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(one) for one in node]
        if not isinstance(node, Mapping):
            return node
        kept = {key: value for key, value in node.items() if key not in _WORDS}
        return {key: _children(value) if key == "properties" else walk(value) for key, value in kept.items()}

    def _children(properties: Mapping[str, Any]) -> dict[str, Any]:
        return {name: walk(child) for name, child in properties.items()}

    found: dict[str, Any] = walk(inlined(dict(schema)))
    return found


def refusals(old: Schema, new: Schema, where: str = "value") -> Iterator[str]:
    """What was valid under ``old`` and may not be under ``new``, place by place. Both resolved."""
    if "anyOf" in old or "anyOf" in new:
        yield from _branches(old, new, where)
    if ("anyOf" in old) != ("anyOf" in new):
        return
    yield from _bounds(old, new, where)
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{where}.{name}: required now"
    yield from _fields(old.get("properties", {}), new.get("properties", {}), where)
    if "items" in old and "items" in new:
        yield from refusals(old["items"], new["items"], f"{where}[]")
    if "enum" in new and not ("enum" in old and set(old["enum"]) <= set(new["enum"])):
        yield f"{where}: fewer values allowed"
    for key in sorted({*old, *new} - _OWN_RULES):
        if key in new and old.get(key) != new[key]:
            yield f"{where}: {key} was {old.get(key)}, is {new[key]}"


def _branches(old: Schema, new: Schema, where: str) -> Iterator[str]:
    allowed = new.get("anyOf", [new])
    for branch in old.get("anyOf", [old]):
        if all(any(refusals(branch, other, where)) for other in allowed):
            yield f"{where}: one of its forms is refused now: {branch}"


def _bounds(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for keys, tighter in ((_CEILINGS, float.__lt__), (_FLOORS, float.__gt__)):
        for key in keys:
            if key in new and (key not in old or tighter(float(new[key]), float(old[key]))):
                yield f"{where}: {key} was {old.get(key)}, is {new[key]}"


def _fields(old: Schema, new: Schema, where: str) -> Iterator[str]:
    for name in sorted(old):
        if name not in new:
            yield f"{where}.{name}: gone"
        else:
            yield from refusals(old[name], new[name], f"{where}.{name}")
