"""A real Kafka."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from confluent_kafka.admin import AdminClient

from tests.servers.base import (
    MissingServerError,
    Server,
    docker_answers,
    first_that_works,
    free_port,
    image,
    until_up,
    wants,
)
from tests.servers.packages import CACHE, java, maven

_POM = Path(__file__).parents[1] / "images" / "kafka-pom.xml"
_LIBS = CACHE / "kafka-4.1.0"
_TOLD = 2000  # characters of what a tool says before it fails
_START_SECONDS = 180
# How soon a broker misses a dead member of a group of the new protocol (KIP-848): by default the least is 45 s.
_CONSUMER_GROUPS = {
    "group.consumer.min.session.timeout.ms": 6_000, "group.consumer.session.timeout.ms": 10_000,
    "group.consumer.min.heartbeat.interval.ms": 1_000, "group.consumer.heartbeat.interval.ms": 2_000,
}  # fmt: skip


def start_kafka() -> Server:
    """A broker: TEST_KAFKA, else a container, else Java here. Raises MissingServerError."""
    if given := os.environ.get("TEST_KAFKA"):
        return Server(given, "address in TEST_KAFKA")
    ways = []
    if wants("docker"):
        ways.append(("container", _container))
    if wants("local"):
        ways.append(("local process (needs Java >= 17 and Maven: apt-get install maven)", _local))
    return first_that_works("Kafka", ways)


def _container() -> Server:
    if not docker_answers():
        raise RuntimeError("no Docker engine answers")
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    from testcontainers.community.kafka import KafkaContainer

    name = image("TEST_KAFKA_IMAGE", "hangtag-test/cp-kafka:8.1.0", "confluentinc/cp-kafka:8.1.0")
    container = KafkaContainer(image=name).with_kraft()
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_MIN_ISR", "1")
    container.with_env("KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR", "1")
    container.with_env("KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS", "0")
    for setting, value in _CONSUMER_GROUPS.items():
        container.with_env(f"KAFKA_{setting.replace('.', '_').upper()}", str(value))
    container.start()
    return Server(container.get_bootstrap_server(), f"container {name}", container.stop)


def _local() -> Server:
    own = OwnKafka()
    own.start()
    return Server(own.address, "local process, Java and Maven's jars", own.stop)


def start_proxied_kafka() -> OwnKafka:
    """A broker that is reached through whatever listens on its ``proxy_port``. Raises MissingServerError."""
    return _started(free_port(), {})


def start_own_kafka(more: Mapping[str, int]) -> OwnKafka:
    """A broker with these properties. Raises MissingServerError."""
    return _started(None, more)


def _started(proxy_port: int | None, more: Mapping[str, int]) -> OwnKafka:
    try:
        own = OwnKafka(proxy_port, more)
        own.start()
    except Exception as error:  # of whatever kind: Java, Maven, the broker itself
        raise MissingServerError(f"no Kafka of its own (needs Java >= 17, apt-get install maven): {error}") from error
    return own


class OwnKafka:
    """A broker process of this test's own: killed and started again on the same port and data.

    With ``proxy_port`` it has a second listener, on ``proxied_port``, whose advertised address is that port of this
    machine: clients that come through a proxy there stay behind it. ``more``: properties of its own.
    """

    def __init__(self, proxy_port: int | None = None, more: Mapping[str, int] = {}) -> None:  # only read
        self._java, self._libs = java(), _jars()
        self._folder = Path(tempfile.mkdtemp(prefix="hangtag-kafka-"))
        self._process: subprocess.Popen[bytes] | None = None
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        self.proxy_port = proxy_port or 0
        self.proxied_port = free_port()
        proxied = (self.proxied_port, proxy_port) if proxy_port else None
        self._config = self._folder / "server.properties"
        added = "".join(f"{name}={value}\n" for name, value in more.items())
        self._config.write_text(_properties(self._folder, port, free_port(), proxied) + added)

    def start(self) -> None:
        """Start it, on whatever data there is. Raises RuntimeError when it does not come up."""
        if not (self._folder / "data").exists():
            format_storage = ("kafka.tools.StorageTool", "format", "-t", "aGFuZ3RhZy10ZXN0cy0wMQ", "-c", self._config)
            made = subprocess.run([*self._command(), *format_storage], capture_output=True, text=True, timeout=60)
            if made.returncode:
                said = f"{made.stdout}{made.stderr}"[-_TOLD:]
                raise RuntimeError(f"the broker's storage was not made, exit status {made.returncode}: {said}")
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen([*self._command(), "kafka.Kafka", self._config], stdout=log, stderr=log)
        try:
            admin = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
            until_up("the broker", self._process, _START_SECONDS, lambda: admin.list_topics(timeout=2))
        except Exception:
            self.stop()
            raise

    def kill(self) -> None:
        """SIGKILL; the data stays."""
        self._end("kill")

    def terminate(self) -> None:
        """SIGTERM, and wait until it has shut down; the data stays."""
        self._end("terminate")

    def stop(self) -> None:
        """End it and throw its data away."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _end(self, how: Literal["kill", "terminate"]) -> None:
        if self._process is not None:
            getattr(self._process, how)()
            self._process.wait()
            self._process = None

    def _command(self) -> list[str]:
        logging = f"-Dlog4j2.configurationFile={_POM.parent / 'log4j2.yaml'}"
        # One compiler only, as in the image: what the better one gains, a broker of a test does not live to see.
        quick = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
        return [self._java, "-Xmx512m", *quick, logging, "-cp", f"{self._libs}/*"]


def _jars() -> Path:
    if not any(_LIBS.glob("kafka_*.jar")):
        goal = ("dependency:copy-dependencies", f"-DoutputDirectory={_LIBS}", "-DincludeScope=runtime")
        maven("-f", str(_POM), *goal)
    return _LIBS


def _properties(folder: Path, port: int, controller: int, proxied: tuple[int, int] | None) -> str:
    listeners, advertised = f"PLAINTEXT://127.0.0.1:{port}", f"PLAINTEXT://127.0.0.1:{port}"
    if proxied:
        listeners += f",PROXIED://127.0.0.1:{proxied[0]}"
        advertised += f",PROXIED://127.0.0.1:{proxied[1]}"
    groups = "\n".join(f"{name}={value}" for name, value in _CONSUMER_GROUPS.items())
    return f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listeners},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={advertised}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={folder / "data"}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
{groups}
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""
