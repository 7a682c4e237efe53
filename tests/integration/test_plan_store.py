"""The topic of plans on a real broker: what is said to be written is there."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.servers.base import Server
from tests.servers.record_limits import limit_records
from worker.errors import FatalError
from worker.replays.plan import Plan, Request
from worker.replays.plan_store import PlanStore

pytestmark = [pytest.mark.kafka]

NOW = datetime.now(UTC).replace(microsecond=0)
TOO_SMALL, USUAL = 10, 1 << 20


def test_a_replay_is_done_when_the_broker_has_taken_it(kafka: Server) -> None:
    """A record that the broker refuses is said to be refused, with its reason; and taken when it can be."""
    topic, client = f"t-{uuid.uuid4().hex[:8]}-replays", {"bootstrap.servers": kafka.address}
    admin = AdminClient({**client})  # what it is asked ends with it
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(20)
    store = PlanStore(client, client, topic)
    plan = store.keep(Plan("spring", "listings", "hangtag", NOW, Request("earliest").completed(), ()))
    limit_records(kafka.address, {topic: TOO_SMALL})
    with pytest.raises(FatalError, match="too large"):
        store.note_done(plan, NOW)
    assert not store.read().done_at
    limit_records(kafka.address, {topic: USUAL})
    store.note_done(plan, NOW)
    assert store.read().done_at == {"spring": NOW}
