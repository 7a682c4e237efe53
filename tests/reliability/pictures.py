"""Hostile pictures through the real decoder processes, with sound ones in between that must never notice."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.reliability.picture_corpus import bombs, foreign_files, largest, mutations, sound_pictures
from tests.reliability.suite import Row, Trial
from worker.decode import DecodePolicy, Decoder
from worker.decoding.jail import REASONS
from worker.errors import RejectedError
from worker.item import FetchedImage
from worker.metrics import Metrics

TITLE = "Hostile pictures"
POLICY = DecodePolicy(num_processes=2, avif=True)
STUCK_SECONDS = POLICY.patience * POLICY.seconds + 5.0  # the pool itself gives up before
GIB = 1 << 30


@dataclass(slots=True)
class Seen:
    """What came of the pictures of one kind."""

    reasons: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "-")
    stuck: int = 0

    @property
    def count(self) -> int:
        """Pictures, however they ended."""
        return self.reasons.total()

    @property
    def words(self) -> str:
        """For the table."""
        return ", ".join(f"{count:,} {reason}" for reason, count in self.reasons.most_common())


@dataclass(slots=True)
class Watch:
    """The service beside the hostile pictures: sound ones one after the other, and what the processes take."""

    decoder: Decoder
    sound: list[tuple[bytes, str]]
    num_served: int = 0
    num_failed: int = 0
    slowest: float = 0.0
    peak_bytes: int = 0

    async def serve(self) -> None:
        """Decode sound pictures for ever, and compare their pixels with those of before."""
        while True:
            body, expected = self.sound[self.num_served % len(self.sound)]
            began = time.perf_counter()
            try:
                is_right = await _digest(self.decoder, body) == expected
            except RejectedError:
                is_right = False
            self.num_failed += not is_right
            self.num_served += 1
            self.slowest = max(self.slowest, time.perf_counter() - began)
            await asyncio.sleep(0.005)

    async def measure(self) -> None:
        """The largest resident memory of any decoder process, asked fifty times a second."""
        while True:
            self.peak_bytes = max([self.peak_bytes, *map(_peak, self.decoder.pids)])
            await asyncio.sleep(0.02)


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    metrics = Metrics()
    files_before = _open_files()
    async with _decoding(metrics) as decoder:
        pictures = sound_pictures(trial.random("sound"))
        watch = Watch(decoder, [(body, await _digest(decoder, body)) for kind in pictures.values() for body in kind])
        async with _watching(watch):
            foreign = await _throw(decoder, _foreign(trial))
            trial.say(f"  files of others: {foreign.words}")
            count = trial.size(short=400, full=6_000)
            mutated = await _throw(decoder, mutations(pictures, count, trial.random("mutations")))
            trial.say(f"  mutations: {mutated.words}")
            bombed = await _throw(decoder, await asyncio.to_thread(list, bombs()))  # making them takes seconds
            trial.say(f"  bombs: {bombed.words}")
            largest_ones = await asyncio.to_thread(list, largest()) if trial.is_full else []
            large = await _throw(decoder, largest_ones)
            lost = _restarts(metrics)
            killed = await _kill(decoder, trial.size(short=3, full=50))
    left = _open_files() - files_before
    return [
        *_rows(trial, foreign, mutated, bombed, large),
        _service(watch, lost, killed),
        Row(
            "Peak resident memory of a decoder process, default pixel limits",
            "≤ 1 GiB",
            f"{watch.peak_bytes / (1 << 20):,.0f} MiB",
            0 < watch.peak_bytes <= GIB,
        ),
        Row("Open files and processes left behind", "0", f"{left}, {_children()}", left == 0 and _children() == 0),
    ]


def _rows(trial: Trial, foreign: Seen, mutated: Seen, bombed: Seen, large: Seen) -> Iterator[Row]:
    least = 1_000 if trial.is_full else 0
    yield Row(
        "Broken or odd files of others", f"≥ {least:,}", f"{foreign.count:,}: {foreign.words}", foreign.count >= least
    )
    yield Row(
        "Seeded mutations of sound JPEG, PNG, WebP, GIF, AVIF",
        "≥ 5,000 in the full form",
        f"{mutated.count:,}: {mutated.words}",
        mutated.count >= (5_000 if trial.is_full else 400),
    )
    yield Row("Bombs", "refused or done", f"{bombed.count}: {bombed.words}", bombed.count >= 16)
    if trial.is_full:
        is_all = large.reasons["decoded"] == large.count > 0
        what = "Pictures as large as the limits allow, in nine ways"
        slow = f"{large.slowest[0]:.1f} s ({large.slowest[1]})"
        yield Row(what, "all decoded", f"{large.words}; slowest {slow}", is_all)
    everything = (foreign, mutated, bombed, large)
    faults = [fault for seen in everything for fault in seen.faults]
    yield Row("Refusals without a reason of the contract", "0", f"{len(faults)} {faults[:3] or ''}".strip(), not faults)
    stuck = sum(seen.stuck for seen in everything)
    yield Row(f"Stuck: no answer within {STUCK_SECONDS:.0f} s", "0", f"{stuck}", stuck == 0)
    slowest = max(seen.slowest for seen in everything)
    yield Row("Slowest of all, by the clock", "≤ 5 s", f"{slowest[0]:.2f} s ({slowest[1]})", slowest[0] <= 5)


def _service(watch: Watch, lost: int, killed: int) -> Row:
    return Row(
        f"Sound pictures meanwhile; {lost} processes lost to pictures, {killed} killed from outside",
        "none fails or changes, none waits over 5 s",
        f"{watch.num_served:,} decoded, {watch.num_failed} failed, slowest {watch.slowest:.2f} s",
        watch.num_served > 0 and watch.num_failed == 0 and watch.slowest <= 5,
    )


def _foreign(trial: Trial) -> Iterator[tuple[str, bytes]]:
    """Nothing, if they cannot be had: the row then says 0."""
    try:
        found = list(foreign_files(may_download=trial.is_full, max_bytes=POLICY.max_body_bytes))
    except (OSError, subprocess.SubprocessError) as error:
        trial.say(f"  the files of others cannot be had: {error}")
        return
    yield from found[:: 1 if trial.is_full else 5]


async def _throw(decoder: Decoder, bodies: Iterable[tuple[str, bytes]]) -> Seen:
    """All of them, as many at a time as there are processes."""
    seen = Seen()
    source = iter(bodies)

    async def lane() -> None:
        for name, body in source:
            began = time.perf_counter()
            seen.reasons[await _try(decoder, name, body, seen)] += 1
            seen.slowest = max(seen.slowest, (time.perf_counter() - began, name))

    await asyncio.gather(*(lane() for _ in range(POLICY.num_processes)))
    return seen


async def _try(decoder: Decoder, name: str, body: bytes, seen: Seen) -> str:
    try:
        async with asyncio.timeout(STUCK_SECONDS):
            found = await decoder.decode(FetchedImage(name, body, ""))
    except RejectedError as error:
        if error.reason.value not in REASONS or len(error.detail) < 10:
            seen.faults.append(f"{name}: {error}")
        return error.reason.value
    except TimeoutError:
        seen.stuck += 1
        return "stuck"
    if found.pixels.shape != (224, 224, 3) or not 0 < max(found.reading_pixels.shape) <= POLICY.reading_side:
        seen.faults.append(f"{name}: {found.pixels.shape}, {found.reading_pixels.shape}")
    return "decoded"


async def _kill(decoder: Decoder, count: int) -> int:
    """Kill a process ``count`` times, each as soon as all are there again."""
    for number in range(count):
        async with asyncio.timeout(20):
            while len(decoder.pids) <= POLICY.num_processes:  # noqa: ASYNC110  # nothing announces a new process
                await asyncio.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.kill(decoder.pids[number % len(decoder.pids)], signal.SIGKILL)
        await asyncio.sleep(0.1)
    return count


async def _digest(decoder: Decoder, body: bytes) -> str:
    found = await decoder.decode(FetchedImage("sound", body, ""))
    return hashlib.sha256(found.pixels.tobytes() + found.reading_pixels.tobytes()).hexdigest()


@asynccontextmanager
async def _decoding(metrics: Metrics) -> AsyncIterator[Decoder]:
    decoder = Decoder(POLICY, metrics)
    await decoder.start()
    try:
        yield decoder
    finally:
        await decoder.close()


@asynccontextmanager
async def _watching(watch: Watch) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(watch.serve()), asyncio.create_task(watch.measure())]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(ended, asyncio.CancelledError) and isinstance(ended, BaseException):
                raise ended


def _restarts(metrics: Metrics) -> int:
    found = metrics.snapshot()["decoder_restarts"]
    return int(found) if isinstance(found, float) else 0


def _peak(pid: int) -> int:
    """Bytes that a process held at its largest; 0 if it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) << 10
    return 0


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _children() -> int:
    found = [Path(path, "children").read_text().split() for path in Path("/proc/self/task").iterdir()]
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes() for pids in found for pid in pids]
    return sum(b"worker.decoding.jail" in command or not command for command in commands)
