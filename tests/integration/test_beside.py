"""``hangtag run --backfill``: a replay in the process of a live worker, on a real broker and the stand-in model."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import Mapping

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topics
from tests.audit import judge, read_outputs
from tests.integration.stream import Stream, WorkerProcess, until
from tests.reliability.fleet import COMMAND, SETTINGS, image_host
from tests.reliability.traffic import listing
from tests.reliability.worker import Faults
from tests.servers.base import Server
from tests.servers.record_limits import limit_records
from worker.demo.imagehost import ImageHost
from worker.replay import find_plan, make_output_topics, standings
from worker.replays.plan import Plan, Request
from worker.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

_PORT = re.compile(r'"http_port": (\d+)')


def settings_of(stream: Stream) -> Settings:
    """As the worker's, for looking at plans."""
    names = stream.topics
    kafka = {
        "bootstrap_servers": stream.servers, "group_id": stream.name, "input_topic": names.input,
        "attributes_topic": names.attributes, "scenes_topic": names.scenes, "texts_topic": names.texts,
        "dead_letter_topic": names.dead_letter, "replay_topic": f"t-{stream.name}-replays",
    }  # fmt: skip
    return Settings.model_validate({"kafka": kafka})


def freeze(stream: Stream, name: str) -> Plan:
    """As ``hangtag replay --from earliest --output-prefix try. --freeze`` does."""
    request = Request("earliest", output_prefix="try.")
    plan = find_plan(settings_of(stream), name, request, must_exist=False, is_dry=False)
    make_output_topics(settings_of(stream), plan)  # so that they can be looked at before a worker comes
    return plan


def numbered(name: str, count: int, host: ImageHost) -> list[tuple[str, bytes]]:
    """Listings with a picture each, whose keys begin with ``name``."""
    keys = [f"{name}-{number}" for number in range(count)]
    return [(key, listing(key, f"oak table {key}", [f"{host.base_url}/pictures/{len(key)}.jpg"])) for key in keys]


async def start(
    stream: Stream, host: ImageHost, settings: Mapping[str, str], more: Mapping[str, str] | None = None
) -> WorkerProcess:
    """A live worker, with whatever backfill the settings name; ``more``: variables of its environment."""
    own = {**SETTINGS, "KAFKA__REPLAY_TOPIC": f"t-{stream.name}-replays", **settings}
    return await WorkerProcess.start({**stream.environment(host, "one", own), **(more or {})}, COMMAND)


def metric(worker: WorkerProcess, name: str) -> float:
    """One sample of the worker's metrics page, labels included in ``name``."""
    found = _PORT.search("".join(worker.log))
    assert found is not None, worker.log
    with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/metrics", timeout=10) as page:
        lines = page.read().decode().splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def shadow(stream: Stream) -> Topics:
    """Where a backfill with the prefix ``try.`` puts its results."""
    names = stream.topics
    events = [f"try.{one}" for one in (names.attributes, names.scenes, names.texts)]
    return Topics(names.input, events[0], events[1], events[2], f"try.{names.dead_letter}")


def outputs_are_clean(stream: Stream, names: Topics, first: int, last: int) -> bool:
    """Are the records sent as numbers ``[first, last)`` each done once there, and no other?"""
    sent, outputs = stream.sent[first:last], list(read_outputs(stream.servers, names))
    report = judge(sent, outputs, names)
    assert not (report.doubled or report.wrong or report.out_of_order), report
    return not report.missing


async def test_a_backfill_is_done_beside_live_traffic(kafka: Server) -> None:
    """The worker waits for the plan, does it into topics of its own, notes it as done, and goes on with live alone."""
    stream = Stream(kafka.address, num_partitions=3)
    stream.create()
    async with image_host() as host:
        stream.send(numbered("old", 120, host))
        worker = await start(stream, host, {"BACKFILL__NAME": "spring", "KAFKA__START_AT": "latest"})
        try:
            assert await worker.until("backfill.waits_for_its_plan"), worker.log[-5:]
            assert await worker.until("partition.assigned"), worker.log[-5:]
            await asyncio.to_thread(freeze, stream, "spring")
            stream.send(numbered("live", 60, host))
            assert await worker.until("backfill.done", within_seconds=180), worker.log[-8:]
            await until(lambda: outputs_are_clean(stream, stream.topics, 120, 180), worker)
            assert await asyncio.to_thread(metric, worker, "hangtag_backfill_running") == 0
            tagged = 'hangtag_backfill_listings_total{outcome="tagged"}'
            assert await asyncio.to_thread(metric, worker, tagged) > 50
            assert await asyncio.to_thread(metric, worker, 'hangtag_finished_listings_total{outcome="tagged"}') <= 60
            (standing,) = await asyncio.to_thread(standings, settings_of(stream))
            assert standing.done_at is not None and standing.progress.is_done
            assert await worker.stop() == 0
        finally:
            await worker.kill()
    assert outputs_are_clean(stream, stream.topics, 120, 180)


