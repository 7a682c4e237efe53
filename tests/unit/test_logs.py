"""Every line is one JSON object, whoever wrote it, and holds no secret."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
import typer

from worker.commands.shared import plain_errors
from worker.settings import Settings
from worker.telemetry.logs import configure_logging

SECRET = "hunter2-hunter2"

# A process in which everything goes wrong at once, as only a process of its own can show it.
EVERYTHING_GOES_WRONG = f"""
import asyncio, gc, logging, threading, warnings
from worker.telemetry.logs import configure_logging
configure_logging("info", "json", secrets=["{SECRET}"])
logging.getLogger("librdkafka").warning("%s [%s] %s", "FAIL", "rdkafka#producer-1", "login with {SECRET}\\nrefused")
logging.getLogger("aiohttp.client").error("GET %s", "http://shop.example/p?sig={SECRET}")
logging.getLogger("broken").error("%d listings", "red sofa")
warnings.warn("deprecated: {SECRET}")
async def fail(title):
    raise KeyError(title)
async def main():
    task = asyncio.create_task(fail("red sofa"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
    gc.collect()
asyncio.run(main())
def in_thread(title):
    raise ValueError(f"{{title!r}} {SECRET}")
thread = threading.Thread(target=in_thread, args=("red sofa",))
thread.start()
thread.join()
class Finaliser:
    def __del__(self):
        raise ValueError("{SECRET}")
Finaliser()
title = "red sofa"
raise RuntimeError(f"at the end {SECRET} '{{title}}'")
"""


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; logging is as it was afterwards."""
    root, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook)
    before = (list(root.handlers), root.level)
    out = io.StringIO()
    configure_logging("info", "json", out, secrets=[SECRET])
    yield out
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    sys.excepthook, sys.unraisablehook = hooks


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_whatever_goes_wrong_is_one_object_per_line() -> None:
    """Library loggers, bad formats, warnings, tasks, threads, finalisers, the last exception: JSON, no secret, no
    title.
    """
    ran = subprocess.run([sys.executable, "-c", EVERYTHING_GOES_WRONG], capture_output=True, text=True, check=False)
    lines = _lines(ran.stderr)
    assert ran.returncode == 1 and ran.stdout == ""
    assert SECRET not in ran.stderr and "sofa" not in ran.stderr
    assert [(line["level"], line["event"].split("\n")[0].split(" ")[0]) for line in lines] == [
        ("warning", "FAIL"),
        ("error", "GET"),
        ("error", "log.line_lost"),
        ("warning", "<string>:8:"),
        ("error", "Task"),
        ("critical", "thread.died"),
        ("error", "process.unraisable"),
        ("critical", "process.died"),
    ]
    assert lines[-1]["exception"][0]["error"] == "RuntimeError: at the end ******** (quoted)"


def test_own_lines_are_masked(stream: io.StringIO) -> None:
    """Secrets of the settings, URLs and exceptions among the fields of our own lines."""
    log = structlog.get_logger("worker.test")
    log.warning("cache.away", why=f"bad {SECRET}", url="http://shop.example/p?x=1", error=KeyError("red sofa"))
    (line,) = _lines(stream.getvalue())
    assert (line["event"], line["level"], line["why"]) == ("cache.away", "warning", "bad ********")
    assert line["url"].startswith("http://shop.example/#") and "sofa" not in line["error"] and "time" in line


def test_a_caught_exception_tells_no_variables(stream: io.StringIO) -> None:
    """``log.exception`` gives types, messages and places; what stood in local variables stays there."""
    title = "red sofa"
    try:
        raise ValueError(f"no vector for {title!r}")
    except ValueError:
        structlog.get_logger("worker.test").exception("consumer.died")
        logging.getLogger("aiohttp.server").exception("Error handling request")
    ours, theirs = _lines(stream.getvalue())
    assert ours["exception"][0]["error"] == theirs["exception"][0]["error"] == "ValueError: no vector for (quoted)"
    assert theirs["logger"] == "aiohttp.server" and "sofa" not in stream.getvalue()


def test_the_settings_know_their_secrets() -> None:
    """Passwords in the URL (as written and decoded), the digest key, passwords among librdkafka's properties."""
    settings = Settings.model_validate(
        {
            "redis": {"url": "redis://shop:p%40ss-1@cache:6379/0"},
            "cache": {"digest_key": "key-2"},
            "kafka": {"client": {"sasl.password": "pass-3", "sasl.username": "shop"}, "consumer": {"ssl.key.pem": "4"}},
        }
    )
    assert set(settings.secrets) == {"redis://shop:p%40ss-1@cache:6379/0", "p%40ss-1", "p@ss-1", "key-2", "pass-3", "4"}
    assert Settings().secrets == ()


def test_debug_is_for_our_own_lines(stream: io.StringIO) -> None:
    """Libraries' debug lines quote data, so they stay silent even when ours are wanted."""
    configure_logging("debug", "json", stream)
    structlog.get_logger("worker.recall").debug("ours")
    logging.getLogger("PIL.PngImagePlugin").debug("STREAM tEXt red sofa")
    assert [line["event"] for line in _lines(stream.getvalue())] == ["ours"]


def test_warnings_are_lines(stream: io.StringIO) -> None:
    """A warning that is shown is a line like any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(f"old call {SECRET}", stacklevel=1)
    (line,) = _lines(stream.getvalue())
    assert line["logger"] == "py.warnings" and SECRET not in line["event"]


def test_a_terminal_gets_words_without_secrets(stream: io.StringIO) -> None:
    """Readable lines, masked all the same, tracebacks too."""
    configure_logging("info", "console", stream, secrets=[SECRET])
    title = "red sofa"
    try:
        raise ValueError(f"{SECRET} for {title!r}")
    except ValueError:
        structlog.get_logger("worker.test").exception("consumer.died")
    text = stream.getvalue()
    assert "consumer.died" in text and "ValueError" in text
    assert SECRET not in text and "sofa" not in text


def test_what_librdkafka_says_again_and_again_is_written_once(stream: io.StringIO) -> None:
    """While a broker is away it says so twenty times a second; after ten seconds it is heard again, with the count."""
    configure_logging("info", "json", stream=stream)
    for second in (0.0, 0.05, 0.1, 9.9, 10.1):
        _say(f"FAIL [consumer-1] refused (after {second * 1000:.0f}ms in state CONNECT)", 1e9 + second)
    logging.getLogger("librdkafka").error("another line")
    logging.getLogger("aiohttp").error("twice")
    logging.getLogger("aiohttp").error("twice")
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert len(told) == 5
    assert told[1].endswith("in state CONNECT) (and 3 times more before)")
    assert told[2:] == ["another line", "twice", "twice"]


def test_each_broker_that_is_away_is_named(stream: io.StringIO) -> None:
    """However many fail in the same words: an operator has to know which, and how often does not matter."""
    configure_logging("info", "json", stream=stream)
    for second in range(20):
        for number in range(3):
            at = f"kafka-{number}.kafka:9092/{number}"
            _say(f"FAIL [thrd:{at}]: {at}: refused (after {second}ms in state CONNECT)", 1e9 + second)
    told = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert [line.split(":")[1] for line in told] == ["kafka-0.kafka", "kafka-1.kafka", "kafka-2.kafka"] * 2


def test_a_clock_that_is_set_back_silences_nothing(stream: io.StringIO) -> None:
    """What was said an hour ahead was not said just now."""
    configure_logging("info", "json", stream=stream)
    for at in (2e9, 2e9 - 3600, 2e9 - 3599):
        _say("SSL handshake failed", at)
    assert len(stream.getvalue().splitlines()) == 2


def _say(words: str, at: float) -> None:
    """A line of librdkafka's at this time."""
    logger = logging.getLogger("librdkafka")
    record = logger.makeRecord(logger.name, logging.ERROR, "rdkafka", 1, "%s", (words,), None)
    record.created = at
    logger.handle(record)


def test_a_file_that_is_not_there_is_told_without_numbers(stream: io.StringIO) -> None:
    """Its name and what is wrong with it; a code of the operating system tells an operator nothing."""
    with pytest.raises(typer.Exit) as raised, plain_errors():
        raise FileNotFoundError(2, "No such file or directory", "none.jsonl")
    assert raised.value.exit_code == 1
    assert json.loads(stream.getvalue())["error"] == "none.jsonl: No such file or directory"
