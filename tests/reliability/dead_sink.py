"""The broker takes no results, for minutes, while listings keep coming; then it does again."""

from __future__ import annotations

import asyncio

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # no __all__
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.resident import row, watched
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings

TITLE = "Dead sink"


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    seconds, count = trial.size(short=60, full=600), trial.size(short=1_500, full=20_000)
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    choose = trial.random("sink")
    async with image_host() as host, Fleet(stream, host) as fleet:
        worker = await fleet.start("one")
        letters = list(listings(count, [host.base_url], choose, keys=None))
        send(stream, letters[:100])
        await fleet.until_done(60)
        await asyncio.to_thread(_refuse_results, stream, is_refusing=True)
        send(stream, letters[100:])
        resident = await watched(worker, asyncio.sleep(seconds))
        before = await fleet.num_committed()
        await asyncio.to_thread(_refuse_results, stream, is_refusing=False)
        is_done = await fleet.until_done(120 + count / 20)
        codes = await fleet.stop()
    report = await asyncio.to_thread(stream.judge)
    return [
        row(f"sink dead for {seconds} s with {count - before:,} listings waiting", [resident]),
        Row(
            "the same stream once the sink takes results again",
            "0 lost, 0 doubled",
            verdict(report),
            report.is_clean and is_done and codes == [0] and before < count,
        ),
    ]


def _refuse_results(stream: Stream, *, is_refusing: bool) -> None:
    """No event is small enough, only what ends a transaction: results are refused for as long as that stands.

    More replicas wanted than there are brokers would not do: Kafka 4 caps what is wanted at what there is.
    """
    operation = AlterConfigOpType.SET if is_refusing else AlterConfigOpType.DELETE
    change = ConfigEntry("max.message.bytes", "200" if is_refusing else None, incremental_operation=operation)
    topics = stream.topics
    names = (topics.attributes, topics.scenes, topics.texts, topics.dead_letter)
    resources = [ConfigResource(ResourceType.TOPIC, name, incremental_configs=[change]) for name in names]
    admin = AdminClient({"bootstrap.servers": stream.servers})  # what it is asked ends with it
    for outcome in admin.incremental_alter_configs(resources).values():
        outcome.result(20)