async def test_a_backfill_goes_on_after_a_kill_and_a_stop(kafka: Server) -> None:
    """SIGKILL in the middle, then SIGTERM in the middle, then to its end: nothing lost, nothing doubled."""
    stream = Stream(kafka.address, num_partitions=3)
    stream.create()
    async with image_host() as host:
        stream.send(numbered("old", 400, host))
        await asyncio.to_thread(freeze, stream, "again")
        # Slow, so that there is something left to kill and to stop, however late that is noticed.
        own, before = {"BACKFILL__NAME": "again", "BACKFILL__RATE": "4", "KAFKA__START_AT": "latest"}, 0
        for end in ("kill", "stop", "done"):
            worker = await start(stream, host, {**own, "BACKFILL__RATE": "0"} if end == "done" else own)
            try:
                assert await worker.until("backfill.started"), worker.log[-8:]
                if end == "done":
                    assert await worker.until("backfill.done", within_seconds=180), worker.log[-8:]
                else:
                    await until(lambda before=before: _num_outputs(stream) > before, worker)  # type: ignore[misc]
                if end == "kill":
                    await worker.kill()
                else:
                    assert await worker.stop() == 0, worker.log[-8:]
            finally:
                await worker.kill()
            before = await asyncio.to_thread(_num_outputs, stream)
    assert outputs_are_clean(stream, shadow(stream), 0, 400)


async def test_a_backfill_that_fails_leaves_live_traffic_alone(kafka: Server) -> None:
    """Records of its plan were deleted meanwhile: said loudly; live listings are tagged all the same."""
    stream = Stream(kafka.address, num_partitions=1)
    stream.create()
    async with image_host() as host:
        stream.send(numbered("old", 20, host))
        await asyncio.to_thread(freeze, stream, "gone")
        admin = AdminClient({"bootstrap.servers": stream.servers})
        place = TopicPartition(stream.topics.input, 0, 10)
        await asyncio.to_thread(admin.delete_records([place])[place].result, 20)
        worker = await start(stream, host, {"BACKFILL__NAME": "gone"})
        try:
            assert await worker.until("backfill.failed"), worker.log[-8:]
            assert "10 were deleted meanwhile" in "".join(worker.log)
            stream.send(numbered("live", 20, host))
            await until(lambda: outputs_are_clean(stream, stream.topics, 10, 40), worker)
            assert await worker.stop() == 0
        finally:
            await worker.kill()
    assert not list(read_outputs(stream.servers, shadow(stream)))


async def test_a_backfill_that_fails_after_results_goes_on_where_it_was(kafka: Server) -> None:
    """All is tagged, but that it is done cannot be written: the next try adds nothing to the counts, and ends."""
    stream = Stream(kafka.address, num_partitions=1)
    stream.create()
    plans = settings_of(stream).kafka.replay_topic
    async with image_host() as host:
        stream.send(numbered("old", 40, host))
        await asyncio.to_thread(freeze, stream, "late")
        await asyncio.to_thread(limit_records, stream.servers, {plans: 10})
        own = {"BACKFILL__NAME": "late", "KAFKA__START_AT": "latest"}
        worker = await start(stream, host, own, Faults(again_seconds=0.2).to_environment())
        try:
            assert await worker.until("backfill.failed"), worker.log[-8:]
            assert "could not be written" in "".join(worker.log)
            assert outputs_are_clean(stream, shadow(stream), 0, 40)
            await asyncio.to_thread(limit_records, stream.servers, {plans: 1 << 20})
            assert await worker.until("backfill.done"), worker.log[-8:]
            tagged = 'hangtag_backfill_listings_total{outcome="tagged"}'
            assert await asyncio.to_thread(metric, worker, tagged) == 40
            assert await worker.stop() == 0
        finally:
            await worker.kill()


async def test_a_backfill_does_not_go_on_without_looking_whether_to_rest(kafka: Server) -> None:
    """What looks at live traffic fails: so does this try, loudly, and the next one is whole again."""
    stream = Stream(kafka.address, num_partitions=1)
    stream.create()
    async with image_host() as host:
        stream.send(numbered("old", 40, host))
        await asyncio.to_thread(freeze, stream, "blind")
        own = {"BACKFILL__NAME": "blind", "KAFKA__START_AT": "latest"}
        faults = Faults(rest_fails=True, again_seconds=0.2)
        worker = await start(stream, host, own, faults.to_environment())
        try:
            assert await worker.until("backfill.done"), worker.log[-8:]
            assert "told to fail" in next(line for line in worker.log if "backfill.failed" in line)
            assert outputs_are_clean(stream, shadow(stream), 0, 40)
            assert await worker.stop() == 0
        finally:
            await worker.kill()


def _num_outputs(stream: Stream) -> int:
    return len(list(read_outputs(stream.servers, shadow(stream))))
