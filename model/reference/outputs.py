"""What each output of a reference model means.

A head has a fixed number of outputs, as the design gives them. They are handed out by frequency in the training rows;
what is left over stands for nothing and is never answered. The head ``attribute`` holds several attributes side by
side, each a choice of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from model.training.dataset import Row

ATTRIBUTES_OF: Mapping[str, tuple[str, ...]] = {
    "product_type": ("product_type",),
    "product": ("product_type",),
    "scene": ("scene",),
    "attribute": ("color", "material"),
}
MIN_ROWS = 10  # of a value, in a head that has several attributes


@dataclass(frozen=True, slots=True)
class Group:
    """Outputs ``start`` to ``start + len(values)`` of a head: one attribute's values."""

    head: str
    attribute: str
    start: int
    values: tuple[str, ...]

    def labels(self, rows: Sequence[Row]) -> torch.Tensor:
        """(N,) place of each row's label among the values, -1 where it has none there."""
        index = {value: place for place, value in enumerate(self.values)}
        return torch.tensor([index.get(row.labels.get(self.attribute, ""), -1) for row in rows])

    def scores(self, outputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, V) logits of the values out of the heads' outputs."""
        return outputs[self.head][:, self.start : self.start + len(self.values)]


def hand_out(heads: Mapping[str, int], rows: Sequence[Row]) -> tuple[Group, ...]:
    """Every head's groups, from the labels of training rows."""
    groups = []
    for head, size in heads.items():
        start = 0
        attributes = ATTRIBUTES_OF[head]
        for attribute in attributes:
            counts = Counter(row.labels[attribute] for row in rows if attribute in row.labels)
            least = MIN_ROWS if len(attributes) > 1 else 1
            common = [value for value, count in counts.most_common() if count >= least][: size - start]
            groups.append(Group(head, attribute, start, tuple(common)))
            start += len(common)
    return tuple(groups)
