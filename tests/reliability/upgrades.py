"""To a new checkpoint and back under load, worker by worker, as docs/versioning.md says; and to one that is none."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from tests.audit import Report, read_events
from tests.integration.stream import RUN, Stream, WorkerProcess
from tests.reliability.fleet import SETTINGS, Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import Letter, listings
from tests.reliability.worker import Faults

TITLE = "To a new checkpoint and back"
INSTANCES = ("one", "two", "three")
OLD, NEW = Faults(revision="old"), Faults(revision="new")


@dataclass(slots=True)
class _Rollout:
    """What rolling showed. ``ends`` are exit codes of workers that were replaced."""

    ends: list[int] = field(default_factory=list)
    bad_end: int | None = None
    bad_log: str = ""
    is_done: bool = False


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    count = trial.size(short=3_000, full=15_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    async with image_host() as host, Fleet(stream, host) as fleet:
        letters = list(listings(count, [host.base_url], trial.random("upgrades"), keys=count // 5))
        found = await _roll(fleet, letters, trial)
        await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    by_listing, by_revision = await asyncio.to_thread(_revisions, stream)
    return _rows(count, found, report, by_listing, by_revision)


async def _roll(fleet: Fleet, letters: list[Letter], trial: Trial) -> _Rollout:
    """As a StatefulSet does it: the old one drains and ends, then the new one starts under its name.

    Half a slice of the listings flows meanwhile, half when the new one is there: it must do some of them.
    """
    found = _Rollout()
    steps = [(name, kind) for kind in (NEW, OLD) for name in INSTANCES]
    size = len(letters) // (len(steps) + 2)
    workers = await asyncio.gather(*(fleet.start(name, OLD) for name in INSTANCES))
    await asyncio.gather(*(worker.until("partition.assigned") for worker in workers))
    for number, (name, kind) in enumerate([("", OLD), *steps]):
        part = letters[number * size : (number + 1) * size]
        sending = asyncio.create_task(asyncio.to_thread(send, fleet.stream, part[: size // 2]))
        if name:
            found.ends.append(await fleet.workers[name].stop())
            await (await fleet.start(name, kind)).until("partition.assigned")
            trial.say(f"{name} is {kind.revision}; its predecessor ended with {found.ends[-1]}")
        await sending
        await asyncio.to_thread(send, fleet.stream, part[size // 2 :])
        if name:
            await fleet.workers[name].until("worker.first_results")
    found.bad_end, found.bad_log = await _unreadable(fleet)
    send(fleet.stream, letters[(len(steps) + 1) * size :])
    found.is_done = await fleet.until_done(trial.size(short=180, full=900))
    if not found.is_done:
        trial.say(fleet.dying_words())
    return found


async def _unreadable(fleet: Fleet) -> tuple[int, str]:
    """A worker that is given no checkpoint: its exit code and what it said."""
    environment = fleet.stream.environment(fleet.host, "four", {**SETTINGS, "MODEL__CHECKPOINT": "/nowhere"})
    worker = await WorkerProcess.start(environment, RUN)
    code = await worker.ended(within_seconds=120)
    return code, "".join(worker.log)


def _revisions(stream: Stream) -> tuple[dict[tuple[int, int], set[str]], Counter[str]]:
    """Revisions by source record, and how many records each revision has."""
    by_listing: dict[tuple[int, int], set[str]] = defaultdict(set)
    for _, _, _, body in read_events(stream.servers, stream.topics):
        if body is not None:
            source = body["source"]
            by_listing[source["partition"], source["offset"]].add(body["model"]["revision"])
    return by_listing, Counter(name for names in by_listing.values() for name in names)


def _rows(
    count: int,
    found: _Rollout,
    report: Report,
    by_listing: dict[tuple[int, int], set[str]],
    by_revision: Counter[str],
) -> list[Row]:
    mixed = sum(len(names) > 1 for names in by_listing.values())
    shares = ", ".join(f"{number:,}" for _, number in by_revision.most_common())
    was_refused = found.bad_end == 1 and "/nowhere" in found.bad_log and "partition.assigned" not in found.bad_log
    return [
        Row(
            f"{len(INSTANCES)} workers to another revision and back, one by one, {count:,} listings",
            "0 lost, 0 doubled, order kept",
            verdict(report),
            report.is_clean and found.is_done,
        ),
        Row(
            "Listings whose events are of two revisions",
            "0; both revisions have some",
            f"{mixed}; {shares} by revision",
            mixed == 0 and len(by_revision) == 2,
        ),
        Row(
            "Exit codes of the workers that were replaced",
            "0 each time",
            f"0 {found.ends.count(0)} times of {len(found.ends)}",
            not any(found.ends) and len(found.ends) == 2 * len(INSTANCES),
        ),
        Row(
            "A checkpoint that cannot be read",
            "ends that worker with 1 before it joins the group, and names the folder",
            f"exit code {found.bad_end}, {'named' if '/nowhere' in found.bad_log else 'not named'}, "
            f"{'joined' if 'partition.assigned' in found.bad_log else 'did not join'}",
            was_refused,
        ),
    ]
