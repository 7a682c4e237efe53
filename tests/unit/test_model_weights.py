"""A checkpoint is whole or it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from model.errors import CheckpointError
from model.weights import SHIPPED, locate, seal, verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small sealed folder."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "towers").mkdir()
    (tmp_path / "towers" / "image.safetensors").write_bytes(b"weights")
    seal(tmp_path)
    return tmp_path


def test_sealed_folder_verifies(folder: Path) -> None:
    """What was sealed is found whole, nested files included."""
    assert set(verify(folder)) == {"config.json", "towers/image.safetensors"}


def test_changed_file_is_named(folder: Path) -> None:
    """One changed byte is enough, and the file is named."""
    (folder / "towers" / "image.safetensors").write_bytes(b"weightz")
    with pytest.raises(CheckpointError, match=r"image\.safetensors"):
        verify(folder)


def test_missing_file_is_named(folder: Path) -> None:
    """A file that is gone is named."""
    shutil.rmtree(folder / "towers")
    with pytest.raises(CheckpointError, match="lacks"):
        verify(folder)


def test_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    """Any other folder, or a name that is none, is told apart before anything is read."""
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        locate(str(tmp_path))


def test_shipped_checkpoint_is_whole_and_small() -> None:
    """Every shipped file matches its digest; sizes stay within the project's limits."""
    digests = verify(locate(""))
    sizes = {name: (SHIPPED / name).stat().st_size for name in digests}
    assert sizes["heads.safetensors"] < 25e6
    assert max(sizes.values()) < 50e6
    assert sum(sizes.values()) < 80e6
    assert json.loads((SHIPPED / "labels.json").read_text())["values"]["scene"]
