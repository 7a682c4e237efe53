"""Tensors that are dear to compute, kept in files: one that is there is whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from stat import S_IMODE
from uuid import uuid4

import torch
from safetensors.torch import load_file, save_file


def kept(path: Path, compute: Callable[[], Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """What the safetensors file at ``path`` has; where there is none it is computed, and the file written.

    Under another name first, which is then changed: a run that was stopped leaves no half a file, and two at once do
    no harm.
    """
    if path.is_file():
        found: dict[str, torch.Tensor] = load_file(path)
        return found
    found = {name: value.contiguous() for name, value in compute().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{uuid4().hex}.new")
    save_as_usual(found, partial)
    partial.replace(path)
    return found


def save_as_usual(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """A safetensors file that whoever may read files of this process may read; the library's own are its owner's."""
    path.touch()
    mode = S_IMODE(path.stat().st_mode)
    save_file(dict(tensors), path)
    path.chmod(mode)
