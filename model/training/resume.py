"""What a run of training has finished, kept in its ``out`` folder until the checkpoint is whole.

A run that was killed goes on after the last part that it had finished, if it is the same run: same data, features,
configuration and seed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.errors import ModelError
from model.training.kept import kept

Tensors = Mapping[str, torch.Tensor]


UNFINISHED = "unfinished"


def refuse_taken(out: Path) -> None:
    """Raise ModelError unless ``out`` is a folder to be made, an empty one, or that of a run that was killed: what lies
    in any other would be overwritten, or sealed into the checkpoint.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise ModelError(f"--out: {out} is a file; name a new folder for the checkpoint")
    if (out / "digests.json").exists():
        raise ModelError(f"--out: {out} holds a finished checkpoint; name a new folder, or remove that one first")
    found = sorted(path.name for path in out.iterdir())
    if found and not (out / UNFINISHED).is_dir():
        raise ModelError(f"--out: {out} holds {found[0]} and no unfinished run; name a new or an empty folder")


def begin(out: Path) -> None:
    """Make ``out``, with nothing in it but what a run that was killed had finished. Raises ModelError."""
    refuse_taken(out)
    try:
        (out / UNFINISHED).mkdir(parents=True, exist_ok=True)
        for path in out.iterdir():
            if path.name == UNFINISHED:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise ModelError(f"--out: {out} cannot be written: {error.strerror}; name another folder") from error


class Unfinished:
    """Finished parts of the run that ``key`` tells from others. Those of another run are thrown away."""

    def __init__(self, folder: Path, key: str, log: Callable[[str], None]) -> None:
        self._folder = folder
        self._log = log
        state = folder / "run.json"
        if state.is_file() and _key_in(state) != key:
            log("an unfinished run with other data or settings is thrown away")
            self.clear()
        folder.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"key": key}) + "\n", encoding="utf-8")

    def part(self, name: str, compute: Callable[[], Tensors]) -> dict[str, torch.Tensor]:
        """A part by name: as it was kept, or computed and kept."""
        path = self._folder / f"{name}.safetensors"
        if path.is_file():
            self._log(f"{name}: finished before")
        return kept(path, compute)

    def has(self, name: str) -> bool:
        """Was this part finished before?"""
        return (self._folder / f"{name}.safetensors").is_file()

    def clear(self) -> None:
        """Nothing is unfinished any more. The folder stays, and says whose ``out`` it is, until ``close``."""
        for path in self._folder.iterdir():
            path.unlink()

    def close(self) -> None:
        """The checkpoint is whole: remove the folder, in which nothing is left."""
        self._folder.rmdir()


def key_of(*parts: Any) -> str:
    """A digest that changes with any of the parts: arrays by what is in them, others by how they are written."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, torch.Tensor):
            part = part.numpy()
        digest.update(np.ascontiguousarray(part).data if isinstance(part, np.ndarray) else repr(part).encode())
    return digest.hexdigest()


def _key_in(state: Path) -> str | None:
    try:
        found = json.loads(state.read_text(encoding="utf-8"))
    except ValueError:  # killed while it was written
        return None
    return found.get("key") if isinstance(found, dict) else None
