"""What every server has: an address, words on how it was got, and an end."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field


class MissingServerError(Exception):
    """No way led to the server. The message says what was tried and what to install or set."""


@dataclass(slots=True)
class Server:
    """A server that answers at ``address``. ``how`` is printed above the tests."""

    address: str
    how: str
    stop: Callable[[], None] = field(default=lambda: None)


_given: set[int] = set()


def free_port() -> int:
    """A TCP port that nothing listens on, another one each time: a broker with two listeners on one does not start."""
    while True:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


def until_up(name: str, process: subprocess.Popen[bytes], within_seconds: float, ask: Callable[[], object]) -> None:
    """Ask a server until it answers, which is when ``ask`` raises nothing.

    Raises RuntimeError when its process ends or it takes too long.
    """
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ask()
        except Exception:  # of whatever kind its client has
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{name} did not come up")


def wants(kind: str) -> bool:
    """Is this way allowed? ``TEST_SERVERS`` is ``auto`` (all), ``docker`` or ``local``."""
    return os.environ.get("TEST_SERVERS", "auto") in ("auto", kind)


def docker_answers() -> bool:
    """Is a Docker engine there?"""
    import docker
    from docker.errors import DockerException

    try:
        with closing(docker.from_env(timeout=5)) as engine:
            engine.ping()
    except DockerException:
        return False
    return True


def image(variable: str, ours: str, public: str) -> str:
    """The image named by the environment; else the one `tests/images/build` makes, if it is there; else the public
    one.
    """
    import docker
    from docker.errors import DockerException

    if named := os.environ.get(variable):
        return named
    try:
        with closing(docker.from_env(timeout=5)) as engine:
            engine.images.get(ours)
    except DockerException:
        return public
    return ours


def first_that_works(name: str, ways: list[tuple[str, Callable[[], Server]]]) -> Server:
    """The first way that leads to a server. Raises MissingServerError with what each way said."""
    tried = []
    for words, way in ways:
        try:
            return way()
        except Exception as error:  # whatever stops one way, the next may work
            tried.append(f"{words}: {str(error)[:200] or type(error).__name__}")
    raise MissingServerError(
        f"no {name} for the tests. Tried {'; '.join(tried) or 'nothing: TEST_SERVERS forbids all'}"
    )
