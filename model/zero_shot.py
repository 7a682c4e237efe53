"""Answers for attributes that are declared by prompts alone, in the form that trained heads give.

A value is as likely as its sentences are like the picture: the sentences' vectors are averaged (Radford et al. 2021),
and similarities go through a softmax with the pair's own temperature, or one fitted on outcomes. Of a listing's
pictures the mean counts. The scores of an attribute that was never calibrated are no probabilities, so nothing of it is
accepted unless its threshold is declared.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import normalize

from model.calibrate import Outcomes, thresholds_of
from model.errors import CheckpointError
from model.labels import Threshold
from model.prompts import Prompted
from model.runtime.engines import EngineChoice, open_images
from model.runtime.repeats import SeenPictures
from model.types import Vector
from model.weights import Calibrated, Checkpoint, Vocabulary

if TYPE_CHECKING:
    from model.towers.pair import Pair  # imports transformers, which only a checkpoint with a pair needs

log = logging.getLogger(__name__)

STATED_THRESHOLD = 0.7  # of a value that words state, as of sizes

Pictures = npt.NDArray[np.uint8]


class ZeroShot:
    """Attributes by prompts, on a pair. ``see`` runs its picture side: (P, S, S, 3) uint8 to (P, J) of length 1."""

    def __init__(
        self,
        pair: Pair,
        see: Callable[[Pictures], torch.Tensor],
        prompts: Mapping[str, Prompted],
        temperatures: Mapping[str, float],
    ) -> None:
        self._see = see
        self._sentences = {name: sentence_vectors(pair, one) for name, one in prompts.items()}
        self._scales = {name: pair.scale / temperatures.get(name, 1.0) for name in prompts}
        self._num_values = {name: len(one.values) for name, one in prompts.items()}

    def scores(self, pictures: Sequence[Pictures], batch: int = 32) -> dict[str, Vector]:
        """By attribute (P, V): each picture's answer, in the order of the values."""
        if not pictures or not self._sentences:
            return {name: np.zeros((0, count), np.float32) for name, count in self._num_values.items()}
        starts = range(0, len(pictures), batch)
        seen = torch.cat([self._see(np.stack(pictures[start : start + batch])).cpu() for start in starts])
        return {
            name: torch.softmax(self._scales[name] * seen @ sentences.T, dim=1)[:, : self._num_values[name]].numpy()
            for name, sentences in self._sentences.items()
        }

    def similarities(self, name: str, pictures: Sequence[Pictures]) -> torch.Tensor:
        """(P, V), and a column per sentence that is no value: what goes into the softmax."""
        return self._scales[name] * self._see(np.stack(pictures)).cpu() @ self._sentences[name].T


def sentence_vectors(pair: Pair, prompted: Prompted) -> torch.Tensor:
    """(V, J), and a row for each sentence that is no value: of length 1."""
    rows = [normalize(pair.read(own).mean(dim=0), dim=0) for own in prompted.sentences]
    rows += list(pair.read(prompted.otherwise)) if prompted.otherwise else []
    return torch.stack(rows)


def by_listing(scores: Mapping[str, Vector], counts: Sequence[int]) -> list[dict[str, Vector]]:
    """Pictures' scores (P, V) averaged over each listing's own; nothing for a listing without any."""
    found: list[dict[str, Vector]] = []
    at = 0
    for count in counts:
        found.append({name: one[at : at + count].mean(axis=0) for name, one in scores.items()} if count else {})
        at += count
    return found


def threshold_of(prompted: Prompted, outcomes: Mapping[str, Outcomes], target: float) -> Threshold:
    """A declared threshold stands, else the one that the outcomes buy; without either pictures accept nothing."""
    bought = thresholds_of(outcomes, target).image if outcomes else None
    by_words = Threshold(STATED_THRESHOLD, STATED_THRESHOLD, STATED_THRESHOLD)
    return Threshold(None, bought if prompted.threshold is None else prompted.threshold, None, by_words)


def open_zero_shot(
    checkpoint: Checkpoint,
    device: torch.device,
    choice: EngineChoice,
    prompts: Mapping[str, Prompted],
    *,
    calibrated_before: bool = True,
) -> ZeroShot:
    """What answers the prompts. ``calibrated_before``: with the temperatures that the checkpoint brings.

    Raises CheckpointError where nothing can answer.
    """
    if checkpoint.pair is None:
        raise CheckpointError(
            f"the taxonomy declares {next(iter(prompts))!r} by prompts, and the checkpoint has no pair of towers to "
            "answer them; add one with 'hangtag add-pair', or take the prompts out"
        )
    before = calibrated(checkpoint.vocabulary, prompts) if calibrated_before else {}
    temperatures = {name: one.temperature for name, one in before.items()}
    exact = EngineChoice(choice.engine, "fp32", choice.num_threads)  # similarities differ in the third digit
    see = open_images(checkpoint.pair.images, checkpoint.config.image_side, device, exact)
    return ZeroShot(checkpoint.pair, SeenPictures(see), prompts, temperatures)


def calibrated(vocabulary: Vocabulary, prompts: Mapping[str, Prompted]) -> dict[str, Calibrated]:
    """What was calibrated for these very prompts; what was for others is worth nothing, and that is said."""
    found = {}
    for name, one in vocabulary.prompted.items():
        if name in prompts and one.prompts == prompts[name].digest:
            found[name] = one
        else:
            log.warning("the prompts of %r are not those that the checkpoint was calibrated for; calibrate again", name)
    return found
