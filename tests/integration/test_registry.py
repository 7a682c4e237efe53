"""The contract in a real Schema Registry: registered as a whole, guarded against what would break somebody."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace

import pytest
import urllib3

from schemas.topics import Topics
from tests.program import hangtag
from tests.servers.base import Server, free_port
from worker.kafka.registry import CREDENTIALS, Registry, RegistryError, Subject, subjects

pytestmark = [pytest.mark.registry, pytest.mark.timeout(900)]  # the first one fetches the registry


@pytest.fixture
def wanted() -> tuple[Subject, ...]:
    """All subjects, under names that no other test uses."""
    name = uuid.uuid4().hex[:8]
    return subjects(Topics(*(f"{name}-{kind}" for kind in ("created", "attributes", "scenes", "texts"))))


def changed(subject: Subject, **fields: object) -> Subject:
    """The same subject with other words at the top of its schema."""
    return replace(subject, schema=json.dumps({**json.loads(subject.schema), **fields}))


def test_all_are_new_then_the_same(registry: Server, wanted: tuple[Subject, ...]) -> None:
    """Registering twice changes nothing; a check writes nothing."""
    one = Registry(registry.address)
    assert [answer.outcome for answer in one.check(wanted)] == ["new"] * 4
    assert [answer.outcome for answer in one.check(wanted)] == ["new"] * 4
    assert [(answer.outcome, answer.version) for answer in one.register(wanted)] == [("new", 1)] * 4
    assert [(answer.outcome, answer.version) for answer in one.register(wanted)] == [("same", 1)] * 4


def test_input_may_widen_and_outputs_may_not(registry: Server, wanted: tuple[Subject, ...]) -> None:
    """As docs/versioning.md says; and one refusal keeps all others out."""
    one = Registry(registry.address)
    one.register(wanted)
    listing, *outputs = wanted
    fields = json.loads(listing.schema)["properties"]
    wider = changed(listing, properties={**fields, "title": {**fields["title"], "maxLength": 1_000_000}})
    needier = changed(listing, required=[*json.loads(listing.schema)["required"], "title"])
    attributes = json.loads(outputs[0].schema)
    more = changed(outputs[0], properties={**attributes["properties"], "mood": {"type": "string"}})

    assert [answer.outcome for answer in one.register([needier])] == ["refused"]
    assert [answer.outcome for answer in one.register([wider, more])] == ["changed", "refused"]
    assert one.check([listing])[0].version == one.check([wider])[0].version == 1, "nothing was registered"
    assert [(answer.outcome, answer.version) for answer in one.register([wider])] == [("changed", 2)]
    assert one.check([listing])[0].outcome == "same", "a version that is registered is known, if not the latest"


def test_an_operator_may_let_a_break_through_once(registry: Server, wanted: tuple[Subject, ...]) -> None:
    """Under NONE the registry takes it; afterwards the subject is guarded again."""
    one = Registry(registry.address)
    one.register(wanted)
    listing = wanted[0]
    fields = json.loads(listing.schema)["properties"]
    with_shelf = changed(listing, properties={**fields, "shelf": {"type": "string"}})
    assert [answer.outcome for answer in one.register([with_shelf])] == ["refused"]
    with urllib3.PoolManager() as pool:
        pool.request("PUT", f"{registry.address}/config/{listing.name}", json={"compatibility": "NONE"})
    assert [(answer.outcome, answer.version) for answer in one.register([with_shelf])] == [("changed", 2)]
    assert [answer.outcome for answer in one.check([changed(listing, required=["title"])])] == ["refused"]


def test_a_registry_that_is_away_is_named() -> None:
    """With the subject that it was asked for."""
    port = free_port()
    with pytest.raises(RegistryError, match=f"^listings.created-value: the registry at 127.0.0.1:{port} "):
        Registry(f"http://127.0.0.1:{port}").check(subjects(Topics()))


def test_what_is_no_registry_is_not_taken_for_an_empty_one(registry: Server) -> None:
    """The address without its path answers 404 to everything."""
    with pytest.raises(RegistryError, match="no registry's API"):
        Registry(registry.address.removesuffix("/apis/ccompat/v7")).check(subjects(Topics()))


@pytest.mark.parametrize(
    "url",
    ["me:secret@host:8081", "http://me:secret@host", "https://me:sec/secret@host", "http://h:secret", "ftp://secret"],
)
def test_a_wrong_address_is_not_repeated(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(RegistryError, match=r"credentials|no registry's address") as caught:
        Registry(url)
    assert "secret" not in str(caught.value)


def test_wrong_files_and_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is asked."""
    with pytest.raises(RegistryError, match=r"--ca nowhere\.pem"):
        Registry("http://127.0.0.1", "nowhere.pem")
    monkeypatch.setenv(CREDENTIALS, "secret")
    with pytest.raises(RegistryError, match=f"^{CREDENTIALS} is not") as caught:
        Registry("http://127.0.0.1")
    assert "secret" not in str(caught.value)


def test_the_command_registers_under_the_settings_names(registry: Server) -> None:
    """A line for each subject; exit code 0."""
    name = uuid.uuid4().hex[:8]
    settings = [f"kafka.{kind}_topic={name}-{kind}" for kind in ("input", "attributes", "scenes", "texts")]
    options = [word for one in settings for word in ("--set", one)]
    done = hangtag(*options, "schemas", "register", registry.address)
    assert done.returncode == 0, done.stderr
    first, *others = [json.loads(line) for line in done.stdout.splitlines()]
    assert first == {"subject": f"{name}-input-value", "level": "BACKWARD_TRANSITIVE", "outcome": "new", "version": 1}
    assert {one["level"] for one in others} == {"FULL_TRANSITIVE"}
    assert not done.stderr
