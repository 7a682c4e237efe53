"""The image tower sees each picture once."""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np
import torch

from model.runtime.device_lane import DeviceLane
from model.runtime.repeats import Pictures, SeenPictures
from tests.virtual_device import Takes, VirtualDevice


class Means:
    """A tower whose features are a picture's mean, and that counts what it is shown."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, pictures: Pictures) -> torch.Tensor:
        """(P, 1) means."""
        self.calls.append(len(pictures))
        return torch.from_numpy(pictures.reshape(len(pictures), -1).mean(axis=1, dtype=np.float32))[:, None]


class Beside:
    """A tower on a device that works beside the host."""

    def __init__(self) -> None:
        self.device = VirtualDevice(Takes())
        self._lane = DeviceLane(self.device)

    def begin(self, pictures: Pictures) -> Callable[[], torch.Tensor]:
        """(P, 1) means, when they are asked for."""
        finish = self._lane.begin(pictures)
        return lambda: torch.from_numpy(finish())


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


def test_what_is_remembered_keeps_no_batch() -> None:
    """A picture that comes again and again keeps its own features, not those of all that once came with it."""
    batches: list[weakref.ref[torch.Tensor]] = []

    def tower(pictures: Pictures) -> torch.Tensor:
        features = torch.zeros(len(pictures), 4)
        batches.append(weakref.ref(features))
        return features

    see = SeenPictures(tower)
    kept = see(batch(*range(8)))
    assert kept.shape == (8, 4)
    assert [one() for one in batches] == [None]


def test_more_pictures_than_are_remembered() -> None:
    """A batch larger than the memory still gets all its features."""
    see = SeenPictures(Means(), max_pictures=2)
    assert see(batch(*range(8))).flatten().tolist() == list(range(8))


def test_a_device_beside_the_host_is_not_waited_for_before_it_must() -> None:
    """Two batches are begun before the first is asked for; each picture gets its own, and is seen once."""
    tower = Beside()
    see = SeenPictures(tower)
    first, second = see.begin(batch(3, 1, 3)), see.begin(batch(9))
    assert tower.device.now == 0 and len(tower.device.runs) == 2
    assert second().flatten().tolist() == [9]
    assert first().flatten().tolist() == [3, 1, 3]
    assert see(batch(1, 9, 3)).flatten().tolist() == [1, 9, 3]
    assert len(tower.device.runs) == 2
