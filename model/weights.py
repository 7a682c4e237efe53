"""A checkpoint's folder: where it is, what is in it, and that it is whole.

    config.json  labels.json  heads.safetensors  calibration.safetensors  towers/…  MODEL_CARD.md  LICENSES/
    digests.json

Every file but ``digests.json`` is verified before it is read. Nothing is unpickled, nothing is downloaded, and no file
may be there that could hold code. Digests prove that a checkpoint is whole, not who made it: whoever can write into the
folder can seal it again, and then gets no further than wrong tags.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from torch.overrides import TorchFunctionMode

from model.calibrate import Outcomes
from model.config import ModelConfig
from model.errors import CheckpointError, reading
from model.fusion import FusionModel
from model.honesty import Curve
from model.image import ImageTower
from model.packing import pack, unpack
from model.place import SHIPPED as SHIPPED  # part of this file's face, as is locate
from model.place import locate as locate
from model.pool import Pool
from model.presence.text_presence import TextPresence, load_presence
from model.reference.config import is_reference
from model.runtime.quantise import Quantisation, load_quantisation
from model.text import TextTower
from model.towers.registry import build_image, build_text

if TYPE_CHECKING:
    from model.towers.pair import Pair  # imports transformers, which only a checkpoint with a pair needs

# What is read from a checkpoint: a file without a digest would be read unverified.
REQUIRED = (
    "config.json",
    "labels.json",
    "calibration.safetensors",
    "heads.safetensors",
    "towers/image.safetensors",
    "towers/text/config.json",
    "towers/text/model.safetensors",
    "towers/text/tokenizer.json",
)
TUNED_FILES = {"tuned_image": "towers/image_tuned.safetensors", "tuned_text": "towers/text/tuned.safetensors"}
_READABLE = (".json", ".safetensors", ".md", ".txt")  # no format that can carry code
_TOWER_NAME = re.compile(r"(torchvision:)?[a-z0-9_]+")  # timm would download what begins with hf-hub:
_CODE_NAMES = ("auto_map", "attn_implementation", "_attn_implementation", "custom_pipelines", "trust_remote_code")
_RANDOM = (torch.Tensor.normal_, torch.Tensor.uniform_)
_DESCRIPTIONS = ("towers/image/config.json", "towers/text/config.json", "towers/pair/config.json")


@dataclass(frozen=True, slots=True)
class Calibrated:
    """An attribute declared by prompts, calibrated on outcomes; it holds for the prompts with that digest alone."""

    prompts: str
    temperature: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Values by attribute in the heads' order, and how the heads are pooled.

    ``published_types`` are the product types with enough training rows to be named; the others only count for
    categories.
    """

    values: Mapping[str, tuple[str, ...]]
    published_types: tuple[str, ...]
    pools: Mapping[str, Pool]
    scene_temperature: float
    association: tuple[float, ...]  # weights of the pair's features and, last, the offset (see `model.association`)
    doubts: Mapping[str, float]  # see `model.labels.Labels`
    prompted: Mapping[str, Calibrated] = field(default_factory=dict)  # attributes declared by prompts
    curves: Mapping[str, Mapping[str, Curve]] = field(default_factory=dict)  # see `model.labels.Labels`

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "values": {name: list(values) for name, values in self.values.items()}}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Vocabulary:
        """What ``to_json`` gave."""
        return cls(
            {name: tuple(values) for name, values in found["values"].items()},
            tuple(found["published_types"]),
            {name: Pool.from_json(pool) for name, pool in found["pools"].items()},
            found["scene_temperature"],
            tuple(found["association"]),
            found["doubts"],
            {name: Calibrated(**one) for name, one in found.get("prompted", {}).items()},
            {name: {side: Curve(**one) for side, one in sides.items()} for name, sides in found["curves"].items()},
        )


