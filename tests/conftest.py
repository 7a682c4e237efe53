"""Fixtures that all tests share: the real servers, found or started once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers.base import MissingServerError, Server
from tests.servers.kafka import start_kafka
from tests.servers.redis import OwnRedis, start_redis


def _or_skip(start: object) -> Server:
    """In CI a missing server is a failure; elsewhere the tests that need it are skipped, with reason and remedy."""
    try:
        return start()  # type: ignore[operator, no-any-return]
    except MissingServerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def _say(request: pytest.FixtureRequest, name: str, server: Server) -> None:
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\n{name}: {server.how}, {server.address}")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Kafka; ``address`` is its bootstrap servers."""
    server = _or_skip(start_kafka)
    _say(request, "Kafka", server)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Redis; ``address`` is its URL."""
    server = _or_skip(start_redis)
    _say(request, "Redis", server)
    yield server
    server.stop()


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis process of this test's own, not started yet."""
    own = OwnRedis()
    yield own
    own.stop()
