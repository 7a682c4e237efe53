"""`hangtag --version` names program, schemas and checkpoint; the forge's CI runs what everybody runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from model.place import SHIPPED, digest_of_all
from schemas.export import CONTRACT_VERSION
from tests.deploy_files import ROOT
from tests.program import hangtag

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"


def test_all_three_are_named() -> None:
    """On a pipe: one JSON object."""
    told = json.loads(hangtag("--version").stdout)
    assert (told["program"], told["schemas"]) == (version("hangtag"), CONTRACT_VERSION)
    assert (told["checkpoint"], told["digest"]) == ("hangtag-base", digest_of_all(SHIPPED))
    assert "listing.attributes.v1" in told["events"]


@pytest.mark.parametrize("comes_first", [True, False])
def test_the_checkpoint_is_the_one_of_the_settings(tmp_path: Path, comes_first: bool) -> None:
    """Another folder with another table of digests has another version, wherever the option stands."""
    shutil.copy(SHIPPED / "config.json", tmp_path)
    (tmp_path / "digests.json").write_text("{}")
    options = [["--set", f"model.checkpoint={tmp_path}"], ["--version"]]
    told = json.loads(hangtag(*(word for option in options[:: 1 if comes_first else -1] for word in option)).stdout)
    assert told["digest"] == digest_of_all(tmp_path) != digest_of_all(SHIPPED)


def test_a_folder_that_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    """The error says which folder, and what to do."""
    told = hangtag("--set", f"model.checkpoint={tmp_path}", "--version")
    assert told.returncode == 1
    assert str(tmp_path) in told.stderr
    assert "leave it empty for the shipped one" in told.stderr


def test_asking_is_cheap() -> None:
    """No torch, no Kafka client: the answer needs neither."""
    program = "import worker.versions as v, sys; v.find_versions(''); print([m for m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert not {"'torch'", "'confluent_kafka'"} & set(re.findall(r"'\w+'", done.stdout))


def test_the_forge_runs_what_everybody_runs() -> None:
    """One step of ours, `.ci/run`; actions pinned by commit; no rights but to read."""
    workflow = yaml.safe_load(WORKFLOW.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert [step["run"].split()[-1] for step in job["steps"] if "run" in step] == [".ci/run"]
    used = [step["uses"] for step in job["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name in used)
