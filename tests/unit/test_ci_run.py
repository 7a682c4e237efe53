"""`.ci/run` with tools that only take part: what runs beside the linters ends with it, and its failure is CI's."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = "docker dockerd debootstrap mvn java redis-server promtool python3 apt-get"
END_SECONDS = 50


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with `.ci/run`, and the two scripts that it calls."""

    path: Path

    @classmethod
    def made(cls, path: Path, make: str, build: str) -> Checkout:
        """``make`` and ``build``: what `make` and `tests/images/build` do, in bash."""
        (path / ".ci").mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "run", path / ".ci" / "run")
        os.mkfifo(path / "begun")
        scripts = {f"bin/{tool}": "exit 0" for tool in TOOLS.split()}
        for name, script in {**scripts, "bin/make": make, "tests/images/build": build}.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
            (path / name).chmod(0o755)
        (path / ".venv" / "bin").mkdir(parents=True)
        shutil.copy(path / "bin" / "java", path / ".venv" / "bin" / "python")
        return cls(path)

    def run(self, *, pass_fds: tuple[int, ...] = ()) -> subprocess.CompletedProcess[str]:
        """`.ci/run`, to its end."""
        environment = {"PATH": f"{self.path / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(self.path)}
        return subprocess.run(
            [self.path / ".ci" / "run"], env=environment, capture_output=True, text=True, timeout=END_SECONDS,
            check=False, pass_fds=pass_fds,
        )  # fmt: skip


@pytest.mark.parametrize("failing", ["install", "lint", "wheel-test"])
def test_nothing_runs_on_after_a_step_that_failed(tmp_path: Path, failing: str) -> None:
    """Whatever the build of images has started holds the pipe open, and is gone with the script."""
    reading, writing = os.pipe()
    checkout = Checkout.made(
        tmp_path,
        make=f'[ "$1" != {failing} ] || {{ read -r < begun; exit 7; }}',
        build="trap 'echo tidied > tidied' EXIT\n(echo > begun; sleep 120) &\nsleep 120",
    )
    done = checkout.run(pass_fds=(writing,))
    os.close(writing)
    assert done.returncode == 7
    with os.fdopen(reading, "rb", buffering=0) as held:
        assert select.select([held], [], [], END_SECONDS)[0] == [held]  # its end: nobody has the other one
        assert held.read() == b""
    assert (tmp_path / "tidied").read_text() == "tidied\n"


def test_images_that_cannot_be_built_fail_the_run_and_say_why(tmp_path: Path) -> None:
    """After the linters, whose failure would be told first; no test runs."""
    checkout = Checkout.made(tmp_path, make='echo "make $1"', build="echo 'no space left'; exit 3")
    done = checkout.run()
    assert done.returncode == 1
    assert "no space left" in done.stderr
    assert done.stdout.split("\n")[:-1] == ["make install", "make lint", "make wheel-test"]


def test_all_is_done_when_nothing_fails(tmp_path: Path) -> None:
    """Images are ready before the first test that may need them."""
    checkout = Checkout.made(
        tmp_path, make='[ "$1" != test ] || [ -e built ] || exit 9; echo "make $1"', build="touch built"
    )
    done = checkout.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if line.startswith("make")][-2:] == [
        "make test",
        "make reliability",
    ]
    assert not list(tmp_path.glob("tmp.*"))
