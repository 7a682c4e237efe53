"""What may be seen in a log, and what may not."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.errors import FatalError
from worker.telemetry.redact import MASK, MAX_CHARS, Redactor, describe, shorten_url, without_held_error

SECRET = 'p@ss/w"örd'
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.just(object()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_known_secrets_are_masked_in_every_spelling(spelt: str) -> None:
    """As it stands, percent-encoded, escaped or in base64: the secret is gone, the words around it stay."""
    told = Redactor([SECRET]).text(f"login as shop with {spelt} failed")
    assert told.startswith("login as shop with ") and told.endswith(" failed")
    assert spelt.strip("'\"=") not in told and MASK in told


@given(st.text(min_size=4, max_size=30), st.text(max_size=20), st.text(max_size=20))
def test_a_known_secret_never_comes_out(secret: str, before: str, after: str) -> None:
    """Whatever the secret is and wherever it stands, the text that comes out lacks it."""
    told = Redactor([secret]).text(before + secret + after)
    assert secret not in told.replace(MASK, "\0")


def test_very_short_secrets_are_left_alone() -> None:
    """A secret of three characters would blank half the log."""
    assert Redactor(["a", ""]).text("a cat and a dog") == "a cat and a dog"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://shop.example/p/1.jpg?token=hunter2", "https://shop.example/#"),
        ("http://bob:hunter2@shop.example:8080/a", "http://shop.example:8080/#"),
        ("redis://:hunter2@cache:6379/0", "redis://cache:6379/#"),
        ("HTTPS://SHOP.example/#hunter2", "https://SHOP.example/#"),
        ("http:\\/\\/shop.example\\/hunter2", "http://shop.example/#"),
    ],
)
def test_urls_shrink_to_scheme_host_and_hash(url: str, host: str) -> None:
    """Path, query, fragment and credentials go; the hash still tells two URLs apart."""
    told = Redactor().text(f"cannot fetch {url} now")
    assert told.startswith(f"cannot fetch {host}") and told.endswith(" now") and "hunter2" not in told
    assert shorten_url(url) != shorten_url(url + "x")


def test_a_bare_host_stays_readable() -> None:
    """Where nothing is hidden there is nothing to hash."""
    assert Redactor().text("waiting for sasl_ssl://broker:9093") == "waiting for sasl_ssl://broker:9093"


def test_malformed_urls_are_not_shown() -> None:
    """What cannot be taken apart is not shown in part."""
    assert "hunter2" not in Redactor().text("http://[::1hunter2/x?y=hunter2")


@pytest.mark.parametrize(
    "text",
    [
        "sasl.password=hunter2hunter2",
        "{'password': 'hunter2hunter2'}",
        "Authorization: Bearer hunter2hunter2",
        "api_key=hunter2hunter2&x=1",
        "X-Api-Token: hunter2hunter2",
    ],
)
def test_words_that_announce_a_secret_hide_the_next(text: str) -> None:
    """A secret that nobody told us of is masked where its name stands before it."""
    assert "hunter2" not in Redactor().text(text)


def test_keys_that_name_a_secret_hide_their_values() -> None:
    """At any depth; an empty value says that there is none."""
    told = Redactor().fields({"redis": {"password": "x", "ssl.key.password": ["y"]}, "token": "", "partition": 3})
    assert told == {"redis": {"password": MASK, "ssl.key.password": MASK}, "token": "", "partition": 3}


@given(ANYTHING)
def test_whatever_is_logged_is_json(value: object) -> None:
    """Any value becomes strict JSON: no NaN, no cycle of types, no exception."""
    json.dumps(Redactor().value(value), allow_nan=False)


def test_values_are_bounded() -> None:
    """Long texts, long lists, deep nests and bytes cost little; something that holds itself ends."""
    endless: list[object] = []
    endless.append(endless)
    told = Redactor().fields({"text": "x" * 99_999, "list": list(range(9_999)), "deep": endless, "bytes": b"pixels"})
    assert len(told["text"]) < MAX_CHARS + 40 and len(told["list"]) == 100
    assert told["bytes"] == "(6 bytes)" and len(json.dumps(told)) < 6_000


def test_what_cannot_be_shown_is_named() -> None:
    """An object whose ``__str__`` raises costs its own words only."""

    class Broken:
        def __str__(self) -> str:
            raise ValueError("red sofa")

    assert Redactor().value(Broken()) == "(Broken that cannot be shown: ValueError)"


def test_own_errors_keep_their_words() -> None:
    """Our messages are written for operators and quote no data."""
    assert describe(FatalError("topic 'a' is missing")) == "FatalError: topic 'a' is missing"


@pytest.mark.parametrize(
    "error",
    [
        KeyError("red sofa"),
        ValueError("could not convert 'red sofa'"),
        UnicodeEncodeError("utf-8", "red sofa", 0, 1, ""),
    ],
)
def test_foreign_errors_do_not_quote(error: Exception) -> None:
    """What a library quotes may be a title."""
    assert type(error).__name__ in describe(error) and "sofa" not in describe(error)


@pytest.mark.parametrize("error", [KeyError("red sofa"), ValueError("no 'red sofa'"), RuntimeError('at "red sofa"')])
def test_an_errors_repr_is_told_like_the_error(error: Exception) -> None:
    """Who logs ``error=repr(error)`` shows no more than who logs the error."""
    told = Redactor().fields({"error": repr(error)})["error"]
    assert told.startswith(type(error).__name__) and "sofa" not in told
    assert Redactor().fields({"error": "the topic 'a' is missing"}) == {"error": "the topic 'a' is missing"}


def test_foreign_errors_keep_what_they_do_not_quote() -> None:
    """An operator still reads what went wrong."""
    assert describe(RuntimeError("CUDA error: device-side assert")) == "RuntimeError: CUDA error: device-side assert"


def test_causes_and_places_are_told() -> None:
    """The chain of causes, each with file, line and function, and no source line or variable."""

    def fail(title: str) -> None:
        try:
            raise KeyError(title)
        except KeyError as cause:
            raise FatalError("stopped") from cause

    with pytest.raises(FatalError) as caught:
        fail("red sofa")
    told = Redactor().error(caught.value)
    assert [one["error"] for one in told] == ["FatalError: stopped", "KeyError (its message would quote data)"]
    assert told[0]["at"][-1].startswith("unit/test_redact.py:") and told[0]["at"][-1].endswith(" fail")
    assert "sofa" not in json.dumps(told)


def test_groups_name_their_members() -> None:
    """An exception group tells each of its errors."""
    told = Redactor(["hunter2"]).error(ExceptionGroup("loops", [FatalError("a"), ValueError("hunter2")]))
    assert told[0]["of"] == ["FatalError: a", f"ValueError: {MASK}"]


def test_asyncios_words_hold_no_message() -> None:
    """The task's own repr holds the exception's; it goes."""
    told = without_held_error("Task exception was never retrieved\nfuture: <Task exception=KeyError('red sofa')>")
    assert told == "Task exception was never retrieved\nfuture: <Task exception=KeyError(…)>"
