"""The program as an operator starts it: ``hangtag …`` in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = (sys.executable, "-c", "from worker.cli import main; main()")


def hangtag(
    *arguments: str, stdin: str | None = None, folder: Path | str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin, capture_output=True, text=True, timeout=280, cwd=folder, env={**os.environ, **environment},
    )  # fmt: skip
