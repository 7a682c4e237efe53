"""A copy of a checkpoint with a pair of towers beside its own; its heads, thresholds and towers are the same files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from model.config import FORMAT, ModelConfig
from model.errors import ModelError
from model.towers.pair import bring_pair
from model.towers.spec import parse_source
from model.weights import load, locate, seal, verify


def add_pair(checkpoint: Path, source: str, out: Path) -> Path:
    """Write the copy to the new folder ``out``; gives it. Raises ModelError."""
    if out.exists():
        raise ModelError(f"{out} exists; name a new folder for the checkpoint with the pair")
    parsed = parse_source(source)
    verify(locate(str(checkpoint)))
    shutil.copytree(checkpoint, out)
    shutil.rmtree(out / "towers" / "pair", ignore_errors=True)
    try:
        settings = bring_pair(parsed, out)
        replace(ModelConfig.load(out / "config.json"), pair=settings, format=FORMAT).save(out / "config.json")
        notice = f"The pair of towers was taken from: {parsed}.\nIts licence is that of its source. Stored as fp16.\n"
        (out / "LICENSES").mkdir(exist_ok=True)
        (out / "LICENSES" / "pair.txt").write_text(notice, encoding="utf-8")
        seal(out)
        load(out)  # what cannot be read is found here, not by a worker
    except Exception:
        shutil.rmtree(out)
        raise
    return out
