"""``hangtag demo`` as a new user runs it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.program import hangtag
from worker.demo.samples import load_samples


def test_demo_ends_every_sample_as_it_should(tmp_path: Path) -> None:
    """Good samples become three events, broken ones a dead letter with the reason they were made for."""
    done = hangtag("demo", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes: dict[str, list[str]] = {}
    for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        outcomes.setdefault(event["key"], []).append(event["topic"])
    reasons = json.loads(done.stdout.splitlines()[-1])["dead_letters"]
    wanted: dict[str, int] = {}
    for sample in load_samples(None, "http://127.0.0.1:1"):
        topics = outcomes[sample.key.decode()]
        if sample.expects == "results":
            assert len(set(topics)) == 3, sample.key
        else:
            assert len(topics) == 1, sample.key
            wanted[sample.expects] = wanted.get(sample.expects, 0) + 1
    assert reasons == wanted
    assert (tmp_path / "report.html").stat().st_size > 100_000  # self-contained: the pictures are inside
