"""Whose transaction it is: that of the group's member that had its records when it was made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Producer, TopicPartition

from worker.item import OutputRecord
from worker.kafka.transaction import Commit, CommitOutcome, ProducerSession, PublishPolicy, Step


@dataclass
class Client:
    """A producer that succeeds. ``members``: of the transactions' offsets."""

    members: list[object] = field(default_factory=list)

    def begin_transaction(self) -> None:
        """Nothing to do."""

    def produce(self, *_: object, **__: object) -> None:
        """Nothing to do."""

    def poll(self, timeout: float) -> None:
        """Nothing to do."""

    def send_offsets_to_transaction(self, offsets: Sequence[TopicPartition], member: object, timeout: float) -> None:
        """Noted."""
        self.members.append(member)

    def commit_transaction(self, timeout: float) -> None:
        """Nothing to do."""


async def test_a_rebalance_while_records_are_produced_fences_the_transaction() -> None:
    """Some of its partitions may be another's by then. A broker asks for a member of now, not for whose they are: under
    the new generation it would take results that their next owner publishes too.
    """
    member = "of generation 1"

    def rebalance(step: Step) -> None:
        nonlocal member
        if step is Step.PRODUCED:
            member = "of generation 2"

    client = Client()
    session = ProducerSession({}, PublishPolicy("t"), lambda: member, rebalance)
    await session._thread.start(lambda: None)
    session._kafka = cast(Producer, client)
    commit = Commit([OutputRecord("out", b"k", b"v", ())], [TopicPartition("in", 0, 1)])
    assert await session.transact(commit) is CommitOutcome.FINE
    await session.close()
    assert client.members == ["of generation 1"]
