"""The least that the stream itself costs: ``python -m tests.bench.floor``.

Reads one JSON object from standard input: ``servers``, the ``input`` and ``outputs`` topics, ``group``, how many
records to take (``count``), sizes of the ``values`` to produce for each, how many decoder processes (``decoders``), and
a simulated device: seconds of a batch (``fixed``) and of each picture in it (``item``), pictures at most (``batch``).
Each record: read in chunks, its picture fetched by aiohttp, hashed, handed to a decoder process and its pixels copied
back; then one event per output topic, in transactions with the offsets. Nothing is checked, tagged,
measured, ordered or limited. Says ``ready`` once it has partitions. Prints this process's processor seconds as JSON,
without its decoders', and seconds from the first picture at the device to the last commit.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import threading
import time
from typing import Any

import aiohttp
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from worker.decode import DecodePolicy
from worker.decoding.cell import Cell
from worker.item import FetchedImage

_AHEAD = 64  # listings on their way
_HEADERS: list[tuple[str, str | bytes | None]] = [
    (name, b"x" * 30) for name in ("ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type")
]


async def main() -> None:
    """Run the loop once."""
    told = json.loads(sys.stdin.read())
    floor = Floor(told)
    await floor.start()
    cpu = time.process_time()
    await floor.run()
    took = {"seconds": time.perf_counter() - floor.began, "cpu_seconds": time.process_time() - cpu}
    print(json.dumps(took))  # noqa: T201  # read by the bench
    await floor.close()


class Floor:
    """The loop and what it holds."""

    def __init__(self, told: dict[str, Any]) -> None:
        self._told = told
        self._values = [b"v" * size for size in told["values"]]
        self._arrived: asyncio.Queue[list[Message]] = asyncio.Queue()
        self._decoded: asyncio.Queue[Message] = asyncio.Queue()
        self._done: asyncio.Queue[Message] = asyncio.Queue()
        self._cells: asyncio.Queue[Cell] = asyncio.LifoQueue()
        self._stopping = threading.Event()
        self._room = asyncio.Semaphore(_AHEAD)
        self.began = 0.0

    async def start(self) -> None:
        """Everything connected, nothing taken yet."""
        policy = DecodePolicy(reading_side=0)
        for _ in range(self._told["decoders"]):
            cell = Cell(policy.limits, policy.confine, policy.max_body_bytes)
            await cell.start()
            self._cells.put_nowait(cell)
        servers = {"bootstrap.servers": self._told["servers"]}
        fast = {"retry.backoff.ms": 5, "retry.backoff.max.ms": 50, "linger.ms": 0}
        self._producer = Producer({**servers, **fast, "transactional.id": self._told["group"]})
        await asyncio.to_thread(self._producer.init_transactions, 30)
        reads = {"group.id": self._told["group"], "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**servers, **reads, "isolation.level": "read_committed"})
        self._membership: object = None
        self._consumer.subscribe([self._told["input"]], on_assign=lambda *_: print("ready", flush=True))  # noqa: T201
        self._session = aiohttp.ClientSession(headers={"Accept-Encoding": "identity"})

    async def run(self) -> None:
        """Take, fetch, decode and publish ``count`` records."""
        reading = threading.Thread(target=self._read, args=(asyncio.get_running_loop(),))
        reading.start()
        taken = 0
        async with asyncio.TaskGroup() as group:  # a picture that fails ends the bench, not its progress
            group.create_task(self._compute())
            group.create_task(self._publish())
            while taken < self._told["count"]:
                for message in (await self._arrived.get())[: self._told["count"] - taken]:
                    taken += 1
                    await self._room.acquire()
                    group.create_task(self._one(message))
        self._stopping.set()
        await asyncio.to_thread(reading.join)

    async def close(self) -> None:
        """End everything."""
        await self._session.close()
        self._consumer.close()
        while not self._cells.empty():
            await self._cells.get_nowait().end()

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while not self._stopping.is_set():
            first = self._consumer.poll(0.1)
            if first is not None:
                self._membership = self._consumer.consumer_group_metadata()  # in another thread it would block
                loop.call_soon_threadsafe(self._arrived.put_nowait, [first, *self._consumer.consume(500, 0)])

    async def _one(self, message: Message) -> None:
        url = json.loads(message.value() or b"")["image_urls"][0]
        async with self._session.get(url) as response:
            body = await response.read()
        cell = await self._cells.get()
        await cell.ask(FetchedImage(url, body, hashlib.sha256(body).hexdigest()))
        self._cells.put_nowait(cell)
        self._decoded.put_nowait(message)

    async def _compute(self) -> None:
        """The device: one batch after the other, of what is there."""
        count = 0
        while count < self._told["count"]:
            batch = await _waiting(self._decoded, self._told["batch"])
            self.began = self.began or time.perf_counter()
            await asyncio.sleep(self._told["fixed"] + len(batch) * self._told["item"])
            for message in batch:
                self._done.put_nowait(message)
                self._room.release()
            count += len(batch)

    async def _publish(self) -> None:
        count = 0
        while count < self._told["count"]:
            batch = await _waiting(self._done, self._told["count"])
            await asyncio.to_thread(self._transact, batch)
            count += len(batch)

    def _transact(self, batch: list[Message]) -> None:
        self._producer.begin_transaction()
        ends: dict[int, int] = {}
        for message in batch:
            for topic, value in zip(self._told["outputs"], self._values, strict=True):
                self._producer.produce(topic, value, message.key(), headers=_HEADERS)
            partition, offset = message.partition() or 0, message.offset() or 0
            ends[partition] = max(offset + 1, ends.get(partition, 0))
        places = [TopicPartition(self._told["input"], partition, offset) for partition, offset in ends.items()]
        self._producer.send_offsets_to_transaction(places, self._membership, 10)
        self._producer.commit_transaction(10)


async def _waiting(queue: asyncio.Queue[Message], most: int) -> list[Message]:
    """What waits in the queue, at least one and at most so many."""
    found = [await queue.get()]
    while not queue.empty() and len(found) < most:
        found.append(queue.get_nowait())
    return found


if __name__ == "__main__":
    asyncio.run(main())
