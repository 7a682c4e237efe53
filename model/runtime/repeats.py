"""Pictures that the image tower has seen need not be seen again: sellers use one photo for many listings."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

Pictures = npt.NDArray[np.uint8]
See = Callable[[Pictures], torch.Tensor]


@runtime_checkable
class Seeing(Protocol):
    """A tower on a device that works beside the host."""

    def begin(self, pictures: Pictures) -> Callable[[], torch.Tensor]:
        """Start on pictures (P, S, S, 3); what is returned waits for their features (P, D)."""
        ...


class SeenPictures:
    """An image tower that computes each picture once, in a batch and over the last ``max_pictures`` of them.

    Pictures are told apart by their pixels. Features stay where the tower leaves them, 5 kB each.
    """

    def __init__(self, see: See | Seeing, max_pictures: int = 4096) -> None:
        self._see = see
        self._max_pictures = max_pictures
        self._seen: OrderedDict[bytes, torch.Tensor] = OrderedDict()  # least lately seen first

    def __call__(self, pictures: Pictures) -> torch.Tensor:
        """(P, S, S, 3) uint8 to (P, D)."""
        return self.begin(pictures)()

    def begin(self, pictures: Pictures) -> Callable[[], torch.Tensor]:
        """Start on them; what is returned gives their features. A tower that works on the host is done by then."""
        keys = [hashlib.sha256(np.ascontiguousarray(picture).data).digest() for picture in pictures]
        known = {key: self._seen[key] for key in keys if key in self._seen}
        places: dict[bytes, int] = {}
        for place, key in enumerate(keys):
            if key not in known:
                places.setdefault(key, place)
        wanted = list(places.values())
        chosen = pictures if len(wanted) == len(pictures) else np.ascontiguousarray(pictures[wanted])

        def features(computed: torch.Tensor | None) -> torch.Tensor:
            if computed is not None:
                # Copies: a row of the batch's tensor, kept, would keep the whole batch.
                known.update((key, row.clone()) for key, row in zip(places, computed, strict=True))
            self._remember(known)
            return torch.stack([known[key] for key in keys])

        if wanted and isinstance(self._see, Seeing):
            finish = self._see.begin(chosen)
            return lambda: features(finish())
        done = features(self._see(chosen) if wanted and callable(self._see) else None)
        return lambda: done

    def _remember(self, features: dict[bytes, torch.Tensor]) -> None:
        for key, feature in features.items():
            self._seen[key] = feature
            self._seen.move_to_end(key)
        while len(self._seen) > self._max_pictures:
            self._seen.popitem(last=False)
