"""What ``hangtag train --preset`` makes: a name of those in ``presets/``, or a TOML file of one's own.

kind = "tagger"                     # what the worker runs; or "reference" (see `model.reference`)
epochs = 36
patience = 8                        # passes without gain on held-out families that end training; 0: all epochs
image_tower = "efficientnet-lite0"  # see `model.towers.spec`
text_tower = "all-MiniLM-L6-v2"
[model]                             # fields of `model.config.ModelConfig`
fusions = ["gated", "residual"]
memory_rows = 20000                 # training listings to remember at most; 0: none
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from model.config import ModelConfig
from model.errors import ModelError
from model.fusions.registry import refuse_other_fusions
from model.reference.config import ReferenceConfig, refuse_kinds
from model.scenes.ground import NUM_MEASURES
from model.towers.spec import DEFAULT_IMAGE, DEFAULT_TEXT, TowerSpec, parse_image, parse_text

Kind = Literal["tagger", "reference"]

_FOLDER = Path(__file__).parent / "presets"
_OPEN = (
    "name",
    "fusions",
    "modality_dropout",
    "region_grid",
    "part_tokens",
    "hidden_dim",
    "joint_dim",
    "tuned_text_layers",
    "tuned_image_blocks",
    "image_details",
    "memory_rows",
)


SHIPPED = ModelConfig(image_details=(1, 2, 3), ground_dim=NUM_MEASURES, memory_rows=20_000)


@dataclass(frozen=True, slots=True)
class Preset:
    """A tagger's configuration and how long to train it, or a reference model's configuration."""

    kind: Kind = "tagger"
    epochs: int = 36
    patience: int = 8
    model: ModelConfig = field(default_factory=lambda: SHIPPED)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    image_tower: str = DEFAULT_IMAGE
    text_tower: str = DEFAULT_TEXT


def preset_names() -> tuple[str, ...]:
    """Those that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_preset(preset: str) -> Preset:
    """By name or by file. Raises ModelError naming what is unknown or wrong."""
    path = _FOLDER / f"{preset}.toml" if preset in preset_names() else Path(preset)
    if not path.is_file():
        raise ModelError(f"--preset {preset!r} is no file and none of {', '.join(preset_names())}")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{path.name} is not TOML: {error}") from error
    if unknown := sorted(set(found) - {one.name for one in fields(Preset)}):
        raise ModelError(
            f"{path.name}: unknown key {unknown[0]!r}; the keys are {', '.join(one.name for one in fields(Preset))}"
        )
    if found.get("kind", "tagger") not in ("tagger", "reference"):
        raise ModelError(f"{path.name}: kind {found['kind']!r} is none; write tagger or reference")
    usual = Preset()
    return Preset(
        found.get("kind", "tagger"),
        _counted(path, found, "epochs", usual.epochs, least=1),
        _counted(path, found, "patience", usual.patience, least=0),
        _model(path, found.get("model", {})),
        ReferenceConfig.from_table(path.name, found.get("reference", {})),
        _tower(path, found, "image_tower", DEFAULT_IMAGE, parse_image),
        _tower(path, found, "text_tower", DEFAULT_TEXT, parse_text),
    )


def _tower(path: Path, found: Mapping[str, Any], key: str, default: str, parse: Callable[[str], TowerSpec]) -> str:
    value = found.get(key, default)
    if not isinstance(value, str):
        raise ModelError(f"{path.name}: {key} is {value!r}; write it as 'hangtag train --help' says")
    parse(value)
    return value


def _counted(path: Path, found: Mapping[str, Any], key: str, default: int, *, least: int) -> int:
    value = found.get(key, default)
    if not isinstance(value, int) or value < least:
        raise ModelError(f"{path.name}: {key} is {value!r}; write a whole number from {least} on")
    return value


def _model(path: Path, table: Mapping[str, Any]) -> ModelConfig:
    if unknown := sorted(set(table) - set(_OPEN)):
        raise ModelError(f"{path.name}: [model] has no {unknown[0]!r} to set; it has {', '.join(_OPEN)}")
    refuse_kinds(f"{path.name}: [model]", table, ModelConfig())
    names = table.get("fusions", ["gated"])
    refuse_other_fusions(names, f"{path.name}: ")
    if len(set(names)) < len(names):
        raise ModelError(f"{path.name}: fusions names one twice")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
    if given.get("memory_rows", 0) < 0:
        raise ModelError(f"{path.name}: [model] memory_rows is {given['memory_rows']}; write 0, for none, or more")
    return replace(SHIPPED, **{**given, "fusions": tuple(names)})
