"""Scores of training rows by experts that have not seen their families, fold by fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from model.calibrate import Outcomes, fit_temperature
from model.fusion import FusionModel, Logits
from model.training.fit import Examples


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Scores of the training rows by experts that have not seen their family, row by row as in ``rows``."""

    rows: torch.Tensor  # of listings with a title of their own
    logits: Mapping[str, Logits]
    masked: Mapping[str, Logits]  # telling words hidden
    vectors: tuple[torch.Tensor, torch.Tensor]
    scene_rows: torch.Tensor
    scenes: torch.Tensor

    def tensors(self) -> dict[str, torch.Tensor]:
        """All by a name; experts keep their order by a number."""
        found = {"rows": self.rows, "left": self.vectors[0], "right": self.vectors[1]}
        found |= {"scene_rows": self.scene_rows, "scenes": self.scenes}
        for kind, tables in (("logits", self.logits), ("masked", self.masked)):
            for name, one in tables.items():
                found |= {
                    f"{kind}.{name}.{place}.{expert}": scores for place, (expert, scores) in enumerate(one.items())
                }
        return found

    @classmethod
    def from_tensors(cls, found: Mapping[str, torch.Tensor]) -> OutOfFold:
        """What ``tensors`` gave."""
        tables: dict[str, dict[str, dict[str, torch.Tensor]]] = {"logits": {}, "masked": {}}
        for key in sorted(name for name in found if name.count(".") == 3):
            kind, name, _, expert = key.split(".")
            tables[kind].setdefault(name, {})[expert] = found[key]
        vectors = (found["left"], found["right"])
        return cls(found["rows"], tables["logits"], tables["masked"], vectors, found["scene_rows"], found["scenes"])


def ask(fusion: FusionModel, data: Examples, rows: torch.Tensor) -> OutOfFold:
    """What a model says of ``rows`` that it was not fitted on."""
    titled = rows[~data.is_made[rows]]
    inputs = data.inputs(titled)
    scene_rows = rows[data.labels["scene"][rows] >= 0]
    return OutOfFold(
        titled,
        fusion(inputs),
        fusion(data.inputs(titled, hide=torch.ones(len(titled), dtype=torch.bool))),
        fusion.similarity(inputs),
        scene_rows,
        fusion.scenes(*data.scene_inputs(scene_rows)),
    )


def together(parts: Sequence[OutOfFold]) -> OutOfFold:
    """The folds, one after the other."""

    def joined(pick: Callable[[OutOfFold], Mapping[str, Logits]]) -> dict[str, Logits]:
        first = pick(parts[0])
        return {
            name: {expert: torch.cat([pick(part)[name][expert] for part in parts]) for expert in first[name]}
            for name in first
        }

    return OutOfFold(
        torch.cat([part.rows for part in parts]),
        joined(lambda part: part.logits),
        joined(lambda part: part.masked),
        (torch.cat([part.vectors[0] for part in parts]), torch.cat([part.vectors[1] for part in parts])),
        torch.cat([part.scene_rows for part in parts]),
        torch.cat([part.scenes for part in parts]),
    )


def scene_outcomes(
    found: OutOfFold, truth: torch.Tensor, num_taught: int
) -> tuple[float, dict[str, dict[str, Outcomes]]]:
    """Temperature, and how the top scenes did; as it is, and nothing, where no scene is known. An untaught top is never
    accepted, so no threshold is bought with it.
    """
    if not len(truth):
        return 1.0, {}
    temperature = fit_temperature(found.scenes, truth)
    scores = torch.softmax(found.scenes / temperature, dim=1).numpy()
    top = scores.argmax(axis=1)
    asked = top < num_taught
    by_picture = Outcomes(scores.max(axis=1)[asked], (top == truth.numpy())[asked])
    return temperature, {"scene": {"fused": by_picture, "image": by_picture}}
