"""Names whose answers change: public first, inside later; mixed; behind aliases; for one family only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tests.reliability.dns_script import Reply
from tests.reliability.small_world import DEAD, PUBLIC

GOOD4, GOOD6 = PUBLIC[0], PUBLIC[3]
_BAD4 = ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0")
_BAD6 = ("::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "fe80::1", "2002:7f00:1::1")


@dataclass(frozen=True, slots=True)
class Sequence:
    """A name and what its look-ups get, one after the other; the last reply stays."""

    name: str
    replies: tuple[Reply | None, ...]

    def reply(self, number: int) -> Reply | None:
        """For the ``number``-th look-up."""
        return self.replies[min(number, len(self.replies) - 1)]

    def outcome(self, number: int) -> str:
        """How a fetch must end that gets this look-up."""
        reply = self.reply(number)
        if reply is None or not reply.addresses:
            return "dns_failed"
        return "url_refused" if set(reply.addresses) - set(PUBLIC) else "fetched"


def sequences() -> list[Sequence]:
    """All of them. A fetch with a fresh cache follows each look-up."""
    return [Sequence(f"rebind{number}.example", replies) for number, replies in enumerate(_plans())]


def aging() -> list[Sequence]:
    """For one fetcher whose cache runs out between the fetches: public first, then inside."""
    return [
        Sequence(f"aging{number}.example", (Reply((GOOD4,)), Reply((bad,)), Reply((GOOD4, bad)), Reply((GOOD4,))))
        for number, bad in enumerate((*_BAD4, *_BAD6))
    ]


def dying() -> list[Sequence]:
    """The public host hangs up; when the fetcher tries again, the name leads inside."""
    return [
        Sequence(f"dying{number}.example", (Reply((DEAD[number % 2],)), Reply((bad,))))
        for number, bad in enumerate((*_BAD4, *_BAD6))
    ]


def _plans() -> Iterator[tuple[Reply | None, ...]]:
    good = Reply((GOOD4,))
    for bad in (*_BAD4, *_BAD6):
        yield good, Reply((bad,))
        yield good, Reply((GOOD4, bad))
        yield Reply((bad, GOOD4)), good, Reply((bad,))
        yield good, Reply((bad,), aliases=("cdn.example", "edge.cdn.example"))
    for four, six in product(_BAD4[:3], _BAD6[:3]):
        yield Reply((GOOD4, GOOD6)), Reply((four, GOOD6)), Reply((GOOD4, six)), Reply((four, six))
    yield tuple(Reply((bad,) if number % 2 else (GOOD6,)) for number, bad in enumerate(_BAD4 + _BAD6))
    yield None, Reply((_BAD4[0],)), good
    yield Reply(()), Reply((_BAD6[0],)), Reply((GOOD6,))
    yield Reply((GOOD4,), ttl=86_400), Reply((_BAD4[2],), ttl=86_400)
    yield Reply((*PUBLIC, _BAD4[1])), Reply(PUBLIC)
    yield (
        Reply((GOOD4,), aliases=tuple(f"hop{number}.example" for number in range(12))),
        Reply((_BAD4[0],), ("localhost",)),
    )
    yield Reply((*tuple(f"93.184.{number}.1" for number in range(20)), _BAD4[2])), good
