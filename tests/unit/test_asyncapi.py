"""The contract as AsyncAPI: valid by the official schema, and it says what the topics hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import pytest

from schemas.export import asyncapi
from schemas.topics import Topics
from tests.vendored_schemas import FOLDER, asyncapi_validator, content


def test_the_document_is_valid() -> None:
    """By the schema that the AsyncAPI Initiative publishes for 3.0.0, Kafka bindings included."""
    assert [error.message for error in asyncapi_validator().iter_errors(asyncapi())] == []


def test_the_schema_is_the_published_one() -> None:
    """Each file is what its README says it is."""
    told = re.findall(r"^\| `([\w.-]+\.gz)` \|.*`([0-9a-f]{64})` \|$", (FOLDER / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in told} == {path.name for path in FOLDER.glob("*.gz")}
    for name, digest in told:
        assert hashlib.sha256(content(name)).hexdigest() == digest


def _action(document: dict[str, Any]) -> None:
    next(iter(document["operations"].values()))["action"] = "read"


def _channel(document: dict[str, Any]) -> None:
    del next(iter(document["operations"].values()))["channel"]


def _version(document: dict[str, Any]) -> None:
    document["asyncapi"] = "2.6.0"


def _binding(document: dict[str, Any]) -> None:
    next(iter(document["channels"].values()))["bindings"]["kafka"]["partitions"] = 0


def _unknown(document: dict[str, Any]) -> None:
    document["topics"] = {}


@pytest.mark.parametrize("fault", [_action, _channel, _version, _binding, _unknown])
def test_a_fault_is_found(fault: Callable[[dict[str, Any]], None]) -> None:
    """The check can fail: each of these breaks the document."""
    document = asyncapi()
    fault(document)
    assert list(asyncapi_validator().iter_errors(document))


def test_every_reference_leads_somewhere() -> None:
    """The schema cannot check that."""
    document = asyncapi(Topics("in", "a", "s", "t", "d"))
    for path in re.findall(r"'\$ref': '#/([^']+)'", str(document)):
        found: Any = document
        for part in path.split("/"):
            found = found[part]
    assert {channel["address"] for channel in document["channels"].values()} == {"in", "a", "s", "t", "d"}
