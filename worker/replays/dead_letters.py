"""Dead letters as an operator sees them: what one says, and which of them are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Message

from schemas.deadletter import DeadLetterHeaders, Reason, Stage
from worker.item import Headers
from worker.kafka.message_headers import read_headers

_HOST = re.compile(r"https?://([^/\s#?]+)")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic. ``told`` is None for a record that hangtag did not write."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    told: DeadLetterHeaders | None

    @property
    def host(self) -> str | None:
        """The image host that the message names, if any."""
        found = _HOST.search(self.told.message) if self.told else None
        return found[1] if found else None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which dead letters are meant; empty or None: any."""

    reasons: frozenset[Reason] = frozenset()
    stages: frozenset[Stage] = frozenset()
    host: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    group: str | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Is this letter meant? One that hangtag did not write only if nothing is asked for."""
        told = letter.told
        if told is None:
            return self == Filter()
        return (
            (not self.reasons or told.reason in self.reasons)
            and (not self.stages or told.stage in self.stages)
            and (self.host is None or letter.host == self.host)
            and (self.since is None or told.failed_at >= self.since)
            and (self.until is None or told.failed_at < self.until)
            and (self.group is None or told.group == self.group)
        )


def to_letter(message: Message) -> DeadLetter:
    """A record of the dead-letter topic, with its headers understood."""
    headers = read_headers(message) or ()  # those that hangtag wrote can be read
    try:
        told = DeadLetterHeaders.from_headers(headers)
    except ValueError:
        told = None
    return DeadLetter(message.partition() or 0, message.offset() or 0, message.key(), message.value(), headers, told)
