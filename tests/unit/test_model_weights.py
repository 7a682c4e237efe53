"""A checkpoint is whole or it is refused."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from model.errors import CheckpointError
from model.predictor import load_predictor
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


def test_whoever_may_read_new_files_may_read_all_of_a_checkpoint(folder: Path) -> None:
    """safetensors writes files for their owner alone; a container may run as somebody else."""
    (folder / "towers" / "image.safetensors").chmod(0o600)
    before = os.umask(0o027)
    try:
        seal(folder)
    finally:
        os.umask(before)
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*.safetensors")}
    assert modes == {0o640}
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


@pytest.mark.parametrize("name", ["model.pt", "towers/pytorch_model.bin", "state.pkl", "towers/code.py", "WEIGHTS.PTH"])
def test_formats_that_can_carry_code_are_refused(folder: Path, name: str) -> None:
    """Even with the right digest, and even if nobody would read it."""
    (folder / name).write_bytes(b"cos\nsystem\n.")
    seal(folder)
    with pytest.raises(CheckpointError, match=r"safetensors alone.*convert"):
        verify(folder)


def test_files_that_nobody_sealed_are_refused(folder: Path) -> None:
    """What digests.json does not list does not belong there."""
    (folder / "extra.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"extra\.json.*remove it"):
        verify(folder)


@pytest.mark.parametrize("name", ["../evil.json", "/tmp/evil.json", "towers/../../evil.json", "..\\evil.json"])
def test_names_that_lead_out_are_refused(folder: Path, name: str) -> None:
    """A manifest cannot make the worker read another place."""
    digests = json.loads((folder / "digests.json").read_text())
    (folder / "digests.json").write_text(json.dumps({**digests, name: "0" * 64}))
    with pytest.raises(CheckpointError, match="outside its folder"):
        verify(folder)


@pytest.mark.parametrize("is_inside", [True, False])
def test_links_may_not_leave_the_folder(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, is_inside: bool
) -> None:
    """A link within the folder is a file like any other; one that leads out is refused though its digest is right."""
    target = (folder if is_inside else tmp_path_factory.mktemp("outside")) / "target.json"
    target.write_text("{}")
    (folder / "link.json").symlink_to(target)
    seal(folder)
    if is_inside:
        assert "link.json" in verify(folder)
    else:
        with pytest.raises(CheckpointError, match="leads out"):
            verify(folder)


@pytest.mark.parametrize("name", ["org/model", "org/model@main", "org/model@" + "0" * 40])
def test_hub_names_are_told_from_folders(name: str) -> None:
    """Nothing is downloaded: the message says so, and what to do instead."""
    with pytest.raises(CheckpointError, match=r"downloads nothing.*pinned commit"):
        locate(name)


def test_a_damaged_manifest_is_refused(folder: Path) -> None:
    """Neither nonsense nor endless nesting gets further than a message."""
    for nonsense in ("[" * 100_000, "[]", "\x80", "{"):
        (folder / "digests.json").write_text(nonsense)
        with pytest.raises(CheckpointError, match=r"digests\.json"):
            verify(folder)


def test_loading_leaves_the_callers_threads_alone() -> None:
    """Loading itself uses one; with none asked for, torch's are as before, else as asked for."""
    before = torch.get_num_threads()
    try:
        load_predictor("", "cpu")
        assert torch.get_num_threads() == before
        load_predictor("", "cpu", num_threads=before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
