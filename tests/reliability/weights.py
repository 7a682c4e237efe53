"""Checkpoints that carry pickles: loading one would run a stranger's code next to the device."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model.errors import CheckpointError
from model.predictor import load_predictor
from model.runtime.engines import Engine
from model.weights import SHIPPED, seal
from tests.reliability.suite import Row, Trial

TITLE = "Weights: pickles under many names"

_ENGINES: tuple[Engine, ...] = ("torch", "auto")  # a tower is read by its library, or by a graph of our own
_HEADS, _IMAGE = "heads.safetensors", "towers/image.safetensors"


class Payload:
    """Makes a folder when it is unpickled: what a real one would do with a shell."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self._marker),)


@dataclass(frozen=True, slots=True)
class Attack:
    """A checkpoint that was tampered with. ``folder`` is a copy of the shipped one; ``marker`` appears if code ran."""

    folder: Path
    marker: Path

    @property
    def pickled(self) -> bytes:
        """The payload as a pickle."""
        return pickle.dumps(Payload(self.marker))

    def write(self, name: str, data: bytes) -> None:
        """Put a file into the folder, in place of the one that is there."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def zip(self, name: str) -> None:
        """The payload as torch.save writes it."""
        (self.folder / name).unlink(missing_ok=True)
        torch.save({"weight": Payload(self.marker)}, self.folder / name)

    def edit(self, name: str, **changes: Any) -> None:
        """Change entries of a JSON file."""
        found = json.loads((self.folder / name).read_text())
        self.write(name, json.dumps({**found, **changes}).encode())

    def list(self, name: str, digest: str) -> None:
        """Add an entry to digests.json as it is."""
        self.edit("digests.json", **{name: digest})


def _model_pt(attack: Attack) -> None:
    attack.zip("model.pt")


def _hub_bin(attack: Attack) -> None:
    attack.zip("towers/text/pytorch_model.bin")


def _upper_case_name(attack: Attack) -> None:
    attack.write("towers/WEIGHTS.PTH", attack.pickled)


def _heads_are_a_pickle(attack: Attack) -> None:
    attack.write(_HEADS, attack.pickled)


def _tower_is_a_zip(attack: Attack) -> None:
    attack.zip(_IMAGE)


def _text_tower_is_a_pickle(attack: Attack) -> None:
    attack.write("towers/text/model.safetensors", attack.pickled)


def _calibration_holds_objects(attack: Attack) -> None:
    with (attack.folder / "objects").open("wb") as file:
        np.savez(file, scores=np.array([Payload(attack.marker)], dtype=object))
    (attack.folder / "objects").replace(attack.folder / "calibration.safetensors")


def _tokenizer_is_a_pickle(attack: Attack) -> None:
    attack.write("towers/text/tokenizer.json", attack.pickled)


def _labels_are_a_pickle(attack: Attack) -> None:
    attack.write("labels.json", attack.pickled)


def _config_holds_base64(attack: Attack) -> None:
    attack.edit("config.json", state=base64.b64encode(attack.pickled).decode())


def _config_asks_for_code(attack: Attack) -> None:
    code = f"import os\nos.mkdir({str(attack.marker)!r})\n"
    attack.write("towers/text/modeling_evil.txt", code.encode())
    attack.edit("towers/text/config.json", auto_map={"AutoModel": "modeling_evil.Model"})


def _config_names_a_hub(attack: Attack) -> None:
    attack.edit("config.json", image_tower="hf-hub:nobody/nothing")


def _python_beside(attack: Attack) -> None:
    attack.write("towers/text/modeling_bert.py", f"import os\nos.mkdir({str(attack.marker)!r})\n".encode())


def _endless_header(attack: Attack) -> None:
    attack.write(_HEADS, (1 << 60).to_bytes(8, "little") + attack.pickled)


SEALED = (
    _model_pt, _hub_bin, _upper_case_name, _heads_are_a_pickle, _tower_is_a_zip, _text_tower_is_a_pickle,
    _calibration_holds_objects, _tokenizer_is_a_pickle, _labels_are_a_pickle, _config_holds_base64,
    _config_asks_for_code, _config_names_a_hub, _python_beside, _endless_header,
)  # fmt: skip


def _link_out(attack: Attack) -> None:
    """A file of the folder is a link to a pickle elsewhere, and its digest is right."""
    outside = attack.folder.parent / "outside.safetensors"
    outside.write_bytes(attack.pickled)
    (attack.folder / _HEADS).unlink()
    (attack.folder / _HEADS).symlink_to(outside)
    seal(attack.folder)


def _linked_folder(attack: Attack) -> None:
    outside = attack.folder.parent / "elsewhere"
    shutil.move(attack.folder / "towers", outside)
    (outside / "image.safetensors").write_bytes(attack.pickled)
    (attack.folder / "towers").symlink_to(outside)


def _dots_in_the_manifest(attack: Attack) -> None:
    (attack.folder.parent / "evil.safetensors").write_bytes(attack.pickled)
    attack.list("../evil.safetensors", "0" * 64)


def _absolute_in_the_manifest(attack: Attack) -> None:
    (attack.folder.parent / "evil.json").write_bytes(attack.pickled)
    attack.list(str(attack.folder.parent / "evil.json"), "0" * 64)


def _digest_differs(attack: Attack) -> None:
    attack.write(_IMAGE, attack.pickled)


def _not_listed(attack: Attack) -> None:
    attack.write("optimizer.pt", attack.pickled)


def _manifest_is_a_pickle(attack: Attack) -> None:
    attack.write("digests.json", attack.pickled)


UNSEALED = (
    _link_out, _linked_folder, _dots_in_the_manifest, _absolute_in_the_manifest, _digest_differs, _not_listed,
    _manifest_is_a_pickle,
)  # fmt: skip


async def run(trial: Trial) -> list[Row]:
    """Every attack, in both forms: they take seconds."""
    ran, accepted, wordless = [], [], []
    with tempfile.TemporaryDirectory() as root:
        for number, tamper in enumerate((*SEALED, *UNSEALED)):
            name = tamper.__name__.strip("_").replace("_", " ")
            place = Path(root, str(number))
            attack = Attack(place / "checkpoint", place / "executed")
            shutil.copytree(SHIPPED, attack.folder)
            tamper(attack)
            if tamper in SEALED:
                seal(attack.folder)
            words = _load(attack.folder)
            trial.say(f"  {name}: {words}")
            ran += [name] if attack.marker.exists() else []
            accepted += [name] if words is None else []
            shutil.rmtree(attack.folder)
            wordless += [name] if words is not None and len(words) < 20 else []
        sound = Path(root, "sound")
        shutil.copytree(SHIPPED, sound)
        is_sound = all(_refusal(sound, engine) is None for engine in _ENGINES)
        bites = _bites(Path(root, "bitten"))
    num = len(SEALED) + len(UNSEALED)
    return [
        Row("Checkpoints with a payload, resealed by who made them or not", "≥ 10", f"{num}", num >= 10),
        Row("Payloads executed", "0", f"{len(ran)} {ran or ''}".strip(), not ran),
        Row(
            "Checkpoints with a payload that were loaded",
            "0",
            f"{len(accepted)} {accepted or ''}".strip(),
            not accepted,
        ),
        Row("Refusals that name no file or remedy", "0", f"{len(wordless)}", not wordless),
        Row("The same folder without a payload loads", "yes", "yes" if is_sound else "no", is_sound),
        Row("The payload runs when something does unpickle it", "yes", "yes" if bites else "no", bites),
    ]


def _load(folder: Path) -> str | None:
    """The refusal's words, or None if any engine took it."""
    words = [_refusal(folder, engine) for engine in _ENGINES]
    return None if None in words else words[0]


def _refusal(folder: Path, engine: Engine) -> str | None:
    """Anything but a refusal in words is a fault and surfaces."""
    try:
        load_predictor(str(folder), "cpu", engine=engine)
    except CheckpointError as error:
        return str(error)
    return None


def _bites(marker: Path) -> bool:
    pickle.loads(pickle.dumps(Payload(marker)))  # noqa: S301  # our own payload, to show that it is one
    return marker.exists()
