"""What ``hangtag doctor`` says of servers that are there but closed to it, and how a command complains on a pipe."""

from __future__ import annotations

import json

from confluent_kafka.admin import AdminClient
from redis import Redis

from schemas.topics import Topics
from tests.program import hangtag
from tests.servers.base import Server
from worker.doctor import Finding, examine
from worker.kafka.broker_check import find_fault
from worker.sources import load_settings

_SMALLEST_ACL = ("resetkeys", "~hangtag:text:*", "resetchannels", "-@all", "+mget", "+set")  # as SECURITY.md gives it


def _cache_finding(url: str) -> Finding:
    overrides = ("kafka.bootstrap_servers=127.0.0.1:1", "kafka.delivery=at_least_once", f"redis.url={url}")
    return next(one for one in examine(load_settings(overrides=overrides)) if one.subject == "cache")


def _as_user(redis: Server, *rules: str) -> str:
    with Redis.from_url(redis.address) as admin:
        admin.execute_command("ACL", "SETUSER", "doctor-test", "reset", "on", ">made-up", *rules)
    return redis.address.replace("redis://", "redis://doctor-test:made-up@")


def test_smallest_acl_is_enough_for_the_doctor(redis: Server) -> None:
    """A Redis user that may do what the worker does, and nothing else, is well."""
    assert _cache_finding(_as_user(redis, *_SMALLEST_ACL)).level == "ok"


def test_refused_cache_names_the_grant(redis: Server) -> None:
    """A user without MGET is told what to grant, not that Redis is dead."""
    found = _cache_finding(_as_user(redis, "~*", "-@all", "+ping"))
    assert found.level == "warn"
    assert "+mget" in found.words


def test_hidden_topics_may_be_a_matter_of_grants() -> None:
    """A broker shows no topic that the user may not describe: the complaint says so."""
    admin = AdminClient({"test.mock.num.brokers": 1, "bootstrap.servers": "mock", "allow.auto.create.topics": False})
    fault = find_fault(admin, Topics(dead_letter="dlq"))
    assert fault is not None
    assert "hidden" in fault
    assert "Read on the input topic" in fault


def test_complaint_on_a_pipe_is_one_json_line() -> None:
    """Wrong settings and trouble at work: exit codes 2 and 1, and one JSON object each on standard error."""
    for arguments, code in ((("--set", "kafka.bootstrap=a", "config", "show"), 2), (("tag", "no-such-file.jsonl"), 1)):
        done = hangtag(*arguments)
        assert done.returncode == code
        line = json.loads(done.stderr.splitlines()[-1])
        assert (line["event"], line["level"]) == ("command.failed", "critical")
        assert line["error"]
