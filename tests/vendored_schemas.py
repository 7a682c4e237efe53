"""Schemas of other projects, kept in `tests/vendored` (its README says from where): each as a strict validator."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator

FOLDER = Path(__file__).parent / "vendored"
_CRDS = {
    "ScaledObject": "keda-scaledobject.yaml.gz",
    "ServiceMonitor": "prometheus-servicemonitor.yaml.gz",
    "PrometheusRule": "prometheus-rule.yaml.gz",
}


def content(name: str) -> bytes:
    """A file as its project published it."""
    return gzip.decompress((FOLDER / name).read_bytes())


@cache
def asyncapi_validator() -> Any:
    """The official schema of AsyncAPI 3.0."""
    return Draft7Validator(json.loads(content("asyncapi-3.0.0.json.gz")))


@cache
def resource_validator(kind: str) -> Any:
    """A custom resource's own schema, unknown fields refused, which an API server would silently drop."""
    (version, *_) = yaml.safe_load(content(_CRDS[kind]))["spec"]["versions"]
    schema = _closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return Draft7Validator(schema)


@cache
def kafka_trigger() -> dict[str, bool]:
    """What KEDA's Kafka scaler reads from a trigger's metadata, by name: may it be left out?"""
    found = json.loads((FOLDER / "keda-kafka-scaler.json").read_text())
    return {one["name"]: bool(one.get("optional")) or "default" in one for one in found["parameters"]}


def _closed(schema: Any) -> Any:
    """The same schema without room for fields that it does not name."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    is_object = isinstance(schema.get("properties"), dict) and schema.get("type") == "object"
    if is_object and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
