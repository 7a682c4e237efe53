"""Other servers of models against the ideal loop: the same pictures, host, decoder and simulated device.

A peer gets one request per picture, a fixed number in flight, from this process; it fetches, decodes, batches and
answers. It reads no stream and publishes nothing: the worker, which does both, is judged by the bench ``stream``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from tests.bench.driven import ideal, in_turns
from tests.bench.figure import Bench, Figure, median_of
from tests.bench.goods import photos
from tests.bench.peer_servers.client import Served, started
from tests.bench.stream import PACE
from worker.demo.imagehost import ImageHost

TITLE = "Peers, simulated device (30 ms + 6 ms per picture, batches of 16, JPEG of 800 pixels)"
IN_FLIGHT = (64, 128)


@dataclass(frozen=True, slots=True)
class Peer:
    """``packages``: what has to be installed. ``workers``: processes that take turns on the device."""

    name: str
    packages: tuple[str, ...]
    module: str  # of tests.bench.peer_servers
    workers: int
    note: str

    @property
    def is_installed(self) -> bool:
        """It can be imported."""
        return all(find_spec(one) is not None for one in self.packages)


PEERS = (
    Peer("mosec", ("mosec",), "on_mosec", 1, "two processes fetch and decode, one has the device"),
    Peer("LitServe", ("litserve",), "on_litserve", 1, "one worker"),
    Peer("LitServe, two workers", ("litserve",), "on_litserve", 2, "two models take turns on the device"),
    Peer("Ray Serve", ("ray", "starlette"), "on_ray_serve", 1, "two replicas fetch and decode, one has the device"),
)
Found = Mapping[str, Mapping[int, Sequence[Served]]]


def any_installed() -> bool:
    """Is there a peer to measure?"""
    return any(peer.is_installed for peer in PEERS)


async def run(bench: Bench) -> list[Figure]:
    """See the module."""
    count = bench.size(short=400, full=1600)
    there = {peer.name: peer for peer in PEERS if peer.is_installed}
    found: dict[str, dict[int, list[Served]]] = {name: {most: [] for most in IN_FLIGHT} for name in there}
    loops: list[tuple[float, float]] = []
    async with ImageHost(photos(800)) as host:
        for number in range(bench.size(short=2, full=5) if there else 0):
            for side in in_turns(number, ("loop", *there)):
                if side == "loop":
                    loops.append(await ideal(host, count, PACE))
                else:
                    await _serve(there[side], host, count, found[side])
            rates = {name: [round(served[-1].rate, 1) for served in one.values()] for name, one in found.items()}
            bench.say(f"  round {number + 1}: loop {loops[-1][0]:.1f}/s, {rates}")
    return [*(figure for peer in PEERS for figure in figures_of(peer, loops, found)), *_of_loops(loops)]


async def _serve(peer: Peer, host: ImageHost, count: int, found: Mapping[int, list[Served]]) -> None:
    """Started once, then measured with each number of requests in flight."""
    names = sorted(host.pictures)
    urls = [f"{host.base_url}/pictures/{names[number % len(names)]}" for number in range(count)]
    async with started(peer.module, PACE, peer.workers) as process:
        await process.until_up(urls[0])
        for most, served in found.items():
            served.append(await process.serve(urls, most))


def figures_of(peer: Peer, loops: Sequence[tuple[float, float]], found: Found) -> list[Figure]:
    """What was found of it, or what to do so that something can be."""
    if not peer.is_installed:
        return [Figure(peer.name, 0, "", None, "not installed: pip install 'hangtag[bench]'")]
    figures = []
    for most, served in found[peer.name].items():
        ratios = [one.rate / rate for one, (rate, _) in zip(served, loops, strict=True)]
        spent = [one.cpu_ms for one in served]
        figures += [
            median_of(
                f"{peer.name} ÷ ideal loop, {most} in flight", "", ratios, None, f"pictures a second; {peer.note}"
            ),
            median_of(f"{peer.name}, {most} in flight", "CPU-ms", spent, None, "per picture, all processes"),
        ]
    return figures


def _of_loops(loops: Sequence[tuple[float, float]]) -> list[Figure]:
    if not loops:
        return []
    return [
        median_of("ideal loop", "pictures/s", [rate for rate, _ in loops], None, "two decoding threads"),
        median_of("ideal loop", "CPU-ms", [cost for _, cost in loops], None, "per picture: GET and decode"),
    ]
