"""A proxy that understands just enough of Kafka's protocol to do harm: it knows an EndTxn request when it sees one.

Frames from clients are parsed (length, API key); answers are passed on as bytes. A chosen EndTxn is held back, lost,
delivered without its answer ever arriving, or its connection goes dead with both ends open. What was held back is
delivered in the end, even when its client has long gone: the straggler of which Jepsen wrote.
"""

from __future__ import annotations

import asyncio
import random
import struct
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_END_TXN = 26
_HEAD = struct.Struct(">ih")  # frame length, API key
KINDS = ("request held back", "answer held back", "request lost", "answer lost", "half-open")


@dataclass(slots=True)
class Plan:
    """Which EndTxn requests suffer, how, and for how long; seconds are log-uniform from 1 to ``max_seconds``."""

    choose: random.Random
    wanted: int
    share: float = 0.2
    max_seconds: float = 60.0
    done: Counter[str] = field(default_factory=Counter)

    def next(self) -> tuple[str, float] | None:
        """A kind and a duration, or None: this one passes."""
        if sum(self.done.values()) >= self.wanted or self.choose.random() > self.share:
            return None
        kind = self.choose.choice(KINDS)
        self.done[kind] += 1
        return kind, self.max_seconds ** self.choose.random()


class CommitProxy:
    """Listens on ``port``, which stays free for it until ``__aenter__``, and passes on to ``upstream_port``."""

    def __init__(self, port: int, upstream_port: int, plan: Plan) -> None:
        self._port = port
        self._upstream_port = upstream_port
        self._plan = plan
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
            await _Connection(self._plan, reader, writer, up_reader, up_writer).run()


class _Connection:
    """One client's connection, and its other half to the broker."""

    def __init__(
        self, plan: Plan, reader: asyncio.StreamReader, writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._reader, self._writer = reader, writer
        self._up_reader, self._up_writer = up_reader, up_writer
        self._answers_flow = asyncio.Event()
        self._answers_flow.set()
        self._cuts_after_answer = False

    async def run(self) -> None:
        """Until both sides are done."""
        answers = asyncio.create_task(self._pass_answers())
        try:
            await self._pass_requests()
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            for end in (self._writer, self._up_writer):
                end.transport.abort()

    async def _pass_requests(self) -> None:
        while True:
            head = await self._reader.readexactly(_HEAD.size)
            length, api_key = _HEAD.unpack(head)
            frame = head + await self._reader.readexactly(length - 2)
            fault = self._plan.next() if api_key == _END_TXN else None
            if fault is None:
                self._up_writer.write(frame)
                await self._up_writer.drain()
            elif not await self._harm(frame, *fault):
                return

    async def _harm(self, frame: bytes, kind: str, seconds: float) -> bool:
        """Do it; False when the connection is over."""
        if kind == "request lost":
            return False
        if kind == "half-open":
            self._answers_flow.clear()
            await self._reader.read()  # whatever comes goes nowhere, until the client gives up
            return False
        if kind == "answer lost":
            self._cuts_after_answer = True
        if kind == "answer held back":
            self._answers_flow.clear()
            asyncio.get_running_loop().call_later(seconds, self._answers_flow.set)
        if kind == "request held back":
            await asyncio.sleep(seconds)
        self._up_writer.write(frame)
        await self._up_writer.drain()
        return True

    async def _pass_answers(self) -> None:
        while chunk := await self._up_reader.read(65_536):
            if self._cuts_after_answer:
                self._writer.transport.abort()
                return
            await self._answers_flow.wait()
            self._writer.write(chunk)
            await self._writer.drain()
