"""Settings: where they come from, and how a wrong one is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from model.prompts import read_prompts
from model.taxonomy import load_taxonomy
from worker.kafka.config import consumer_config, producer_config
from worker.masking import MASK
from worker.sources import SettingsError, load_settings, masked


def test_sources_win_in_order(tmp_path: Path) -> None:
    """Command line over environment over file over default."""
    file = tmp_path / "hangtag.toml"
    file.write_text('[kafka]\ngroup_id = "file"\ninput_topic = "file"\n[http]\nport = 1\n')
    environ = {"HANGTAG_KAFKA__INPUT_TOPIC": "env", "HANGTAG_HTTP__PORT": "2"}
    settings = load_settings(config=file, overrides=["http.port=3"], environ=environ)
    assert (settings.kafka.group_id, settings.kafka.input_topic, settings.http.port) == ("file", "env", 3)
    assert settings.kafka.transaction_timeout_seconds == 10


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"HANGTAG_KAFKA__GRUP_ID": "x"}, "kafka.group_id"),
        ({"HANGTAG_HTTP__PORT": "99999"}, "65535"),
        ({"HANGTAG_KAFKA__DELIVERY": "maybe"}, "exactly_once"),
        ({"HANGTAG_KAFKA__CONSUMER": '{"isolation.level": "read_uncommitted"}'}, "belongs to hangtag"),
        ({"HANGTAG_FETCH__ALLOW_ENDPOINTS": '["localhost:80"]'}, "IP:port"),
        ({"HANGTAG_KAFKA__START_AT": "yesterday"}, "kafka.start_at"),
        ({"HANGTAG_KAFKA__CLIENT": "{broken"}, "not JSON"),
        ({"HANGTAG_FOO": "1"}, "no such setting"),
        (
            {"HANGTAG_MODEL__PRECISION_TARGETS": "color: 0.97"},
            r"it is an object; write .*={.color.: 0.97}",
        ),
        ({"HANGTAG_MODEL__PRECISION_TARGETS": '{"color": "high"}'}, r"precision_targets.color='high': .*valid number"),
        (
            {"HANGTAG_MODEL__PRECISION_TARGETS__COLOR": "0.97"},
            r"__COLOR: .* is set as a whole; write",
        ),
        (
            {"HANGTAG_KAFKA__CLIENT__SASL_PASSWORD": "pw"},
            r'set as a whole; write .*"sasl_password": "…"',
        ),
        ({"HANGTAG_HTTP_PORT": "1"}, "http.port"),
        ({"HANGTAG_KAFKA__INPUT_TOPIC": "listings.texts"}, "feed itself"),
        ({"HANGTAG_KAFKA__PRODUCER": '{"acks": "0"}'}, "belongs to hangtag"),
        ({"HANGTAG_DECODE__SECONDS": "30"}, "may be waited for 300 s, and health.stall_seconds is 300"),
        ({"HANGTAG_REDIS__URL": "http://cache"}, "redis://"),
        ({"HANGTAG_REDIS__URL": "redis://a", "HANGTAG_REDIS__URL_FILE": "/dev/null"}, "keep one"),
        ({"HANGTAG_REDIS__URL_FILE": "/nonexistent"}, "cannot be read"),
    ],
)
def test_wrong_setting_is_named(environ: dict[str, str], told: str) -> None:
    """The error says which key, and what is allowed."""
    with pytest.raises(SettingsError, match=told):
        load_settings(environ=environ)


def test_a_precision_target_is_one_of_an_attribute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that every checkpoint answers, and those that the taxonomy declares by prompts."""
    declared = replace(load_taxonomy(), prompts=read_prompts({"neckline": {"values": ["round", "v"]}}, ["neckline"]))
    environ = {"HANGTAG_MODEL__PRECISION_TARGETS": '{"color": 0.9, "neckline": 0.8}'}
    with pytest.raises(SettingsError, match=r"neckline=0.8: names are category, product_type, color"):
        load_settings(environ=environ)
    monkeypatch.setattr("model.taxonomy.load_taxonomy", lambda: declared)
    assert load_settings(environ=environ).model.precision_targets["neckline"] == 0.8


def test_kubernetes_variables_are_ignored() -> None:
    """A Service named hangtag injects variables that are no settings."""
    environ = {
        "HANGTAG_PORT": "tcp://10.0.0.1:9100",
        "HANGTAG_SERVICE_HOST": "10.0.0.1",
        "HANGTAG_PORT_9100_TCP_ADDR": "10.0.0.1",
    }
    assert load_settings(environ=environ).http.port == 9100


