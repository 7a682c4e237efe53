"""What the text-presence head learns from: photos that our reader has read, and photos with text drawn on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from model.presence.rendered_text import write_rendered
from model.presence.text_labels import characters_of, choose, known_characters
from model.presence.text_presence import TextPresence, fit_presence, presence_figures, threshold_for
from model.training.dataset import Row, family_share

Floats = npt.NDArray[np.float32]
See = Callable[[Sequence[Row]], Floats]  # rows to the image tower's features (N, D)

Part = Literal["train", "calibrate", "test"]

NUM_RENDERED: Mapping[Part, int] = {"train": 1500, "calibrate": 400, "test": 300}
_CALIBRATION_SHARE = 0.3  # of the families of training rows: they set the threshold


def learn_presence(images: Floats, rows: Sequence[Row], see: See, cache: Path) -> TextPresence | None:
    """Fit the head on ``images`` (N, D), the features of ``rows``. ``see`` computes those of rendered pictures, which
    are kept in ``cache``. The threshold holds the recall on photos and on rendered pictures. None where the table of
    read pictures names none of ``rows``: a checkpoint without the head has every picture read.
    """
    characters = characters_of(rows, known_characters())
    photos = _places(rows, characters, "train", "calibrate")
    if not len(photos):
        return None
    made = [*rendered(rows, "train", cache), *rendered(rows, "calibrate", cache)]
    has_text = np.concatenate([characters[photos] > 0, np.ones(len(made), np.bool_)])
    features = np.concatenate([images[photos], see(made)])
    splits = np.array([part_of(row) for row in (*(rows[place] for place in photos), *made)])
    head = fit_presence(features, has_text, splits == "calibrate")
    held = head.probabilities(features[(splits == "calibrate") & has_text])
    is_photo = np.arange(len(held)) < int((has_text & (splits == "calibrate"))[: len(photos)].sum())
    lowest = min(threshold_for(held[one], np.ones(int(one.sum()), np.bool_)) for one in (is_photo, ~is_photo))
    return TextPresence(head.weights, head.bias, lowest)


def evaluate_presence(
    presence: TextPresence, images: Floats, rows: Sequence[Row], see: See, cache: Path
) -> dict[str, Any]:
    """Figures on the test rows that our reader has read, and on test photos with text drawn on them."""
    characters = characters_of(rows, known_characters())
    photos = _places(rows, characters, "test")
    drawn = presence.probabilities(see(rendered(rows, "test", cache)))
    return {
        "photos": presence_figures(presence.probabilities(images[photos]), characters[photos], presence.threshold),
        "rendered": presence_figures(drawn, np.ones(len(drawn), np.int64), presence.threshold),
    }


def rendered(rows: Sequence[Row], split: Part, cache: Path) -> list[Row]:
    """Pictures with text made from rows of one split: training sees nothing of what it is measured on."""
    own = choose([row for row in rows if part_of(row) == split], NUM_RENDERED[split])
    return write_rendered(own, cache / "rendered-text" / split)


def part_of(row: Row) -> Part:
    """What a row is for, where reading is learned: by its family, so variants stay together."""
    return row.split if row.split == "test" or family_share(row.family) >= _CALIBRATION_SHARE else "calibrate"


def _places(rows: Sequence[Row], characters: npt.NDArray[np.int64], *splits: Part) -> npt.NDArray[np.int64]:
    known = [place for place, row in enumerate(rows) if characters[place] >= 0 and part_of(row) in splits]
    return np.array(known, np.int64)
