"""Image hosts that answer with bombs: coded, endless, lying, slow. Bytes, time and memory must stay within bounds."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability import certificates
from tests.reliability.bomb_host import BombHost
from tests.reliability.bomb_scripts import Bomb, bombs
from tests.reliability.suite import Row, Trial

TITLE = "Bombs"
MAX_BYTES, SPARE_BYTES = 10 << 20, 64 << 10
DEADLINE_SECONDS, SPARE_SECONDS = 4.0, 0.5
MAX_GROWN_BYTES = 50_000_000
ONE_TRY = {"timeout_seconds": DEADLINE_SECONDS, "give_up_seconds": 0.0, "max_bytes": MAX_BYTES}
TRIES = {"timeout_seconds": 2.0, "give_up_seconds": 6.0, "max_bytes": MAX_BYTES, "max_attempts": 6}


@dataclass(frozen=True, slots=True)
class _Met:
    """A bomb and what it did."""

    bomb: Bomb
    found: dict[str, Any]

    @property
    def words(self) -> str:
        """For the log of a run."""
        found = self.found
        return (
            f"{self.bomb.name}: {found['ended']}, {found['wire_bytes']:,.0f} bytes read of {found['sent_bytes']:,} sent, "
            f"{found['seconds']:.2f} s, {found['grown_bytes'] / 1e6:.1f} MB, {found['cpu_seconds']:.2f} CPU-s"
        )


async def run(trial: Trial) -> list[Row]:
    """Every bomb once; in the full form twice, and the slow ones once more at a fetcher that tries again."""
    all_bombs = bombs()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates.make(folder, ["localhost"], ["127.0.0.1"])
        async with (
            BombHost(all_bombs, certificates.server_context(folder)) as host,
            _fetcher(folder / "ca.pem") as process,
        ):
            # The first fetch of a process loads what all need: it measures nothing.
            await _throw(host, process, all_bombs[0], ONE_TRY)
            rounds = trial.size(short=1, full=2)
            met = [await _met(trial, host, process, bomb, ONE_TRY) for _ in range(rounds) for bomb in all_bombs]
            slow = [bomb for bomb in all_bombs if bomb.reasons == ("fetch_timeout",)]
            tried = [await _met(trial, host, process, bomb, TRIES) for bomb in slow] if trial.is_full else []
    return [*_rows(met, len(all_bombs)), *([_patience(tried)] if tried else [])]


async def _met(trial: Trial, host: BombHost, process: Process, bomb: Bomb, policy: dict[str, float]) -> _Met:
    met = _Met(bomb, await _throw(host, process, bomb, policy))
    trial.say(f"  {met.words}")
    return met


async def _throw(host: BombHost, process: Process, bomb: Bomb, policy: dict[str, float]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    host.sent.clear()
    endpoints = [f"127.0.0.1:{port}" for port in host.ports.values()]
    order = {
        "url": host.url(bomb),
        "linger_seconds": bomb.linger_seconds,
        "policy": {**policy, "allow_endpoints": endpoints},
    }
    process.stdin.write(json.dumps(order).encode() + b"\n")
    found: dict[str, Any] = json.loads(await process.stdout.readline())
    return {**found, "sent_bytes": host.sent[bomb.name]}


@asynccontextmanager
async def _fetcher(authority: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.reliability.bomb_fetch",
        stdin=PIPE, stdout=PIPE, env={**os.environ, "SSL_CERT_FILE": str(authority)},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


def _rows(met: list[_Met], num_bombs: int) -> list[Row]:
    wrong = [one for one in met if one.found["ended"] not in one.bomb.reasons]
    return [
        Row("Bombs, each fetched once per round through the worker's fetcher", ">= 60", f"{num_bombs} ({len(met)} fetches)", num_bombs >= 60),
        _most(met, "wire_bytes", "Bytes read off the wire by a fetch (counted in the socket, fetch_wire_bytes)", MAX_BYTES + SPARE_BYTES, 1, "bytes"),
        _most(met, "seconds", "Time of a fetch, fetch.timeout 4 s", DEADLINE_SECONDS + SPARE_SECONDS, 1, "s"),
        _most(met, "grown_bytes", "Growth of the fetching process' peak memory", MAX_GROWN_BYTES, 1_000_000, "MB"),
        _most(met, "cpu_seconds", "Processor time of a fetch", None, 1, "s"),
        Row("Bombs refused with another reason than the contract's", "0", _listed(wrong), not wrong),
    ]  # fmt: skip


def _most(met: list[_Met], key: str, what: str, bar: float | None, unit: float, unit_name: str) -> Row:
    worst = max(met, key=lambda one: float(one.found[key]))
    value = float(worst.found[key])
    shown = f"{value / unit:,.0f}" if unit_name == "bytes" else f"{value / unit:.2f}"
    bar_shown = f"<= {bar / unit:,.10g} {unit_name}" if bar is not None else "-"
    return Row(
        f"{what}: the most",
        bar_shown,
        f"{shown} {unit_name} ({worst.bomb.name})",
        None if bar is None else value <= bar,
    )


def _listed(wrong: list[_Met]) -> str:
    names = "; ".join(f"{one.bomb.name}: {one.found['ended']}" for one in wrong)
    return f"{len(wrong)} ({names})" if wrong else "0"


def _patience(tried: list[_Met]) -> Row:
    worst = max(tried, key=lambda one: float(one.found["seconds"]))
    bar = TRIES["give_up_seconds"] + SPARE_SECONDS
    return Row(
        f"Time with retries, {len(tried)} slow bombs, fetch.timeout 2 s, fetch.give_up 6 s: the most",
        f"<= {bar:g} s",
        f"{worst.found['seconds']:.2f} s ({worst.bomb.name})",
        worst.found["seconds"] <= bar and all(one.found["ended"] == "fetch_timeout" for one in tried),
    )
