"""A tower on an NVIDIA GPU: three streams, pinned memory, one CUDA graph per bucket, bf16 where the GPU has it.

See `model/runtime/device_lane.py` for the order in which its stages are called. Not one line of this has run on a GPU
yet: no machine with one was at hand. What cannot be recorded as a graph runs without, and says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from model.runtime.device_lane import BUCKETS, DeviceLane, Floats, Pictures

log = logging.getLogger(__name__)

_NUM_SLOTS = 3
_ROUNDS_BEFORE_RECORDING = 3  # libraries choose their kernels in the first of them


class CudaImages:
    """An image tower on a GPU: (P, S, S, 3) uint8 to (P, D) on the host. See `model.runtime.repeats.Seeing`."""

    def __init__(self, tower: torch.nn.Module, side: int, device: torch.device, precision: str) -> None:
        with torch.inference_mode():
            width = tower.cpu()(torch.zeros(1, side, side, 3, dtype=torch.uint8)).shape[1]
        stages = CudaStages(tower, device, (side, width), precision)
        stages.record()
        self._lane = DeviceLane(stages)

    def begin(self, pictures: Pictures) -> Callable[[], torch.Tensor]:
        """Start on them; what is returned waits for their features."""
        finish = self._lane.begin(pictures)
        return lambda: torch.from_numpy(finish())

    def __call__(self, pictures: Pictures) -> torch.Tensor:
        """Features of a batch."""
        return self.begin(pictures)()


class CudaStages:
    """See `device_lane.Stages`. ``tower`` takes (n, S, S, 3) uint8 and gives (n, D); ``shape`` is (S, D)."""

    num_slots = _NUM_SLOTS

    def __init__(self, tower: torch.nn.Module, device: torch.device, shape: tuple[int, int], precision: str) -> None:
        self._tower = tower.to(device).to(memory_format=torch.channels_last)
        self._is_bf16 = precision == "bf16"
        self._up, self._work, self._down = (_stream(device) for _ in range(3))
        (side, width), most = shape, BUCKETS[-1]
        slots = range(_NUM_SLOTS)
        self._given = [torch.zeros(most, side, side, 3, dtype=torch.uint8, pin_memory=True) for _ in slots]
        self._pictures = [torch.zeros(most, side, side, 3, dtype=torch.uint8, device=device) for _ in slots]
        self._features = [torch.zeros(most, width, device=device) for _ in slots]
        self._found = [torch.zeros(most, width, pin_memory=True) for _ in slots]
        self._counts = [0 for _ in slots]
        self._uploaded, self._computed, self._downloaded = ([_event() for _ in slots] for _ in range(3))
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]] = {}
        torch.cuda.synchronize(device)  # buffers were filled on another stream than those that will use them

    def record(self, buckets: Sequence[int] = BUCKETS) -> None:
        """Record a graph per bucket, largest first: they share one pool of memory, made large enough by it."""
        pool = torch.cuda.graph_pool_handle()
        for bucket in sorted(buckets, reverse=True):
            try:
                self._graphs[bucket] = self._recorded(bucket, pool)
            except RuntimeError as error:
                log.warning("no CUDA graph for %d pictures (%s); they run without", bucket, str(error)[:200])

    def upload(self, slot: int, pictures: Pictures, bucket: int) -> None:
        """See `Stages`."""
        self._counts[slot] = len(pictures)
        self._given[slot].numpy()[: len(pictures)] = pictures
        with torch.cuda.stream(self._up):
            self._pictures[slot][:bucket].copy_(self._given[slot][:bucket], non_blocking=True)
            self._uploaded[slot].record(self._up)

    def compute(self, slot: int, bucket: int) -> None:
        """See `Stages`."""
        self._work.wait_event(self._uploaded[slot])
        with torch.cuda.stream(self._work), torch.inference_mode():
            if bucket in self._graphs:
                graph, given, found = self._graphs[bucket]
                given.copy_(self._pictures[slot][:bucket])
                graph.replay()
            else:
                found = self._run(self._pictures[slot][:bucket])
            self._features[slot][:bucket].copy_(found)
            self._computed[slot].record(self._work)

    def download(self, slot: int, count: int) -> None:
        """See `Stages`."""
        self._down.wait_event(self._computed[slot])
        with torch.cuda.stream(self._down):
            self._found[slot][:count].copy_(self._features[slot][:count], non_blocking=True)
            self._downloaded[slot].record(self._down)

    def wait(self, slot: int) -> Floats:
        """See `Stages`."""
        self._downloaded[slot].synchronize()
        return np.array(self._found[slot][: self._counts[slot]].numpy())

    def _run(self, pictures: torch.Tensor) -> torch.Tensor:
        # Without autocast's cache: it would keep weights of one recording for the next.
        with torch.autocast("cuda", torch.bfloat16, enabled=self._is_bf16, cache_enabled=False):
            features: torch.Tensor = self._tower(pictures)
        return features.float()

    def _recorded(self, bucket: int, pool: Any) -> tuple[torch.cuda.CUDAGraph, torch.Tensor, torch.Tensor]:
        with torch.cuda.stream(self._work), torch.inference_mode():
            given = torch.zeros_like(self._pictures[0][:bucket])
            for _ in range(_ROUNDS_BEFORE_RECORDING):
                self._run(given)
        self._work.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.inference_mode(), torch.cuda.graph(graph, pool=pool, stream=self._work):
            found = self._run(given)
        return graph, given, found


def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]
