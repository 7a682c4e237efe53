"""Commits whose outcome nobody can tell: the end of a transaction is delayed, cut off or lost on its way."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.audit import Report
from tests.integration.stream import Stream
from tests.reliability.commit_proxy import CommitProxy, Plan
from tests.reliability.fleet import Fleet, image_host, send, verdict
from tests.reliability.suite import Row, Trial
from tests.reliability.traffic import listings
from tests.reliability.worker import Faults
from tests.servers.base import free_port
from tests.servers.kafka import OwnKafka

TITLE = "Unknown transaction outcomes"
INSTANCES = ("one", "two", "three")
TRANSACTION_SECONDS = 2  # so that most of the delays of 1 to 60 s are too long


@dataclass(frozen=True, slots=True)
class _Ran:
    """One run: what the audit says, and what the workers' logs do."""

    report: Report
    is_done: bool
    num_unknown: int
    num_rebuilt: int
    faults: str


async def run(trial: Trial) -> list[Row]:
    """See the module."""
    wanted, count = trial.size(short=6, full=480), trial.size(short=1_500, full=48_000)
    kept = await _run(trial, wanted, count, rebuild=True)
    broken = await _run(trial, max(3, wanted // 3), count // 3, rebuild=False)
    least = trial.size(short=1, full=200)
    return [
        Row(
            f"{wanted} commits delayed, cut or lost (1-60 s, the limit is {TRANSACTION_SECONDS} s); {count:,} events",
            "0 lost, 0 doubled, 0 torn",
            f"{verdict(kept.report)} ({kept.faults})",
            kept.report.is_clean and kept.is_done,
        ),
        Row(
            "unknown outcomes, each followed by a rebuilt producer",
            f">= {least}, as many rebuilt",
            f"{kept.num_unknown} unknown, {kept.num_rebuilt} rebuilt",
            kept.num_unknown >= least and kept.num_rebuilt >= kept.num_unknown,
        ),
        Row(
            "the same with the rule switched off (asked again on the same producer)",
            "said, not judged",
            f"{verdict(broken.report)}; {'finished' if broken.is_done else 'did not finish'} ({broken.faults})",
            None,
        ),
    ]


async def _run(trial: Trial, wanted: int, count: int, *, rebuild: bool) -> _Ran:
    choose = trial.random(f"unknown-{rebuild}")
    plan = Plan(choose, wanted)
    port = free_port()
    kafka = OwnKafka(proxy_port=port)
    kafka.start()
    try:
        stream = Stream(kafka.address, num_partitions=12)
        stream.create()
        async with image_host() as host, CommitProxy(port, kafka.proxied_port, plan):
            send(stream, list(listings(count, [host.base_url], choose, keys=count // 5)))
            settings = {
                "KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
                "KAFKA__TRANSACTION_TIMEOUT_SECONDS": str(TRANSACTION_SECONDS),
            }
            fleet = Fleet(stream, host, settings)
            began = time.monotonic()
            for name in INSTANCES:
                await fleet.start(name, Faults(rebuild_after_unknown=rebuild))
            is_done = await fleet.until_done(trial.size(short=120, full=1800))
            trial.say(f"rebuild={rebuild}: {dict(plan.done)}, done={is_done}, {time.monotonic() - began:.0f} s")
            await fleet.stop()
        lines = [line for worker in fleet.workers.values() for line in worker.log]
        return _Ran(
            stream.judge(), is_done,
            sum('"transaction.unknown"' in line for line in lines),
            sum('"producer.rebuilt"' in line for line in lines),
            ", ".join(f"{number} {kind}" for kind, number in sorted(plan.done.items())),
        )  # fmt: skip
    finally:
        kafka.stop()
