"""``hangtag doctor``: is everything there that a worker needs, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from model.errors import ModelError
from worker.errors import FatalError
from worker.kafka.admin import Admin, planned_topics
from worker.kafka.broker_check import find_fault
from worker.kafka.config import client_config, producer_config
from worker.settings import KafkaSettings, Settings

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's."""

    level: Level
    subject: str
    words: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Findings one after the other, cheap ones first. Changes nothing."""
    kafka = settings.kafka
    client = AdminClient({**client_config(kafka), "log_level": 0})
    fault = find_fault(client, kafka.topics)
    if fault is None:
        yield Finding("ok", "broker", f"{kafka.bootstrap_servers} has all topics")
    else:
        yield Finding("fail", "broker", fault)
    if fault is None or _answers(client):
        yield from _topics(kafka)
        yield _transactions(settings)
    yield _cache(settings)
    yield from _model(settings)
    yield _ocr(settings)


def _answers(client: AdminClient) -> bool:
    """What else is asked of a broker that is away would only wait, and blame something else."""
    try:
        client.list_topics(timeout=1)
    except KafkaException:
        return False
    return True


def _topics(kafka: KafkaSettings) -> Iterator[Finding]:
    """Are the topics that are there as ``topics create`` would make them, or better?"""
    try:
        admin = Admin(kafka)
        if not admin.has_input():
            return
        plan = planned_topics(kafka, admin.num_partitions(), -1)
        there = admin.compare(plan)
    except FatalError as error:
        yield Finding("warn", "topics", str(error))
        return
    short = [one for one in there.values() if one.short]
    for one in short:
        words = f"{one.planned.name}: {one.words}; to mend it: {one.remedy(kafka.bootstrap_servers)}"
        yield Finding("warn", "topics", words)
    if not short:
        yield Finding("ok", "topics", "partitions and settings are as planned, or more")
    if kafka.replay_topic not in there:
        yield Finding("ok", "topics", f"{kafka.replay_topic} is not there or hidden; the first replay makes it")
    if untold := [name for name, one in there.items() if one.found.config is None]:
        words = f"settings were not looked at, for no DescribeConfigs is granted: {', '.join(untold)}"
        yield Finding("ok", "topics", words)


def _transactions(settings: Settings) -> Finding:
    kafka = settings.kafka
    if kafka.delivery != "exactly_once":
        return Finding("warn", "transactions", "kafka.delivery is at_least_once: results may be doubled after a crash")
    # A name of its own: the worker's would fence the running worker.
    config = {**producer_config(kafka), "transactional.id": f"{kafka.group_id}-doctor", "log_level": 0}
    try:
        Producer(config).init_transactions(5)
    except KafkaException as error:
        words = f"{error.args[0].str()}; grant Write on transactional id {kafka.group_id}-*, or set kafka.delivery"
        return Finding("fail", "transactions", words)
    return Finding("ok", "transactions", "the broker opens them")


def _cache(settings: Settings) -> Finding:
    url = settings.redis.url.get_secret_value()
    if not url:
        return Finding("ok", "cache", "in this process only (redis.url is empty)")
    try:
        with Redis.from_url(url, socket_connect_timeout=2, socket_timeout=2) as client:
            client.mget("hangtag:text:doctor")  # what the worker sends: its smallest ACL allows no PING
    except AuthenticationError as error:
        words = f"Redis answers, and refuses the login ({error}); mend user and password in redis.url; until then "
        return Finding("warn", "cache", f"{words}the worker runs without, computing every title itself")
    except NoPermissionError:
        words = "Redis refuses MGET on hangtag:text:*; grant this user ~hangtag:text:* +mget +set (SECURITY.md)"
        return Finding("warn", "cache", words)
    except (RedisError, ValueError) as error:
        words = f"Redis does not answer: {type(error).__name__}; the worker runs without, computing every title itself"
        return Finding("warn", "cache", words)
    return Finding("ok", "cache", "Redis answers")


def _model(settings: Settings) -> Iterator[Finding]:
    from model.predictor import load_predictor

    try:
        model = settings.model
        predictor = load_predictor(
            model.checkpoint, model.device, model.precision_targets, model.engine, model.precision
        )
    except ModelError as error:
        yield Finding("fail", "model", str(error))
        return
    info = predictor.info
    filled = f", batches filled up to {', '.join(map(str, info.buckets))} pictures" if info.buckets else ""
    words = f"{info.name} {info.revision} on {info.device}, {info.engine}{filled}, every file matches its digest"
    yield Finding("ok", "model", words)
    labels = predictor.labels
    out_of_reach = [name for name, one in labels.thresholds.items() if not one.is_in_reach]
    if out_of_reach:
        words = f"out of reach, so nothing is accepted: {', '.join(out_of_reach)}; lower model.precision_targets"
        yield Finding("warn", "precision targets", words)
    untaught = [name for name, values in labels.values.items() if not values]
    if untaught:
        yield Finding("warn", "model", f"never answers {', '.join(untaught)}: too few listings were labelled with it")
    told = "; ".join(f"{name} {one}" for name, one in labels.bought.items() if one.is_in_reach)
    if told:
        yield Finding("ok", "precision targets", f"accepted of listings like the calibration rows: {told}")


def _ocr(settings: Settings) -> Finding:
    from model.ocr import open_reader

    if not settings.ocr.enabled:
        return Finding("ok", "ocr", "switched off (ocr.enabled)")
    try:
        reader = open_reader(engine=settings.ocr.engine)
    except ModelError as error:
        return Finding("fail", "ocr", str(error))
    return Finding("ok", "ocr", f"engine loaded: {reader.engine}, revision {reader.revision}")