def test_secret_from_file_is_read_and_masked(tmp_path: Path) -> None:
    """A secret comes from a mounted file, and no output shows it."""
    file = tmp_path / "url"
    file.write_text("redis://user:hunter2@cache:6379/0\n")
    settings = load_settings(environ={"HANGTAG_REDIS__URL_FILE": str(file), "HANGTAG_CACHE__DIGEST_KEY": "s3cret"})
    assert settings.redis.url.get_secret_value().endswith("@cache:6379/0")
    shown = str(masked(settings)) + repr(settings)
    assert "hunter2" not in shown
    assert "s3cret" not in shown
    assert MASK in shown


def test_client_passwords_are_masked() -> None:
    """Secrets inside librdkafka properties are masked too."""
    settings = load_settings(environ={"HANGTAG_KAFKA__CLIENT": '{"sasl.password": "hunter2", "sasl.username": "me"}'})
    shown = masked(settings)["kafka.client"]
    assert shown == {"sasl.password": MASK, "sasl.username": "me"}
    assert "hunter2" not in repr(settings)
    with pytest.raises(SettingsError) as caught:
        load_settings(environ={"HANGTAG_KAFKA__CLIENT": '{"sasl.password": "hunter2",'})
    assert "hunter2" not in str(caught.value)


def test_clients_are_configured_for_exactly_once() -> None:
    """What exactly-once stands on is set, whatever the user adds."""
    kafka = load_settings(
        overrides=["kafka.instance=pod-0", 'kafka.consumer={"fetch.wait.max.ms": 20}'], environ={}
    ).kafka
    consumer, producer = consumer_config(kafka), producer_config(kafka)
    assert consumer["isolation.level"] == "read_committed"
    assert consumer["enable.auto.commit"] is False
    assert consumer["fetch.wait.max.ms"] == 20
    assert producer["transactional.id"] == "hangtag-pod-0"
    assert producer["partitioner"] == "murmur2_random"


def test_kip_848_groups_leave_the_assignor_to_the_broker() -> None:
    """With the new protocol, properties that its clients refuse are not set."""
    kafka = load_settings(overrides=["kafka.group_protocol=consumer"], environ={}).kafka
    assert not {"session.timeout.ms", "partition.assignment.strategy"} & set(consumer_config(kafka))


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("health.stall_seconds=60", "fetch.give_up_seconds is 120 and health.stall_seconds 60"),
        ("shutdown.drain_seconds=100", "shutdown.drain_seconds is 100"),
        ("kafka.replay_topic=listings.created", "kafka.input_topic and kafka.replay_topic are both listings.created"),
    ],
)
def test_what_is_wrong_between_settings_is_one_line(override: str, told: str) -> None:
    """The message names the keys; nothing else of the settings is shown."""
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides=[override], environ={})
    assert str(caught.value).startswith(told)
    assert "{" not in str(caught.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("attributes", "scenes"), ("scenes", "texts"), ("texts", "dead_letter"), ("dead_letter", "replay"),
        ("input", "dead_letter"), ("attributes", "replay"), ("input", "replay"),
    ],
)  # fmt: skip
def test_each_topic_has_one_use(one: str, other: str) -> None:
    """Two kinds of record in one topic would be read for each other."""
    with pytest.raises(SettingsError, match=rf"kafka\.{one}_topic and kafka\.{other}_topic are both same"):
        load_settings(overrides=[f"kafka.{one}_topic=same", f"kafka.{other}_topic=same"], environ={})


def test_the_default_dead_letter_topic_counts_too() -> None:
    """Its name is made of group and input topic, and may meet another's."""
    with pytest.raises(SettingsError, match=r"kafka\.texts_topic and kafka\.dead_letter_topic are both dlq\.g\.in"):
        load_settings(overrides=["kafka.group_id=g", "kafka.input_topic=in", "kafka.texts_topic=dlq.g.in"], environ={})


def test_a_time_to_live_has_an_end() -> None:
    """What no clock can hold is refused here, not by Redis at the first batch."""
    with pytest.raises(SettingsError, match=r"cache\.ttl_days='1e300': .*3650"):
        load_settings(overrides=["cache.ttl_days=1e300"], environ={})


def test_a_file_may_begin_with_a_mark(tmp_path: Path) -> None:
    """As some editors write it."""
    file = tmp_path / "hangtag.toml"
    file.write_text("[model.precision_targets]\ncolor = 0.97\n", encoding="utf-8-sig")
    assert load_settings(config=file, environ={}).model.precision_targets == {"color": 0.97}
