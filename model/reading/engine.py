"""Where OCR's networks lie and what they are: the PP-OCRv6 files inside the rapidocr wheel, and our own scout.

The wheel's own Python code is not imported: it would install a log handler and may download.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from model.errors import CheckpointError
from model.reading.onnx_metadata import read_metadata

Floats = npt.NDArray[np.float32]

SCOUT_FILE = Path(__file__).parent / "text_scout.onnx"


class Network(Protocol):
    """A network with one input and one output."""

    def __call__(self, batch: Floats) -> Floats:
        """(B, 3, H, W) float32 in -1 to 1, blue green red, to the network's output."""
        ...


@dataclass(frozen=True, slots=True)
class OcrFiles:
    """The networks: text detector, line recogniser, upside-down classifier, and what says where to look at all."""

    detector: Path
    recogniser: Path
    classifier: Path
    scout: Path | None = SCOUT_FILE  # None: look everywhere

    @property
    def all(self) -> tuple[Path, ...]:
        """Each of them."""
        return tuple(path for path in (self.detector, self.recogniser, self.classifier, self.scout) if path is not None)


def bundled_files(*, with_scout: bool = True) -> OcrFiles:
    """The files inside the installed rapidocr wheel, and the scout's. Raises CheckpointError naming what is missing."""
    spec = find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise CheckpointError("rapidocr is not installed, so there are no OCR weights; install rapidocr>=3.10")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    files = OcrFiles(
        folder / "PP-OCRv6_det_small.onnx",
        folder / "PP-OCRv6_rec_small.onnx",
        folder / "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
        SCOUT_FILE if with_scout else None,
    )
    for path in files.all:
        if not path.is_file():
            owner = "hangtag" if path == SCOUT_FILE else "rapidocr>=3.10,<4"
            raise CheckpointError(f"OCR's file {path} is missing; install {owner} again")
    return files


def files_digest(files: OcrFiles) -> str:
    """SHA-256 over the files, hex."""
    digest = hashlib.sha256()
    for path in files.all:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def alphabet_of(path: Path) -> tuple[str, ...]:
    """Characters by output column of the recogniser: the CTC blank first, the space last. Raises CheckpointError."""
    try:
        listed = read_metadata(path).get("character")
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}; install rapidocr>=3.10,<4 again") from error
    if not listed:
        raise CheckpointError("the recogniser's file names no characters; install rapidocr>=3.10,<4")
    return ("", *listed.splitlines(), " ")
