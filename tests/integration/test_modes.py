"""Other ways to run the stream, on the stand-in model: at least once, static membership, KIP-848."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from tests.integration.stream import Stream
from tests.reliability.fleet import Fleet, image_host, send
from tests.reliability.traffic import listings
from tests.reliability.worker import Faults
from tests.servers.base import Server

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


async def test_at_least_once_loses_nothing_and_repeats_ids(kafka: Server) -> None:
    """After a kill some events come twice, with the id they had; none is missing."""
    stream = Stream(kafka.address)
    stream.create()
    async with image_host() as host, Fleet(stream, host, {"KAFKA__DELIVERY": "at_least_once"}) as fleet:
        send(stream, list(listings(600, [host.base_url], random.Random(5), keys=600)))
        worker = await fleet.start("one", Faults(die_at="infer", die_after=8))
        assert await worker.ended(120) == -9
        await fleet.start("one")
        assert await fleet.until_done(120), fleet.dying_words()
        assert await fleet.stop() == [0]
    report = stream.judge()
    assert not report.missing
    assert not report.wrong


@pytest.mark.parametrize(
    "settings", [{"KAFKA__STATIC_MEMBERSHIP": "true"}, {"KAFKA__GROUP_PROTOCOL": "consumer", "KAFKA__CONSUMER": "{}"}]
)
async def test_kill_and_restart_in_other_group_modes(kafka: Server, settings: dict[str, str]) -> None:
    """Static membership and KIP-848: a killed worker is replaced by its namesake, beside one that stays."""
    stream = Stream(kafka.address)
    stream.create()
    async with image_host() as host, Fleet(stream, host, settings) as fleet:
        endless = listings(100_000, [host.base_url], random.Random(6), keys=300)
        await fleet.start("two")
        worker = await fleet.start("one", Faults(die_at="infer", die_after=5))
        while worker.is_running:  # the other one alone may be done with any number before this one joins
            send(stream, list(islice(endless, 300)))
            assert await fleet.until_done(120), fleet.dying_words()
        assert await worker.ended() == -9
        worker = await fleet.start("one")
        assert await worker.until("partition.assigned"), fleet.dying_words()
        send(stream, list(islice(endless, 300)))
        assert await fleet.until_done(120), fleet.dying_words()
        assert await fleet.stop() == [0, 0]
    report = stream.judge()
    assert report.is_clean, report


async def test_two_live_workers_with_one_name_end_in_words(kafka: Server) -> None:
    """The older one is fenced: it stops with exit code 1 and says why."""
    stream = Stream(kafka.address)
    stream.create()
    async with image_host() as host, Fleet(stream, host) as fleet:
        send(stream, list(listings(200, [host.base_url], random.Random(7), keys=200)))
        older = await fleet.start("same")
        assert await fleet.until(1, 120)
        newer = await fleet.start("same")
        fleet.workers["older"] = older
        send(stream, list(listings(400, [host.base_url], random.Random(8), keys=200)))
        assert await older.ended(120) == 1
        assert any("kafka.instance" in line for line in older.log), older.log[-5:]
        assert await fleet.until_done(120), fleet.dying_words()
        assert await newer.stop() == 0
    report = stream.judge()
    assert report.is_clean, report
