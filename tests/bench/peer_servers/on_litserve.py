"""LitServe: each worker fetches a batch at once, decodes it on two threads, and takes the device."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import litserve
import numpy as np

from tests.bench.peer_servers.work import (
    BATCH,
    NUM_DECODERS,
    WAIT_SECONDS,
    Fetcher,
    SimulatedDevice,
    port,
    workers,
)
from worker.benching.loop import pixels_of


class Tags(litserve.LitAPI):  # type: ignore[misc]  # not looked into, see pyproject.toml
    """A picture's URL in, next to nothing out."""

    def setup(self, device: str) -> None:
        """See `litserve.LitAPI`."""
        self._simulated = SimulatedDevice()
        self._pictures = Fetcher()
        self._decoders = ThreadPoolExecutor(NUM_DECODERS)

    def decode_request(self, request: dict[str, str]) -> str:
        """See `litserve.LitAPI`. Called one by one, so fetching is left to ``batch``."""
        return request["url"]

    def batch(self, inputs: Sequence[str]) -> list[np.ndarray]:
        """See `litserve.LitAPI`."""
        return list(self._decoders.map(pixels_of, self._pictures.fetch(inputs)))

    def predict(self, x: list[np.ndarray]) -> list[int]:
        """See `litserve.LitAPI`."""
        return self._simulated.run(x)

    def unbatch(self, output: list[int]) -> list[int]:
        """See `litserve.LitAPI`."""
        return output

    def encode_response(self, output: int) -> dict[str, int]:
        """See `litserve.LitAPI`."""
        return {"answer": output}


def main() -> None:
    """Serve until SIGTERM."""
    tags = Tags(max_batch_size=BATCH, batch_timeout=WAIT_SECONDS, api_path="/inference")
    server = litserve.LitServer(tags, accelerator="cpu", devices=1, workers_per_device=workers(), timeout=False)
    server.run(host="127.0.0.1", port=port(), log_level="warning", generate_client_file=False, num_api_servers=1)


if __name__ == "__main__":
    main()
