"""Fixtures that all tests share: the real servers, found or started once."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import pytest
from hypothesis import settings as hypothesis_settings

from tests.servers.base import MissingServerError, Server
from tests.servers.kafka import OwnKafka, start_kafka, start_own_kafka, start_proxied_kafka
from tests.servers.packages import one_at_a_time
from tests.servers.redis import OwnRedis, start_redis
from tests.servers.registry import start_registry
from worker.machine.quick_imports import quick_imports

# Properties are about results; how long a try takes on a busy machine says nothing.
hypothesis_settings.register_profile("hangtag", deadline=None)
hypothesis_settings.load_profile("hangtag")

T = TypeVar("T")
HOW_SERVERS_WERE_GOT = pytest.StashKey[list[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Test files and all that they import stay until the end: the collector need not go over them, now or later."""
    with quick_imports():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first: xdist gives files out in this order, and who gets one last works alone."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell what this process used to the one that distributes tests, if there is one."""
    told = getattr(session.config, "workeroutput", None)
    if told is not None:
        told["servers"] = session.config.stash.get(HOW_SERVERS_WERE_GOT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A process has run its part of the tests (xdist): take in what it used."""
    told = getattr(node, "workeroutput", {}).get("servers", [])
    node.config.stash.setdefault(HOW_SERVERS_WERE_GOT, []).extend(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the servers that the tests ran against."""
    used: list[str] = terminalreporter.config.stash.get(HOW_SERVERS_WERE_GOT, [])
    for line in sorted(used):
        terminalreporter.write_line(line)


def _or_skip(start: Callable[[], T]) -> T:
    """In CI a missing server is a failure; elsewhere the tests that need it are skipped, with reason and remedy."""
    try:
        return start()
    except MissingServerError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


def _shared(request: pytest.FixtureRequest, name: str, start: Callable[[], Server]) -> Iterator[Server]:
    with one_at_a_time():
        server = _or_skip(start)
    request.config.stash.setdefault(HOW_SERVERS_WERE_GOT, []).append(f"{name}: {server.how}, {server.address}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Kafka; ``address`` is its bootstrap servers."""
    yield from _shared(request, "Kafka", start_kafka)


@pytest.fixture(scope="session")
def proxied_kafka() -> Iterator[OwnKafka]:
    """A real Kafka of which a test may cut clients off, with a proxy of its own between them."""
    with one_at_a_time():
        own = _or_skip(start_proxied_kafka)
    yield own
    own.stop()


@pytest.fixture
def forgetful_kafka() -> Iterator[OwnKafka]:
    """A real Kafka that forgets a transactional id within seconds, as others do within days."""
    soon = {"transactional.id.expiration.ms": 2_000, "transaction.remove.expired.transaction.cleanup.interval.ms": 500}
    with one_at_a_time():
        own = _or_skip(lambda: start_own_kafka(soon))
    yield own
    own.stop()


@pytest.fixture(scope="session")
def redis(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Redis; ``address`` is its URL."""
    yield from _shared(request, "Redis", start_redis)


@pytest.fixture(scope="session")
def registry(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A real Schema Registry; ``address`` is the URL of its API."""
    yield from _shared(request, "Schema Registry", start_registry)


@pytest.fixture
def redis_url(redis: Server) -> str:
    """The real Redis' URL."""
    return redis.address


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis process of this test's own, not started yet."""
    own = OwnRedis()
    yield own
    own.stop()
