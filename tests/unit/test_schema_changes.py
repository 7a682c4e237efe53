"""A released schema may only change so that nobody who relies on it notices."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from schemas.export import DIALECT, inlined, json_schema, portable, schema_file
from schemas.topics import EVENT_TOPICS, EventTopic
from tests.deploy_files import ROOT
from tests.schema_changes import refusals, resolved

RELEASED = ROOT / "schemas" / "released" / "v1"
INPUTS = [row for row in EVENT_TOPICS if row.direction == "in"]
OUTPUTS = [row for row in EVENT_TOPICS if row.direction == "out"]


DRAFT_7_WORDS = {
    "$schema", "$id", "title", "description", "default", "examples", "type", "enum", "const", "anyOf", "format",
    "pattern", "minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems",
    "properties", "required", "additionalProperties",
}  # fmt: skip


def words(schema: Any) -> Iterator[str]:
    """The words of a schema, names of properties left out."""
    for part in schema if isinstance(schema, list) else ():
        yield from words(part)
    for key, value in schema.items() if isinstance(schema, dict) else ():
        yield key
        if key == "properties":
            for child in value.values():
                yield from words(child)
        elif key not in ("default", "examples", "const", "enum"):
            yield from words(value)


def released(row: EventTopic) -> dict[str, Any]:
    """The schema that others rely on."""
    return resolved(json.loads((RELEASED / schema_file(row)).read_text(encoding="utf-8")))


@pytest.mark.parametrize("row", INPUTS, ids=lambda row: row.event_type)
def test_what_producers_send_stays_valid(row: EventTopic) -> None:
    """Input is backward compatible: what the released schema allows is still taken."""
    assert list(refusals(released(row), resolved(json_schema(row)))) == []


@pytest.mark.parametrize("row", OUTPUTS, ids=lambda row: row.event_type)
def test_what_readers_get_stays_the_same(row: EventTopic) -> None:
    """Outputs are closed, so fully compatible means the same; anything else is a new version of the event."""
    assert resolved(json_schema(row)) == released(row)


@pytest.mark.parametrize("row", EVENT_TOPICS, ids=lambda row: row.event_type)
def test_registries_get_the_same_in_draft_7(row: EventTopic) -> None:
    """A reader of draft 7 finds no reference and no word that it would pass over."""
    given = portable(row)
    Draft7Validator.check_schema(given)
    assert set(words(given)) <= DRAFT_7_WORDS
    assert given | {"$schema": DIALECT} == inlined(json_schema(row))


def test_every_event_was_released() -> None:
    """No event goes out without its schema here."""
    assert {path.name for path in RELEASED.glob("*.json")} == {schema_file(row) for row in EVENT_TOPICS}


def _shorter(schema: dict[str, Any]) -> None:
    schema["properties"]["listing_id"]["maxLength"] = 64


def _required(schema: dict[str, Any]) -> None:
    schema["required"] = [*schema["required"], "price"]


def _gone(schema: dict[str, Any]) -> None:
    del schema["properties"]["description"]


def _other_type(schema: dict[str, Any]) -> None:
    schema["properties"]["listing_id"]["type"] = "integer"


def _not_null(schema: dict[str, Any]) -> None:
    schema["properties"]["price"] = next(one for one in schema["properties"]["price"]["anyOf"] if "properties" in one)


@pytest.mark.parametrize("change", [_shorter, _required, _gone, _other_type, _not_null])
def test_a_break_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    """Each way to break a producer is told."""
    old, new = released(INPUTS[0]), released(INPUTS[0])
    change(new)
    assert list(refusals(old, new))


def test_widening_is_no_break() -> None:
    """A new optional field and a higher limit hurt nobody."""
    old, new = released(INPUTS[0]), released(INPUTS[0])
    new["properties"]["listing_id"]["maxLength"] = 256
    new["properties"]["seller"] = {"type": "string"}
    assert not list(refusals(old, new))
