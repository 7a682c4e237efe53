"""The image as a cluster runs it: nobody's root, nothing to write on, and a stop inside its grace period.

Building one takes minutes and gigabytes, these tests four minutes: `make image-test` runs them, `make test` skips them.
"""

from __future__ import annotations

import asyncio
import os
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from typing import Any

import docker
import pytest
from docker.errors import ImageNotFound

from tests.integration.stream import Stream, host_of_samples, listings
from tests.servers.base import Server, docker_answers, free_port
from worker.settings import ShutdownSettings

pytestmark = [pytest.mark.docker, pytest.mark.timeout(600)]
GRACE_SECONDS = 45
HARDENED = {
    "read_only": True,
    "tmpfs": {"/tmp": "size=128m"},
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "4g",
}
TOOLS = "gcc cc c++ ld make pip pip3 uv cargo git curl wget"


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """A Docker engine."""
    if not docker_answers():
        pytest.skip("no Docker engine answers; start dockerd")
    with closing(docker.from_env(timeout=120)) as found:
        yield found


@pytest.fixture(scope="module")
def image(engine: Any) -> str:
    """The name of hangtag's image."""
    name = os.environ.get("TEST_HANGTAG_IMAGE")
    if name is None:
        pytest.skip("no image named in TEST_HANGTAG_IMAGE; make one and try it: make image image-test VARIANT=cpu")
    try:
        engine.images.get(name)
    except ImageNotFound:
        pytest.fail(f"there is no image {name} (TEST_HANGTAG_IMAGE); make it: make image VARIANT=cpu", pytrace=False)
    return name


@pytest.fixture
def containers(engine: Any) -> Iterator[list[Any]]:
    """Containers of one test, removed with it."""
    started: list[Any] = []
    yield started
    for one in started:
        one.remove(force=True)


async def until_in(container: Any, condition: Any, seconds: float) -> None:
    """Wait for the condition; fail with the container's last words when it ends or takes too long."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        await asyncio.to_thread(container.reload)
        if container.status == "exited" or time.monotonic() > deadline:
            pytest.fail(f"{container.status}: {container.logs(tail=15).decode()}")
        await asyncio.sleep(0.5)


def metric(port: int, name: str) -> float:
    """A metric without labels, as the worker shows it."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (found,) = [float(line.split()[1]) for line in lines if line.startswith(name + " ")]
    return found


@pytest.mark.kafka
@pytest.mark.redis
async def test_tags_listings_and_stops_in_time(
    image: str, kafka: Server, redis_url: str, engine: Any, containers: list[Any]
) -> None:
    """On a read-only root as nobody: every listing ends once, the image's own check is content, and SIGTERM in the
    middle of the work ends it with 0 before the grace period does."""
    stream, port = Stream(kafka.address, num_partitions=2), free_port()
    stream.create()
    async with host_of_samples() as host:
        settings = {"REDIS__URL": redis_url, "HTTP__PORT": str(port), "OCR__ENABLED": "false"}
        wanted = stream.environment(host, "image", settings).items()
        environment = {key: value for key, value in wanted if key.startswith("HANGTAG_")}
        worker = await asyncio.to_thread(
            engine.containers.run, image, detach=True, network_mode="host", environment=environment, **HARDENED
        )
        containers.append(worker)
        stream.send(listings(25, host.base_url))
        await until_in(worker, lambda: stream.num_committed() == 25, 240)
        await until_in(worker, lambda: worker.attrs["State"]["Health"]["Status"] == "healthy", 60)
        assert await asyncio.to_thread(metric, port, "hangtag_memory_limit_bytes") == 4 << 30
        stream.send(listings(400, host.base_url))
        await until_in(worker, lambda: stream.num_committed() > 40, 120)
        began = time.monotonic()
        await asyncio.to_thread(worker.stop, timeout=GRACE_SECONDS)
        assert time.monotonic() - began < GRACE_SECONDS
        assert worker.wait()["StatusCode"] == 0
    report = stream.judge()
    assert not (report.doubled or report.wrong or report.out_of_order)


def test_grace_periods_leave_room_for_the_drain() -> None:
    """Compose, Kubernetes and this test give more than the drain, ten seconds to leave the group, and some to close."""
    assert ShutdownSettings().drain_seconds + 10 + 10 <= GRACE_SECONDS


def run(engine: Any, image: str, entrypoint: list[str], **more: Any) -> str:
    """What a command in the image prints."""
    found: bytes = engine.containers.run(
        image, entrypoint=entrypoint, command=[], network_mode="none", remove=True, stderr=True, **HARDENED, **more
    )
    return found.decode()


def test_holds_nothing_to_build_with(engine: Any, image: str) -> None:
    """No compiler, installer or downloader lies in the image, and it does not run as root."""
    assert run(engine, image, ["sh", "-c", f"for tool in {TOOLS}; do command -v $tool; done; id -u"]) == "10001\n"


def test_root_cannot_be_written(engine: Any, image: str) -> None:
    """Program and dependencies do not belong to the user that runs them, even where the root can be written."""
    script = 'for folder in / /opt/hangtag /opt/program /etc; do [ ! -w $folder ] || echo "$folder"; done'
    found = engine.containers.run(image, entrypoint=["sh", "-c", script], command=[], network_mode="none", remove=True)
    assert found == b""


def test_says_what_it_is(engine: Any, image: str) -> None:
    """Labels name version and revision, the check needs no shell, and the list of parts names torch and hangtag."""
    config = engine.images.get(image).attrs["Config"]
    assert config["Labels"]["org.opencontainers.image.version"] == version("hangtag")
    assert config["Labels"]["org.opencontainers.image.revision"] != "unknown"
    assert config["Healthcheck"]["Test"] == ["CMD", "python", "/opt/program/bin/alive"]
    assert "PYTHONSAFEPATH=1" in config["Env"]
    parts = run(engine, image, ["cat", "/opt/program/sbom.cdx.json"])
    assert '"pkg:pypi/torch@' in parts
    assert '"pkg:pypi/pytest@' not in parts
