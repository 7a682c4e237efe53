"""Each ``hangtag`` command of docs/backfills.md, run in the page's order on a real broker and the shipped model."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.deploy_files import ROOT
from tests.integration.stream import Stream
from tests.program import PROGRAM
from tests.servers.base import Server

pytestmark = [pytest.mark.kafka, pytest.mark.long, pytest.mark.timeout(900)]

_ENDS_OF_A_BACKFILL = ("backfill.done", "backfill.was_done_before")
_FOLDERS = ("archive/", "s3://bucket/listings/2025/")  # of the page; here both are a folder of ours


def commands() -> list[list[str]]:
    """The page's calls of hangtag, as arguments, in order."""
    text = (ROOT / "docs" / "backfills.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    return [shlex.split(line, comments=True)[1:] for line in blocks.splitlines() if line.startswith("hangtag ")]


def environment(stream: Stream) -> dict[str, str]:
    """Settings for this stream; the group has the name that the page says."""
    names = stream.topics
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": stream.servers, "KAFKA__GROUP_ID": "hangtag", "KAFKA__INPUT_TOPIC": names.input,
        "KAFKA__ATTRIBUTES_TOPIC": names.attributes, "KAFKA__SCENES_TOPIC": names.scenes,
        "KAFKA__TEXTS_TOPIC": names.texts, "KAFKA__DEAD_LETTER_TOPIC": names.dead_letter,
        "KAFKA__REPLAY_TOPIC": f"t-{stream.name}-replays", "OCR__ENABLED": "false", "HTTP__PORT": "0",
    }  # fmt: skip
    return {**os.environ, **{f"HANGTAG_{key}": text for key, text in settings.items()}}


def run_until_backfilled(arguments: list[str], settings: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """A live worker until its backfill has ended, then SIGTERM: exit code and log."""
    with subprocess.Popen(
        [*PROGRAM, *arguments], env=dict(settings), cwd=folder, stderr=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stderr is not None
        log = ""
        for line in worker.stderr:
            log += line
            if any(f'"{event}"' in line for event in _ENDS_OF_A_BACKFILL):
                worker.send_signal(signal.SIGTERM)
        return worker.wait(120), log


def test_the_pages_commands_work(kafka: Server, tmp_path: Path) -> None:
    """Every one ends well; the backfill that two of them do beside live traffic is done at its end."""
    stream = Stream(kafka.address, num_partitions=2)
    stream.create()
    listings = [{"listing_id": f"old-{number}", "title": "oak table"} for number in range(6)]
    producer = Producer({"bootstrap.servers": stream.servers})
    for one in listings:
        producer.produce(stream.topics.input, json.dumps(one).encode(), one["listing_id"].encode())
    assert producer.flush(20) == 0
    (tmp_path / "listings.jsonl").write_text("\n".join(json.dumps(one) for one in listings))
    settings, outputs = environment(stream), {}
    for arguments in [*commands(), ["replay", "--status"]]:
        given = [str(tmp_path) if one in _FOLDERS else one for one in arguments]
        if given[0] == "run":
            code, log = run_until_backfilled(given, settings, tmp_path)
        else:
            ended = subprocess.run(
                [*PROGRAM, *given],
                env=settings,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=480,
                check=False,
            )
            code, log, outputs[" ".join(arguments)] = ended.returncode, ended.stderr, ended.stdout
        assert code == 0, f"{arguments}: {log[-3000:]}"
    assert len(outputs) >= 12
    states = {row["replay"]: row["state"] for row in map(json.loads, outputs["replay --status"].splitlines())}
    done = {"spring", "try-spring", "summer", "history"}
    assert states == {**dict.fromkeys(done, "done"), "older": "resting"}
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
