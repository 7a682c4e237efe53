"""A DNS server over UDP that answers by script: each name says what the first, second, third look-up get."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

A, CNAME, AAAA = 1, 5, 28
_INTERNET = 1
_ANSWERED, _NO_SUCH_NAME = 0x8580, 0x8583
_MAX_UDP_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Reply:
    """What one look-up of a name gets: addresses of both families, behind aliases; ``ttl`` in seconds."""

    addresses: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    ttl: int = 0
    wait_seconds: float = 0.0
    is_silent: bool = False


Script = Callable[[str, int], Reply | None]


class ScriptedDns(asyncio.DatagramProtocol):
    """Asks ``script`` for (name, number of the look-up): None is a name that does not exist.

    The stub asks for A and AAAA at once; both questions of one look-up get the same number.
    """

    def __init__(self, script: Script, address: str) -> None:
        self._script = script
        self._address = address
        self._transport: asyncio.DatagramTransport | None = None
        self.asked: Counter[tuple[str, int]] = Counter()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(self._address, 53))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._transport is not None:
            self._transport.close()

    def num_lookups(self, name: str) -> int:
        """How often this name was looked up."""
        return max(self.asked[name, A], self.asked[name, AAAA])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer one question."""
        name, kind, end = _question(data)
        number = self.asked[name, kind]
        self.asked[name, kind] += 1
        reply = self._script(name, number)
        if reply is not None and reply.is_silent:
            return
        answer = _answer(data, end, name, kind, reply)
        asyncio.get_running_loop().call_later(reply.wait_seconds if reply else 0.0, self._send, answer, addr)

    def _send(self, answer: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, addr)


def _question(data: bytes) -> tuple[str, int, int]:
    """The name in lower case without its last dot, the type asked for, and where the question ends."""
    labels, position = [], 12
    while length := data[position]:
        labels.append(data[position + 1 : position + 1 + length].decode("latin-1").lower())
        position += 1 + length
    kind = struct.unpack_from(">H", data, position + 1)[0]
    return ".".join(labels), kind, position + 5


def _answer(data: bytes, end: int, name: str, kind: int, reply: Reply | None) -> bytes:
    records = list(_records(name, kind, reply)) if reply else []
    flags = _NO_SUCH_NAME if reply is None else _ANSWERED
    head = data[:2] + struct.pack(">HHHHH", flags, 1, len(records), 0, 0)
    return (head + data[12:end] + b"".join(records))[:_MAX_UDP_BYTES]


def _records(name: str, kind: int, reply: Reply) -> Iterator[bytes]:
    owner = name
    for alias in reply.aliases:
        yield _record(owner, CNAME, reply.ttl, _encoded(alias))
        owner = alias
    for text in reply.addresses:
        address = ipaddress.ip_address(text)
        if kind == (A if address.version == 4 else AAAA):
            yield _record(owner, kind, reply.ttl, address.packed)


def _record(owner: str, kind: int, ttl: int, data: bytes) -> bytes:
    return _encoded(owner) + struct.pack(">HHIH", kind, _INTERNET, ttl, len(data)) + data


def _encoded(name: str) -> bytes:
    labels = [label.encode("latin-1") for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
