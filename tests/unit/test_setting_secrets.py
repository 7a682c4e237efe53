"""No output shows a secret that stands in a setting: neither ``config show`` nor the error about a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.masking import MASK, shown_url
from worker.sources import SettingsError, load_settings, masked

SECRET = "hunt#er22"  # the point of this file


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunt#er22@cache:6379/0",
        "redis://:hunt/er22@cache:6379/0",
        "redis://:hunt?er22@cache:6379/0",
        "redis://hunt/er22@cache:6379/0",
        "redis://hunt:12/er22",
        "redis://:hunt er22@cache",
        "redis://cache/0?password=hunt#er22",
        "redis://cache/0?password=hunt@er22",
        "redis://cache:hunter22/0",
        "redis://:hunter22@/0",
        "redis://:hunter22@[cache]/0",
        "redis:hunter22@cache",
    ],
)
def test_a_redis_url_in_doubt_is_refused_and_not_shown(url: str) -> None:
    """Where a URL's host begins cannot be told, any of it may be the password; the remedy is named."""
    with pytest.raises(SettingsError, match=r"redis\.url='\*+': .*redis://") as caught:
        load_settings(overrides=[f"redis.url={url}"], environ={})
    assert not [part for part in ("hunt", "er22") if part in str(caught.value)]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:hunter22@cache:6379/0", f"redis://{MASK}@cache:6379/0"),
        ("rediss://:hunt%23er22@cache", f"rediss://{MASK}@cache"),
        ("redis://:hun@ter22@cache/1", f"redis://{MASK}@cache/1"),
        ("redis://cache/0?password=hunter22", f"redis://cache/0?{MASK}"),
        ("redis://hunter22@[::1]:6379", f"redis://{MASK}@[::1]:6379"),
        ("unix:///run/redis.sock?password=hunter22", f"unix:///run/redis.sock?{MASK}"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("", ""),
    ],
)
def test_of_a_redis_url_the_place_is_shown(url: str, shown: str) -> None:
    """Scheme, host, port and database; of user, password and query only that they are there."""
    settings = load_settings(overrides=[f"redis.url={url}"], environ={})
    assert masked(settings)["redis.url"] == shown


def test_passwords_in_a_query_are_known_to_the_logs() -> None:
    """Redis takes a password there as well: as written and as meant."""
    settings = load_settings(overrides=["redis.url=redis://cache/0?db=1&password=hunt%23er22"], environ={})
    assert set(settings.secrets) == {settings.redis.url.get_secret_value(), "hunt%23er22", "hunt#er22"}


@pytest.mark.parametrize(
    "properties",
    [
        '{"sasl.oauthbearer.config": "principal=shop hunt#er22"}',
        '{"ssl.key.pem": "hunt#er22"}',
        '{"sasl.oauthbearer.client.secret": "hunt#er22"}',
        '{"sasl.kerberos.kinit.cmd": "kinit password=hunt#er22"}',
        '{"ssl.endpoint": "https://me:hunt#er22@cache"}',
    ],
)
def test_secret_properties_are_masked(properties: str) -> None:
    """By any part of their name, and by what their value says."""
    settings = load_settings(overrides=[f"kafka.client={properties}"], environ={})
    shown = masked(settings)["kafka.client"]
    assert len(shown) == 1
    assert "er22" not in str(shown)


@pytest.mark.parametrize(
    "properties",
    [
        '{"sasl.password": ["hunt#er22"]}',
        '{"sasl.password": null, "sasl.oauthbearer.config": "hunt#er22"}',
        '{"sasl.username": {"deep": "hunt#er22"}}',
        '["sasl.password=hunt#er22"]',
        "sasl.password=hunt#er22",
        '{"group.id": "x", "ssl.key.pem": "hunt#er22"}',
    ],
)
def test_a_wrong_property_is_told_without_its_value(properties: str) -> None:
    """One line that names the setting and the property."""
    with pytest.raises(SettingsError, match=r"^kafka\.client=") as caught:
        load_settings(overrides=[f"kafka.client={properties}"], environ={})
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_nested_table_of_a_file_is_told_without_its_values(tmp_path: Path) -> None:
    """Names with dots need quotes in TOML; without them a table comes of it, whose secrets are not shown either."""
    file = tmp_path / "hangtag.toml"
    for line in ('client = {"sasl.password" = {v = "hunt#er22"}}', 'client = {sasl.password = "hunt#er22"}'):
        file.write_text(f"[kafka]\n{line}\n")
        with pytest.raises(SettingsError, match="a name with dots stands in quotes") as caught:
            load_settings(config=file, environ={})
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "environ"),
    [
        (["redis://:hunter22@cache"], {}),
        ([], {"HANGTAG_REDIS__URL_FILE": "redis://:hunter22@cache"}),
        (["http.port=99999", "cache.digest_key=[1, 22]"], {}),
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(overrides: list[str], environ: dict[str, str]) -> None:
    """A value whose key was forgotten, a value where its file should stand, a secret of the wrong kind."""
    with pytest.raises(SettingsError) as caught:
        load_settings(overrides=overrides, environ=environ)
    assert "22" not in str(caught.value)


def test_any_url_shows_its_place_alone() -> None:
    """The same rule for URLs of librdkafka's properties."""
    assert shown_url("https://me:pw@host:8443/path?token=a") == f"https://{MASK}@host:8443/path?{MASK}"
    assert shown_url("https://host:port/") == MASK
