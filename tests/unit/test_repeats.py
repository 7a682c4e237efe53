"""The image tower sees each picture once."""

from __future__ import annotations

import numpy as np
import torch

from model.repeats import Pictures, SeenPictures


class Means:
    """A tower whose features are a picture's mean, and that counts what it is shown."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, pictures: Pictures) -> torch.Tensor:
        """(P, 1) means."""
        self.calls.append(len(pictures))
        return torch.from_numpy(pictures.reshape(len(pictures), -1).mean(axis=1, dtype=np.float32))[:, None]


def batch(*levels: int) -> Pictures:
    """Plain pictures of these levels."""
    return np.stack([np.full((4, 4, 3), level, np.uint8) for level in levels])


def test_a_picture_is_seen_once_in_a_batch_and_after_it() -> None:
    """Each place gets its own picture's features, whether computed now, beside or before."""
    tower = Means()
    see = SeenPictures(tower)
    assert see(batch(3, 1, 3, 3)).flatten().tolist() == [3, 1, 3, 3]
    assert see(batch(1, 9, 3)).flatten().tolist() == [1, 9, 3]
    assert see(batch(9, 9)).flatten().tolist() == [9, 9]
    assert tower.calls == [2, 1]


def test_what_is_remembered_is_bounded() -> None:
    """The picture least lately seen is forgotten, and seen anew."""
    tower = Means()
    see = SeenPictures(tower, max_pictures=2)
    for level in (1, 2, 1, 3):
        see(batch(level))
    assert tower.calls == [1, 1, 1]
    assert see(batch(1, 2)).flatten().tolist() == [1, 2]
    assert tower.calls == [1, 1, 1, 1]


def test_more_pictures_than_are_remembered() -> None:
    """A batch larger than the memory still gets all its features."""
    see = SeenPictures(Means(), max_pictures=2)
    assert see(batch(*range(8))).flatten().tolist() == list(range(8))
