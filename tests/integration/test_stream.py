"""``hangtag run`` on a real Kafka and a real Redis, audited record by record."""

from __future__ import annotations

import pytest

from tests.integration.stream import Stream, WorkerProcess, host_of_samples, listings, until
from tests.servers.base import Server
from tests.servers.redis import OwnRedis

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(600)]

WITHOUT_OCR = {"OCR__ENABLED": "false"}


@pytest.mark.redis
async def test_thousand_listings_end_once_each(kafka: Server, redis: Server) -> None:
    """Every listing ends in three events or one dead letter, with OCR and Redis, over more partitions than workers."""
    stream = Stream(kafka.address, num_partitions=12)
    stream.create()
    async with host_of_samples() as host:
        stream.send(listings(1000, host.base_url))
        worker = await WorkerProcess.start(stream.environment(host, "one", {"REDIS__URL": redis.address}))
        await until(lambda: stream.num_committed() == 1000, worker)
        assert await worker.stop() == 0
    report = stream.judge()
    assert report.is_clean, report
    assert (report.num_tagged, report.num_dead) == (960, 40)


async def test_kill_in_the_middle_loses_and_doubles_nothing(kafka: Server) -> None:
    """SIGKILL at some moment, then a restart under the same name: still once each."""
    stream = Stream(kafka.address)
    stream.create()
    async with host_of_samples() as host:
        stream.send(listings(600, host.base_url))
        environment = stream.environment(host, "one", WITHOUT_OCR)
        worker = await WorkerProcess.start(environment)
        await until(lambda: stream.num_committed() > 60, worker)
        await worker.kill()
        assert stream.num_committed() < 600
        worker = await WorkerProcess.start(environment)
        await until(lambda: stream.num_committed() == 600, worker)
        assert await worker.stop() == 0
    report = stream.judge()
    assert report.is_clean, report


async def test_restart_goes_on_where_it_stopped(kafka: Server) -> None:
    """SIGTERM drains, exits 0, and the next worker finishes the rest."""
    stream = Stream(kafka.address)
    stream.create()
    async with host_of_samples() as host:
        stream.send(listings(400, host.base_url))
        environment = stream.environment(host, "one", WITHOUT_OCR)
        worker = await WorkerProcess.start(environment)
        await until(lambda: stream.num_committed() > 40, worker)
        assert await worker.stop() == 0
        # It may have drained all: with more the next one has something to do, and hears SIGTERM only once it runs.
        stream.send(listings(100, host.base_url))
        worker = await WorkerProcess.start(environment)
        await until(lambda: stream.num_committed() == 500, worker)
        assert await worker.stop() == 0
    report = stream.judge()
    assert report.is_clean, report


async def test_redis_that_stops_costs_no_event(kafka: Server, own_redis: OwnRedis) -> None:
    """Redis killed while listings flow: the worker computes titles itself and goes on."""
    own_redis.start()
    stream = Stream(kafka.address)
    stream.create()
    async with host_of_samples() as host:
        stream.send(listings(300, host.base_url))
        worker = await WorkerProcess.start(
            stream.environment(host, "one", {**WITHOUT_OCR, "REDIS__URL": own_redis.url})
        )
        await until(lambda: stream.num_committed() > 20, worker)
        own_redis.stop()
        stream.send(listings(300, host.base_url))
        await until(lambda: stream.num_committed() == 600, worker)
        assert await worker.stop() == 0
    report = stream.judge()
    assert report.is_clean, report


async def test_two_workers_share_a_group(kafka: Server) -> None:
    """A second worker joins while the first works: partitions move, and nothing is lost, doubled or out of order."""
    stream = Stream(kafka.address)
    stream.create()
    async with host_of_samples() as host:
        stream.send(listings(500, host.base_url))
        first = await WorkerProcess.start(stream.environment(host, "one", WITHOUT_OCR))
        await until(lambda: stream.num_committed() > 40, first)
        second = await WorkerProcess.start(stream.environment(host, "two", WITHOUT_OCR))
        await until(lambda: any("partition.assigned" in line for line in second.log), second)
        stream.send(listings(300, host.base_url))
        await until(lambda: stream.num_committed() == 800, first)
        assert await first.stop() == 0
        assert await second.stop() == 0
    report = stream.judge()
    assert report.is_clean, report
