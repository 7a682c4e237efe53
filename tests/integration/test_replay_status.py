"""What is said of replays while they are at work, and before they are."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.integration.test_replay import Past
from tests.polling import until
from tests.servers.base import Server
from worker.replays.plan_store import PlanStore
from worker.replays.progress import ProgressReader

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]


def test_a_shadow_run_that_has_not_begun_hides_no_other(kafka: Server) -> None:
    """Its topics are made when it begins, and may be deleted when it is over: until then they hold no dead letters."""
    past = Past.on(kafka.address, 1)
    past.put(0, [int(time.time() * 1000)] * 2)
    past.command("--name", "plain", "--from", "earliest", "--freeze")
    past.command("--name", "dark", "--from", "earliest", "--output-prefix", f"{past.stream.name}.", "--freeze")
    told = {row["replay"]: row["dead_letters"] for row in past.command("--status")}
    assert told == {"plain": 0, "dark": None}


async def test_progress_is_told_while_a_transaction_is_open(kafka: Server) -> None:
    """As one nearly always is while a replay works: what is committed counts, and the rest not yet."""
    past, client = Past.on(kafka.address, 1), {"bootstrap.servers": kafka.address}
    past.put(0, [int(time.time() * 1000)] * 9)
    past.command("--name", "busy", "--from", "earliest", "--freeze")
    plan = PlanStore(client, client, past.settings["KAFKA__REPLAY_TOPIC"]).read().plans["busy"]
    worker = Producer({**client, "transactional.id": past.stream.name})
    member = Consumer({**client, "group.id": plan.group_id})
    worker.init_transactions(30)
    for offset, is_ended in ((4, True), (8, False)):
        worker.begin_transaction()
        place = TopicPartition(plan.topic, 0, offset)
        worker.send_offsets_to_transaction([place], member.consumer_group_metadata(), 30)
        if is_ended:
            worker.commit_transaction(30)
    reader = ProgressReader(client)

    async def has_first() -> bool:
        return (await asyncio.to_thread(reader.look, plan)).num_done == 4

    await until(has_first)  # a commit is visible a moment after it has returned
    worker.abort_transaction(30)
    member.close()
