"""A topic, a group's offsets and members that read it: what a broker knows, and what must be true of it at any time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

from worker.kafka.transaction import Commit, CommitOutcome
from worker.offsets import MAX_METADATA_CHARACTERS, decode_map


@dataclass
class Log:
    """One partition: ``offsets`` of its records, with holes, and their keys. ``bound``: where a replay ends."""

    end: int = 0
    offsets: list[int] = field(default_factory=list)
    keys: dict[int, bytes | None] = field(default_factory=dict)
    bound: int | None = None
    superseded: set[int] = field(default_factory=set)

    def write(self, count: int, rnd: Random) -> None:
        """So many records; some lie behind a hole, and a marker may end them."""
        for _ in range(count):
            self.end += rnd.choice((0, 0, 0, 0, 1, 3))
            self.offsets.append(self.end)
            self.keys[self.end] = rnd.choice((None, b"a", b"b", b"c"))
            self.end += 1
        self.end += rnd.choice((0, 1))

    @property
    def aim(self) -> int:
        """What is committed in the end."""
        return self.end if self.bound is None else self.bound

    @property
    def meant(self) -> list[int]:
        """Records that have to be worked on."""
        return [one for one in self.offsets if one < self.aim and one not in self.superseded]


class World:
    """``owners``: by partition the member that has it, for the broker. ``generation``: of each member."""

    def __init__(self, rnd: Random) -> None:
        self.rnd = rnd
        self.is_replay = rnd.random() < 0.4
        self.logs = [Log() for _ in range(rnd.randint(1, 3))]
        for log in self.logs:
            log.write(rnd.randint(0, 25), rnd)
            if self.is_replay:
                log.bound = rnd.randint(0, log.end)
                log.superseded = {one for one in log.offsets if one < log.bound and rnd.random() < 0.4}
        self.owners: list[object] = [None] * len(self.logs)
        self.committed: dict[int, tuple[int, str]] = {}
        self.published: dict[int, list[int]] = {number: [] for number in range(len(self.logs))}
        self.has_faults = True

    def place(self, number: int) -> tuple[int, str]:
        """Where the next owner of this partition begins."""
        return self.committed.get(number, (0, ""))

    @property
    def is_done(self) -> bool:
        """Is everything committed?"""
        return all(self.place(number)[0] >= log.aim for number, log in enumerate(self.logs))

    def take(self, commit: Commit) -> None:
        """It is committed, and all is well: nothing twice, nothing out of order, nothing that was not done."""
        for output in commit.outputs:
            number, offset = map(int, output.value.split(b":")) if output.value else (0, 0)
            log, before = self.logs[number], self.published[number]
            assert offset in log.meant, f"{number}:{offset} was not meant"
            assert offset not in before, f"{number}:{offset} twice"
            key = log.keys[offset]
            assert key is None or all(one < offset for one in before if log.keys[one] == key), "out of order"
            before.append(offset)
        for place in commit.offsets:
            number, offset, metadata = place.partition, place.offset, place.metadata or ""
            assert offset >= self.place(number)[0], f"partition {number} went back to {offset}"
            assert len(metadata) <= MAX_METADATA_CHARACTERS
            found = decode_map(metadata, offset)
            assert found.foreign is None
            said = {one for one in self.logs[number].meant if one < offset} | found.finished
            lost = said - set(self.published[number]) - self.logs[number].superseded
            assert not lost, f"partition {number}: {sorted(lost)} committed and not done"
            self.committed[number] = (offset, metadata)


@dataclass
class Broker:
    """A member's publisher. ``generation``: raised when its partitions change; what began before is refused then."""

    world: World
    generation: int = 0
    is_fenced: bool = False
    is_dead: bool = False

    async def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def send(self, commit: Commit) -> CommitOutcome:
        """At some moment it is committed or not, at a later one that is known or not."""
        rnd, generation = self.world.rnd, self.generation
        await asyncio.sleep(rnd.choice((0, 0, 0.001, 0.01, 0.3)))
        if self.is_dead:
            await asyncio.get_running_loop().create_future()
        luck = rnd.random() if self.world.has_faults else 1.0
        if self.is_fenced or generation != self.generation or luck < 0.06:
            return CommitOutcome.ABORTED
        if luck < 0.08:
            return CommitOutcome.UNKNOWN
        self.world.take(commit)
        await asyncio.sleep(rnd.choice((0, 0, 0.001, 0.05)))
        return CommitOutcome.UNKNOWN if luck < 0.1 else CommitOutcome.FINE
