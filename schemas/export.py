"""The contract as files: a JSON Schema for each event, and one AsyncAPI 3.0 document, generated from the models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema

from schemas.deadletter import Reason, Stage
from schemas.topics import EVENT_TOPICS, EventTopic, Topics

CONTRACT_VERSION = "1.0.0"
ASYNCAPI_FILE = "asyncapi.json"
KAFKA_BINDING = "0.5.0"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DRAFT_7 = "http://json-schema.org/draft-07/schema#"

_TEXT: JsonSchemaValue = {"type": "string"}
_COUNT: JsonSchemaValue = {"type": "string", "pattern": "^[0-9]+$"}
_TIME: JsonSchemaValue = {"type": "string", "format": "date-time"}


def export(directory: Path) -> list[Path]:
    """Write all files into ``directory``, made if need be; their paths, the AsyncAPI document last."""
    directory.mkdir(parents=True, exist_ok=True)
    documents = {schema_file(row): json_schema(row) for row in EVENT_TOPICS}
    documents[ASYNCAPI_FILE] = asyncapi()
    return [_write(directory / name, document) for name, document in documents.items()]


def schema_file(row: EventTopic) -> str:
    """The file name of an event's JSON Schema."""
    return f"{row.event_type}.schema.json"


def json_schema(row: EventTopic) -> JsonSchemaValue:
    """JSON Schema (2020-12) of an event's value."""
    generated = row.event.model_json_schema(mode=_mode(row), schema_generator=_Generator)
    return {"$schema": DIALECT, "$id": f"urn:hangtag:{row.event_type}", **generated}


def asyncapi(topics: Topics | None = None) -> dict[str, Any]:
    """One AsyncAPI 3.0 document of all channels, with Kafka bindings; topic names from ``topics``."""
    addresses = _addresses(topics or Topics())
    messages = {row.event_type: _message(row) for row in EVENT_TOPICS}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "hangtag",
            "version": CONTRACT_VERSION,
            "description": "Tags marketplace listings: new listings in; attributes, scenes and texts out.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, address) for name, address in addresses.items()},
        "operations": {_operation_name(name): _operation(name) for name in addresses},
        "components": {"messages": {**messages, "dead_letter": _dead_letter()}, "schemas": _component_schemas()},
    }


class _Generator(GenerateJsonSchema):
    """JSON Schema without the titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _write(path: Path, document: dict[str, Any]) -> Path:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _mode(row: EventTopic) -> JsonSchemaMode:
    """What a sender must write for events coming in, what a reader will find for those going out."""
    return "validation" if row.direction == "in" else "serialization"


def _addresses(topics: Topics) -> dict[str, str]:
    """Message name to topic name."""
    return {**{row.event_type: topic for row, topic in topics.of_events}, "dead_letter": topics.dead_letter}


def _component_schemas() -> dict[str, Any]:
    models = [(row.event, _mode(row)) for row in EVENT_TOPICS]
    _, generated = models_json_schema(models, ref_template="#/components/schemas/{model}", schema_generator=_Generator)
    schemas: dict[str, Any] = generated["$defs"]
    return schemas


def _channel(name: str, address: str) -> dict[str, Any]:
    return {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "bindings": {"kafka": {"topic": address, "bindingVersion": KAFKA_BINDING}},
    }


def _operation_name(message: str) -> str:
    return message.replace(".", "_")


def _operation(name: str) -> dict[str, Any]:
    incoming = {row.event_type for row in EVENT_TOPICS if row.direction == "in"}
    return {
        "action": "receive" if name in incoming else "send",
        "channel": {"$ref": f"#/channels/{name}"},
        "messages": [{"$ref": f"#/channels/{name}/messages/{name}"}],
    }


def _message(row: EventTopic) -> dict[str, Any]:
    return {
        "name": row.event_type,
        "summary": (row.event.__doc__ or "").strip().partition("\n")[0],
        "contentType": "application/json",
        "headers": _event_headers(row),
        "payload": {"$ref": f"#/components/schemas/{row.event.__name__}"},
        "bindings": _key_binding("The listing_id; partitioned with murmur2_random, as Java clients do."),
    }


def _key_binding(description: str) -> dict[str, Any]:
    key = {"type": "string", "description": description}
    return {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}}


def _event_headers(row: EventTopic) -> JsonSchemaValue:
    """Required on what goes out; optional on what comes in, where no ``ce_type`` means v1."""
    properties: dict[str, Any] = {
        "ce_specversion": {"const": "1.0"},
        "ce_id": _TEXT,
        "ce_source": {"type": "string", "format": "uri-reference"},
        "ce_type": {"const": row.event_type},
        "ce_time": _TIME,
        "content-type": {"const": "application/json"},
    }
    required = {"required": list(properties)} if row.direction == "out" else {}
    trace = {"traceparent": _TEXT, "tracestate": _TEXT}
    return {"type": "object", "properties": {**properties, **trace}, **required}


def _dead_letter() -> dict[str, Any]:
    return {
        "name": "dead_letter",
        "summary": "A record that can never be processed: its key, value and headers untouched, and what went wrong.",
        "headers": _dead_letter_headers(),
        "payload": {"description": "The original value, whatever it was; null if it was too large or was null."},
        "bindings": _key_binding("The original key, whatever it was."),
    }


def _dead_letter_headers() -> JsonSchemaValue:
    required = {
        "__dlq.errors.topic": _TEXT,
        "__dlq.errors.partition": _COUNT,
        "__dlq.errors.offset": _COUNT,
        "__dlq.errors.group": _TEXT,
        "__dlq.errors.message": _TEXT,
        "hangtag.dlq.reason": {"type": "string", "enum": [reason.value for reason in Reason]},
        "hangtag.dlq.stage": {"type": "string", "enum": [stage.value for stage in Stage]},
        "hangtag.dlq.attempts": _COUNT,
        "hangtag.dlq.worker_version": _TEXT,
        "hangtag.dlq.failed_at": _TIME,
    }
    omitted = {"type": "string", "description": 'A JSON object: {"size": bytes, "sha256": hex}.'}
    optional = {
        "hangtag.dlq.model_revision": _TEXT,
        "hangtag.dlq.timestamp": _TIME,
        "hangtag.dlq.value_omitted": omitted,
        "hangtag.dlq.key_omitted": omitted,
        "hangtag.dlq.headers_omitted": {
            "type": "string",
            "description": 'A JSON object: {"headers": how many, "size": bytes}, each null where a name is not UTF-8.',
        },
    }
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


def portable(row: EventTopic) -> JsonSchemaValue:
    """`json_schema` for readers that know draft 7 alone and follow no references, registries among them. It means the
    same: the models use no word that came later.
    """
    return {**inlined(json_schema(row)), "$schema": DRAFT_7}


def inlined(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The same schema without ``$defs``: what a reference names stands in its place. Not for models that hold
    themselves.
    """

    def walk(node: Any) -> Any:
        if isinstance(node, list):
            return [walk(one) for one in node]
        if not isinstance(node, dict):
            return node
        beside = {key: walk(value) for key, value in node.items() if key not in ("$ref", "$defs")}
        if "$ref" not in node:
            return beside
        return walk(schema["$defs"][node["$ref"].removeprefix("#/$defs/")]) | beside

    found: JsonSchemaValue = walk(schema)
    return found
