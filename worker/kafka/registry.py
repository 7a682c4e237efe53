"""The contract in a Schema Registry: a JSON Schema per topic, and which changes the registry is to refuse.

For those who keep such a registry for their topics' readers and writers. The worker itself asks none: values stay plain
JSON, without the registry's leading bytes, and a registry that is away stops nobody. The only file that needs the extra
``registry``.

Subjects are ``<topic>-value`` (TopicNameStrategy). What comes in must stay readable as it was (BACKWARD_TRANSITIVE);
what goes out is closed within a version (FULL_TRANSITIVE), see docs/versioning.md.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, SchemaRegistryClient, ServerConfig
from confluent_kafka.schema_registry.error import SchemaRegistryError

from schemas.export import portable
from schemas.topics import Topics
from worker.errors import HangtagError

CREDENTIALS = "SCHEMA_REGISTRY_BASIC_AUTH_USER_INFO"
Level = Literal["BACKWARD_TRANSITIVE", "FULL_TRANSITIVE"]
T = TypeVar("T")

_NOT_THERE = (40401, 40402, 40403)  # subject, version, schema
_HTTP_LOGGERS = ("httpx", "httpx2")
_LEVELS: Mapping[str, Level] = {"in": "BACKWARD_TRANSITIVE", "out": "FULL_TRANSITIVE"}


class RegistryError(HangtagError):
    """The registry cannot be asked, or refuses."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One schema as the registry is to hold it."""

    name: str
    level: Level
    schema: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the registry says of one subject. ``version``: of this schema if it is there, else the latest; 0: none.

    ``refused``: readers or writers of what is registered could not go on. ``changed``: they can.
    """

    subject: Subject
    outcome: Literal["new", "same", "changed", "refused"]
    version: int = 0


def subjects(topics: Topics) -> tuple[Subject, ...]:
    """All subjects, under the topics' names."""
    return tuple(
        Subject(f"{topic}-value", _LEVELS[row.direction], json.dumps(portable(row))) for row, topic in topics.of_events
    )


class Registry:
    """A registry that speaks Confluent's API. ``ca``: a file with the authority that signed its certificate.

    Credentials (``name:password``) come from the environment, never from a command line: `CREDENTIALS`.
    """

    def __init__(self, url: str, ca: str = "") -> None:
        self._address = _address(url)
        config: dict[str, str | int] = {"url": url, "timeout": 20}
        if ca:
            config["ssl.ca.location"] = str(_existing(ca))
        if given := os.environ.get(CREDENTIALS):
            config["basic.auth.user.info"] = _credentials(given)
        for name in _HTTP_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)  # a line per request is not for operators
        self._client = SchemaRegistryClient(config)

    def check(self, wanted: Sequence[Subject]) -> list[Answer]:
        """What would come of registering these; nothing is written. Raises RegistryError."""
        return [self._check(subject) for subject in wanted]

    def register(self, wanted: Sequence[Subject]) -> list[Answer]:
        """Register all, or none when one is refused; their answers either way. Raises RegistryError."""
        found = self.check(wanted)
        if any(one.outcome == "refused" for one in found):
            return found
        return [self._register(one) for one in found]

    def _check(self, subject: Subject) -> Answer:
        with self._errors(subject):
            latest = _found(lambda: self._client.get_latest_version(subject.name))
            if latest is None:
                return Answer(subject, "new")
            same = _found(lambda: self._client.lookup_schema(subject.name, _schema(subject)))
            if same is not None:
                return Answer(subject, "same", same.version or 0)
            may = self._client.test_compatibility_all_versions(subject.name, _schema(subject))
        return Answer(subject, "changed" if may else "refused", latest.version or 0)

    def _register(self, answer: Answer) -> Answer:
        """The level last: what the check allowed under the level that the subject has is not refused under another."""
        subject = answer.subject
        with self._errors(subject):
            if answer.outcome != "same":
                self._client.register_schema(subject.name, _schema(subject))
                version = self._client.lookup_schema(subject.name, _schema(subject)).version
                answer = replace(answer, version=version or 0)
            self._client.set_config(subject.name, ServerConfig(compatibility=ConfigCompatibilityLevel(subject.level)))
        return answer

    @contextmanager
    def _errors(self, subject: Subject) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # the client lets through what its HTTP library raises, whichever that is
            words = str(error) or type(error).__name__
            raise RegistryError(
                f"{subject.name}: the registry at {self._address} did not do what it was asked: {words}; "
                "what stands in it may be asked with --check, and the same command goes on from there"
            ) from error


def _address(url: str) -> str:
    """Host and port, to be shown. A wrong URL is not repeated, for it may hold a password."""
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_right = False
    if "@" in url:
        raise RegistryError(f"the address holds credentials; put name:password into {CREDENTIALS} instead")
    if not is_right:
        raise RegistryError("no registry's address; give http:// or https://, a host and, where it has one, a path")
    return parts.netloc


def _existing(ca: str) -> Path:
    if not Path(ca).is_file():
        raise RegistryError(f"--ca {ca}: there is no such file")
    return Path(ca)


def _credentials(given: str) -> str:
    if ":" not in given:
        raise RegistryError(f"{CREDENTIALS} is not of the form name:password")
    return given


def _schema(subject: Subject) -> Schema:
    return Schema(subject.schema, "JSON")


def _found(ask: Callable[[], T]) -> T | None:
    """What the registry has, None where it has nothing. Any other 404 comes from something that is no registry."""
    try:
        return ask()
    except SchemaRegistryError as error:
        if error.error_code in _NOT_THERE:
            return None
        if error.http_status_code == HTTPStatus.NOT_FOUND:
            raise RegistryError("no registry's API is here (Apicurio's has the path /apis/ccompat/v7)") from error
        raise
