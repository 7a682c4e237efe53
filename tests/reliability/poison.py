"""Bad records of every kind among good ones: each gets its own dead letter, and its neighbours never notice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.deadletter import Reason
from tests.audit import Report, read_events
from tests.integration.stream import Stream
from tests.reliability.bad_records import (
    DECODER_BYTES,
    FAILING_TITLE,
    KILLING_TITLE,
    MAX_RECORD_BYTES,
    NOBODY,
    REASONS,
    Places,
    bad_ones,
    vast_picture,
)
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.hosts import OddHost
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import Letter, listings, mixed
from tests.reliability.worker import Faults
from worker.demo.imagehost import ImageHost

TITLE = "Poison"
INSTANCES = ("one", "two")
SETTINGS = {
    "FETCH__GIVE_UP_SECONDS": "3",
    "FETCH__TIMEOUT_SECONDS": "2",
    "KAFKA__MAX_RECORD_BYTES": str(MAX_RECORD_BYTES),
    "DECODE__MEMORY_BYTES": str(DECODER_BYTES),
}
CLOSE_ENOUGH = 1e-3


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    return [*await _among_good_ones(trial), await _killers(trial)]


async def _among_good_ones(trial: Trial) -> list[Row]:
    num_bad, num_good = trial.size(short=120, full=5_000), trial.size(short=1_080, full=45_000)
    choose = trial.random("poison")
    async with image_host() as host, OddHost(served=vast_picture()) as odd, OddHost("hang") as hanging:
        endpoints = json.dumps([host.endpoint, odd.endpoint, hanging.endpoint, NOBODY])
        settings = {**SETTINGS, "FETCH__ALLOW_ENDPOINTS": endpoints}
        good = list(listings(num_good, [host.base_url], choose, keys=None))
        places = Places(host.base_url, odd.base_url, hanging.base_url)
        bad = list(bad_ones(num_bad, places, choose, REASONS))
        dirty = await _process(trial, mixed(iter(good), bad, choose), host, settings)
        clean = await _process(trial, good, host, settings)
    report, wrong, found = dirty
    same, furthest = _compare(found, clean[2])
    return [
        Row(
            f"{num_bad:,} bad records of {len(REASONS)} reasons among {num_good:,} good ones",
            "one dead letter each, with the right reason",
            f"{verdict(report)}; {wrong} with a wrong reason",
            report.is_clean and wrong == 0 and report.num_dead == num_bad,
        ),
        Row(
            "neighbours' scores against a run without bad records",
            f"all within {CLOSE_ENOUGH:g}",
            f"{same:,} of {num_good:,} listings compared, furthest apart {furthest:.1g}",
            same == num_good and furthest <= CLOSE_ENOUGH,
        ),
    ]


async def _process(
    trial: Trial, letters: Sequence[Letter], host: ImageHost, settings: Mapping[str, str]
) -> tuple[Report, int, dict[str, dict[str, float]]]:
    """The audit, how many dead letters have a wrong reason, and every listing's scores by its content."""
    stream = Stream(trial.kafka().address, num_partitions=12)
    stream.create()
    async with Fleet(stream, host, settings) as fleet:
        send(stream, letters)
        for name in INSTANCES:
            await fleet.start(name, Faults(failing_title=FAILING_TITLE))
        is_done = await fleet.until_done(trial.size(short=200, full=2400))
        trial.say(f"{len(letters):,} records, done: {is_done}")
        await fleet.stop()
    report, scores, reasons = await asyncio.to_thread(_read, stream)
    expected = Counter((letter.key, letter.expects.value) for letter in letters if letter.expects)
    wrong = expected - reasons
    if wrong:
        trial.say(f"wrong reasons: {_pairs(wrong, reasons - expected)}")
    return report, wrong.total(), scores


def _read(stream: Stream) -> tuple[Report, dict[str, dict[str, float]], Counter[tuple[str, str]]]:
    report = stream.judge()
    reasons: Counter[tuple[str, str]] = Counter()
    scores: dict[str, dict[str, float]] = {}
    for topic, key, headers, body in read_events(stream.servers, stream.topics):
        if body is None:
            reasons[(key, headers.get("hangtag.dlq.reason", b"").decode())] += 1
        elif topic == stream.topics.attributes:
            scores[key] = _scores(body)
    return report, scores, reasons


def _pairs(expected: Counter[tuple[str, str]], found: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """How often which reason came instead of which."""
    got = dict(found.keys())
    return Counter((reason, got.get(key, "none")) for key, reason in expected)


def _scores(body: Mapping[str, Any]) -> dict[str, float]:
    tags = {"category": body["category"], **body["attributes"]}
    return {f"{name}={one['value']}": one["score"] for name, tag in tags.items() for one in tag["values"]}


def _compare(found: Mapping[str, dict[str, float]], clean: Mapping[str, dict[str, float]]) -> tuple[int, float]:
    """How many listings both runs tagged, and the largest difference of a score."""
    both = found.keys() & clean.keys()
    apart = [
        abs(found[key].get(value, 0.0) - clean[key].get(value, 0.0))
        for key in both
        for value in found[key].keys() | clean[key].keys()
    ]
    return len(both), max(apart, default=1.0)


async def _killers(trial: Trial) -> Row:
    """Records that kill the process each time; the worker is started again and again, as an orchestrator does."""
    num_killers, num_good = trial.size(short=1, full=5), trial.size(short=200, full=2_000)
    choose = trial.random("killers")
    stream = Stream(trial.kafka().address, num_partitions=4)
    stream.create()
    async with image_host() as host, Fleet(stream, host) as fleet:
        good = listings(num_good, [host.base_url], choose, keys=None)
        nowhere = Places("", "", "")
        killers = list(bad_ones(num_killers, nowhere, choose, [Reason.WORKER_CRASHED]))
        send(stream, mixed(good, killers, choose))
        done = asyncio.create_task(fleet.until_done(trial.size(short=200, full=900)))
        num_deaths = 0
        while not done.done():
            worker = await fleet.start("one", Faults(killer_title=KILLING_TITLE))
            ended = asyncio.ensure_future(worker.ended())
            await asyncio.wait((ended, done), return_when=asyncio.FIRST_COMPLETED)
            num_deaths += ended.done()
        is_done = done.result()
        await fleet.stop()
        trial.say(f"{num_deaths} deaths" if is_done else fleet.dying_words())
    report = await asyncio.to_thread(stream.judge)
    crashed = report.reasons["worker_crashed"]
    return Row(
        f"{num_killers} records that kill the process, among {num_good:,} good ones",
        "worker_crashed each, nobody else",
        f"{verdict(report)}; after {num_deaths} deaths",
        is_done and report.is_clean and crashed == report.num_dead == num_killers,
    )