@dataclass(frozen=True)  # without slots: what is cached needs a place
class Checkpoint:
    """Everything a folder holds, on the CPU, float32. The towers are read when somebody asks for them as modules:
    an engine that makes its own of their files never does.
    """

    folder: Path
    config: ModelConfig
    vocabulary: Vocabulary
    fusion: FusionModel
    outcomes: Mapping[str, dict[str, Outcomes]]  # attribute -> side
    digests: Mapping[str, str]
    presence: TextPresence | None = None
    pair: Pair | None = None
    quantisation: Quantisation | None = None  # None: int8 is not offered

    @property
    def image(self) -> ImageTower:
        """The image tower. Raises CheckpointError."""
        return self._towers[0]

    @property
    def text(self) -> TextTower:
        """The text tower. Raises CheckpointError."""
        return self._towers[1]

    @cached_property
    def _towers(self) -> tuple[ImageTower, TextTower]:
        return load_towers(self.folder, self.config)


def verify(folder: Path) -> dict[str, str]:
    """Digests by file. Raises CheckpointError naming the file that is missing, differs or does not belong there."""
    try:
        digests: dict[str, str] = json.loads((folder / "digests.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / 'digests.json'} cannot be read: {error}") from error
    if not isinstance(digests, dict):
        raise CheckpointError(f"{folder / 'digests.json'} is not a table of files and digests; copy the folder again")
    _refuse_strangers(folder, digests)
    for name, wanted in digests.items():
        path = _inside(folder, name)
        if not path.is_file():
            raise CheckpointError(f"the checkpoint lacks {name}; copy the folder again")
        if digest_of(path) != wanted:
            raise CheckpointError(f"{name} of the checkpoint does not match its digest: it is damaged or was changed")
    return digests


def _refuse_strangers(folder: Path, digests: Mapping[str, str]) -> None:
    """A file that nobody sealed is read by nobody, but may be there to be picked up by something else."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name not in digests and name != "digests.json" and not (path.is_dir() and not path.is_symlink()):
            raise CheckpointError(f"the checkpoint holds {name}, which its digests.json does not list; remove it")


def _inside(folder: Path, name: str) -> Path:
    """The file meant by a name of ``digests.json``: of a harmless kind, and in the folder, also behind symlinks."""
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or "\0" in name:
        raise CheckpointError(f"digests.json of the checkpoint names {name!r}, outside its folder; do not use it")
    if pure.suffix not in _READABLE:
        raise CheckpointError(
            f"the checkpoint holds {name}; weights are read from safetensors alone, as other formats "
            "(pickles: .bin, .pt, .pth, .ckpt) can run code when they are loaded; convert it where that does no harm"
        )
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise CheckpointError(f"{name} of the checkpoint is a link that leads out of its folder; copy the file itself")
    return path


def digest_of(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(folder: Path) -> None:
    """Write ``digests.json`` over all files of the folder; whoever the umask lets read new files may read all.

    safetensors writes files that only their owner may read, and a container often runs as somebody else.
    """
    own = ("digests.json", "digests.json.new")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in own)
    digests = {path.relative_to(folder).as_posix(): digest_of(path) for path in files}
    fresh = folder / "digests.json.new"
    fresh.write_text(json.dumps(digests, indent=2) + "\n", encoding="utf-8")
    wanted = fresh.stat().st_mode & 0o666
    fresh.replace(folder / "digests.json")
    for path in files:
        mode = path.stat().st_mode & 0o7777
        if mode | wanted != mode:
            path.chmod(mode | wanted)


def load(folder: Path) -> Checkpoint:
    """Verify and load. Raises CheckpointError."""
    digests = verify(folder)
    if is_reference(folder):
        raise CheckpointError(
            "this is a reference model, to be measured with 'hangtag evaluate'; the worker runs taggers"
        )
    unsealed = [name for name in REQUIRED if name not in digests]
    if unsealed:
        raise CheckpointError(f"digests.json of the checkpoint lists no digest of {unsealed[0]}; copy the folder again")
    with reading("config.json"):
        config = ModelConfig.load(folder / "config.json")
    with reading("labels.json"):
        vocabulary = Vocabulary.from_json(json.loads((folder / "labels.json").read_text(encoding="utf-8")))
    _check_towers(folder, config)
    with reading("config.json"), _NoStart():
        fusion = FusionModel(config, {name: len(values) for name, values in vocabulary.values.items()})
    _fill(fusion, folder / "heads.safetensors")
    with reading("calibration.safetensors"):
        outcomes = _load_outcomes(folder / "calibration.safetensors")
    with reading("text_presence.safetensors"):
        presence = load_presence(folder, config.image_dim)
    with reading("int8.safetensors"):
        quantisation = load_quantisation(folder)
    pair = _load_pair(folder, config) if config.pair else None
    return Checkpoint(folder, config, vocabulary, fusion.eval(), outcomes, digests, presence, pair, quantisation)


class _NoStart(TorchFunctionMode):
    """Modules are made without the random numbers that training begins with: what they hold is read next."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in _RANDOM:
            return args[0]
        return function(*args, **(kwargs or {}))


def _load_pair(folder: Path, config: ModelConfig) -> Pair:
    from model.towers.pair import open_pair

    with reading("towers/pair"):
        model, pair = open_pair(folder, config.pair, config.image_side)
    _fill(model, folder / "towers" / "pair" / "model.safetensors")
    return pair


def _load_outcomes(path: Path) -> dict[str, dict[str, Outcomes]]:
    outcomes: dict[str, dict[str, Outcomes]] = {}
    tables = load_arrays(path)
    for key in sorted(name.removesuffix(".scores") for name in tables if name.endswith(".scores")):
        attribute, side = key.split(".")
        outcomes.setdefault(attribute, {})[side] = Outcomes(
            tables[f"{key}.scores"], tables[f"{key}.right"].astype(bool)
        )
    return outcomes


def load_towers(folder: Path, config: ModelConfig) -> tuple[ImageTower, TextTower]:
    """Both towers of a checkpoint, ready to run. Raises CheckpointError."""
    _check_towers(folder, config)
    with reading("config.json"):
        image = build_image(folder, config)
    _fill(image.net, folder / "towers" / "image.safetensors")
    if config.tuned_image_blocks:
        _fill(image.tune(), folder / TUNED_FILES["tuned_image"])
    with reading("towers/text"):
        text = build_text(folder, config)
    _fill(text.net, folder / "towers" / "text" / "model.safetensors")
    if config.tuned_text_layers:
        text.tuned = text.last_layers(config.tuned_text_layers)
        _fill(text.tuned, folder / TUNED_FILES["tuned_text"])
    return image.eval(), text.eval()


def save_heads(folder: Path, fusion: FusionModel) -> None:
    """Write the trained part; see `model.packing`."""
    save_file(pack(fusion.state_dict()), folder / "heads.safetensors")


def save_outcomes(folder: Path, outcomes: Mapping[str, Mapping[str, Outcomes]]) -> None:
    """Write what thresholds are found from."""
    tables = {}
    for attribute, sides in outcomes.items():
        for side, found in sides.items():
            tables[f"{attribute}.{side}.scores"] = found.scores.astype("float32")
            tables[f"{attribute}.{side}.right"] = found.right.astype("uint8")
    save_arrays(tables, folder / "calibration.safetensors")


def _check_towers(folder: Path, config: ModelConfig) -> None:
    """Refuse descriptions of towers that would make a library fetch or run something."""
    if not _TOWER_NAME.fullmatch(str(config.image_tower)):
        raise CheckpointError(f"image_tower {config.image_tower!r} in config.json is no name of an architecture")
    for name in _DESCRIPTIONS:
        with reading(name):
            if (folder / name).is_file():
                _refuse_code(name, json.loads((folder / name).read_text(encoding="utf-8")))


def _refuse_code(file: str, told: Mapping[str, Any]) -> None:
    """Refuse what makes transformers look for code elsewhere."""
    if asked := [name for name in _CODE_NAMES if told.get(name)]:
        raise CheckpointError(f"{file} asks for code of its own ({asked[0]}); remove that entry")


def _fill(module: torch.nn.Module, path: Path) -> None:
    with reading(path.name):
        found = load_file(path)
    try:
        module.load_state_dict(unpack(found))
    except RuntimeError as error:
        raise CheckpointError(f"{path.name} does not fit the checkpoint's config.json: {str(error)[:300]}") from error
