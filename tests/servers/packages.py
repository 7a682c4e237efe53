"""A program that the machine lacks, from Debian's packages, where that is allowed."""

from __future__ import annotations

import os
import shutil
import subprocess


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
