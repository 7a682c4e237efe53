"""The wheel holds what it should, and works in an empty environment, with its dependencies by the lock.

The environment takes seconds where uv has the packages in its cache, as after ``make install``. Loading torch there for
the first time takes a minute, so that part is left to ``make wheel-test``, which CI runs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.topics import EVENT_TOPICS
from tests.deploy_files import ROOT

pytestmark = pytest.mark.timeout(900)
PACKAGES = ("worker", "model", "schemas")
at_leisure = pytest.mark.skipif(os.environ.get("TEST_WHEEL") != "full", reason="takes a minute: make wheel-test")


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with the wheel in it, far from this repository."""

    folder: Path

    def run(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """A program of the environment to its end, without anything from our environment's variables."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        program = str(self.folder / "bin" / words[0])
        return subprocess.run(
            [program, *words[1:]], input=stdin, capture_output=True, text=True, timeout=300, cwd=self.folder,
            env={**kept, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip


def _uv(*words: str) -> None:
    """Run uv, quietly. Where it is not, the test is skipped with the remedy; in CI it fails."""
    found = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("uv is not here: run make install, or pip install uv")
    done = subprocess.run([str(found), *words, "--quiet"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    _uv("build", "--wheel", "--out-dir", str(folder))
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in an environment of its own."""
    folder = tmp_path_factory.mktemp("empty") / "venv"
    python = str(folder / "bin" / "python")
    _uv("venv", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--python", python, "-c", "requirements.lock", str(wheel))
    return Installed(folder)


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every file of the three packages, weights and samples too; no test, no deployment."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == ours


def test_licences_go_with_it(wheel: Path) -> None:
    """Ours, and those of the weights."""
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/licenses/" in name]
    assert {name.rsplit("/", 1)[1] for name in names} >= {"LICENSE", "efficientnet-lite0.txt", "all-MiniLM-L6-v2.txt"}


def test_it_runs_from_where_it_was_installed(installed: Installed) -> None:
    """The packages are the installed ones, and the version is told."""
    done = installed.run("python", "-c", "import worker, model, schemas; print(worker.__file__)")
    assert done.stdout.startswith(str(installed.folder)), done.stderr
    told = json.loads(installed.run("hangtag", "--version").stdout)
    assert told["events"] == [row.event_type for row in EVENT_TOPICS]


@at_leisure
def test_it_tags_a_listing(installed: Installed) -> None:
    """Model, tokeniser, taxonomy and thresholds are all in the wheel."""
    done = installed.run("hangtag", "tag", "-", stdin='{"listing_id": "one", "title": "red leather boots, UK 7"}\n')
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["attributes"]["attributes"]["color"]["values"][0]["value"] == "red"


@at_leisure
def test_the_demo_runs_from_it(installed: Installed) -> None:
    """Broker, image host, sample photos, OCR: every listing ends in three events or a dead letter."""
    done = installed.run("hangtag", "demo", "--listings", "6", "--out", "out")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in (installed.folder / "out" / "events.jsonl").read_text().splitlines()]
    counts = Counter(event["topic"] for event in events)
    dead = sum(number for topic, number in counts.items() if topic.startswith("dlq."))
    assert counts["listings.attributes"] == counts["listings.scenes"] == counts["listings.texts"] == 6 - dead
    assert (installed.folder / "out" / "report.html").stat().st_size > 10_000
