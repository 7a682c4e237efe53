"""Probes over HTTP."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import pytest

from worker.errors import FatalError
from worker.metrics import Metrics
from worker.telemetry.health import HealthServer, Verdict


@dataclass
class Said:
    """Probes that say what they are told."""

    verdict: Verdict

    def started(self) -> Verdict:
        """As told."""
        return self.verdict

    def ready(self) -> Verdict:
        """As told."""
        return self.verdict

    def alive(self) -> Verdict:
        """As told."""
        return self.verdict


@pytest.mark.parametrize("is_ok", [True, False])
async def test_probes_answer_by_verdict(is_ok: bool) -> None:
    """200 or 503, with the reason in the body, and metrics beside them."""
    server = HealthServer("127.0.0.1", 0, Metrics(), Said(Verdict(is_ok, "because")))
    port = await server.start()
    async with aiohttp.ClientSession() as session:
        for path in ("livez", "readyz", "startupz"):
            async with session.get(f"http://127.0.0.1:{port}/{path}") as response:
                assert response.status == (200 if is_ok else 503)
                assert (await response.json())["why"] == "because"
        async with session.get(f"http://127.0.0.1:{port}/metrics") as response:
            assert f"hangtag_ready {1.0 if is_ok else 0.0}" in await response.text()
    await server.close()


async def test_taken_port_is_told() -> None:
    """A port that is in use ends in one clear line that names the setting."""
    first = HealthServer("127.0.0.1", 0, Metrics(), Said(Verdict(True)))
    port = await first.start()
    second = HealthServer("127.0.0.1", port, Metrics(), Said(Verdict(True)))
    with pytest.raises(FatalError, match=r"http\.port"):
        await second.start()
    await first.close()
