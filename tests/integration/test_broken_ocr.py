"""An OCR engine that fails on every picture: the worker says so where it is looked at."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest

from tests.integration.stream import Stream, WorkerProcess
from tests.polling import until
from tests.reliability.fleet import Fleet, image_host, send
from tests.reliability.traffic import Letter, listing
from tests.reliability.worker import Faults
from tests.servers.base import Server

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

_PORT = re.compile(r'"http_port": (\d+)')
NUM_LISTINGS = 60


async def page(worker: WorkerProcess, path: str) -> tuple[int, str]:
    """Status and text of one of the worker's pages."""
    found = _PORT.search("".join(worker.log))
    assert found is not None, worker.log
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{found[1]}/{path}") as answer:
        return answer.status, await answer.text()


async def test_a_broken_engine_is_said_loudly(kafka: Server) -> None:
    """Not ready, a gauge, a log line, dead letters that can be sent again; and every listing ends once all the same."""
    stream = Stream(kafka.address, num_partitions=2)
    stream.create()
    async with image_host() as host, Fleet(stream, host, {"OCR__ENABLED": "true"}) as fleet:
        worker = await fleet.start("one", Faults(cannot_read=True))
        keys = [f"listing-{number}" for number in range(NUM_LISTINGS)]
        urls = [f"{host.base_url}/pictures/{number}.jpg" for number in range(NUM_LISTINGS)]
        send(stream, [Letter(key, listing(key, "oak table", [url])) for key, url in zip(keys, urls, strict=True)])

        async def is_said() -> bool:
            return await worker.until("read.engine_broken") and (await page(worker, "readyz"))[0] == 503

        await until(is_said, 120.0)
        assert "OCR" in (await page(worker, "readyz"))[1]
        assert (await page(worker, "livez"))[0] == 200
        assert "hangtag_ocr_broken 1.0" in (await page(worker, "metrics"))[1]
        assert await fleet.until_done(120), fleet.dying_words()
        assert await fleet.stop() == [0]
    report = await asyncio.to_thread(stream.judge)
    assert report.is_clean, report
    assert report.reasons.keys() == {"model_failed"}
    assert report.num_tagged + report.num_dead == NUM_LISTINGS
    assert 0 < report.num_tagged < 20
