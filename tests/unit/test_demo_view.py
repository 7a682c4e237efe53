"""A terminal gets tables, a pipe gets JSON lines; neither lets a title steer the terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.unit.demo_events import TOPICS, dead_letter, results
from worker.demo.endings import Ending, OutputEvent
from worker.demo.progress import DemoProgress, Summary, summarise
from worker.demo.view import JsonView, TerminalView, View
from worker.metrics import Metrics

LISTING = {"listing_id": "a", "title": "red opener", "image_urls": ["http://h/1.jpg"]}


def progress(title: str = "red opener") -> DemoProgress:
    return DemoProgress(2, {"a": title}, TOPICS)


def feed(shown: DemoProgress, view: View | None = None) -> None:
    """Three results of ``a``, then the dead letter of ``b``."""
    events = results(LISTING)
    letter = dead_letter("b", "http_error", "the host answered 404")
    steps: list[tuple[OutputEvent, Ending | None]] = [(event, None) for event in events[:2]]
    steps += [(events[2], Ending("a", tuple(events), None)), (letter, Ending("b", (letter,), "http_error"))]
    for event, ending in steps:
        row = shown.add(event, ending)
        if view is not None:
            view.update(shown, row)


def summary_of(shown: DemoProgress, missing: list[str] | None = None) -> Summary:
    metrics = Metrics()
    metrics.cache_lookups.labels("process", "hit").inc(3)
    metrics.cache_lookups.labels("process", "miss").inc(1)
    metrics.batch_listings.observe(6)
    metrics.batch_listings.observe(2)
    metrics.batch_pictures.observe(8)
    metrics.stage_seconds.labels("fetch").observe(0.5)
    metrics.stage_seconds.labels("fetch").observe(1.5)
    return summarise(shown, metrics.snapshot(), 2.0, 0, missing or [])


def test_progress_counts_listings_events_and_reasons() -> None:
    """Every event counts for its topic, every ending for its kind."""
    shown = progress()
    feed(shown)
    assert (shown.num_ended, shown.num_tagged) == (2, 1)
    assert shown.events == dict.fromkeys((TOPICS.attributes, TOPICS.scenes, TOPICS.texts, TOPICS.dead_letter), 1)
    assert shown.reasons == {"http_error": 1}
    assert [row.listing for row in shown.rows] == ["a", "b"]
    assert shown.rows[0].tags["color"].label == "Red"
    assert shown.rows[0].prices == ("19.99 USD",)


def test_the_summary_is_made_of_the_workers_own_metrics() -> None:
    """Cache hits, batch sizes and stage times are those that the worker counted."""
    shown = progress()
    feed(shown)
    found = summary_of(shown)
    assert found.cache_hits == 3
    assert (found.batches, found.listings_per_batch, found.pictures_per_batch) == (2, 4.0, 4.0)
    assert found.stages["fetch"].mean_seconds == pytest.approx(1.0)
    assert found.stages["fetch"].times == 2


def test_a_pipe_gets_json_lines() -> None:
    """One line per phase, one per listing, the summary last, with the files and what it does not prove."""
    out = io.StringIO()
    view, shown = JsonView(out), progress()
    view.open(shown)
    feed(shown, view)
    view.close()
    view.summary(summary_of(shown), (Path("out/report.html"),))
    lines: list[dict[str, Any]] = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["type"] for line in lines] == ["phase", "listing", "listing", "summary"]
    assert lines[2]["reason"] == "http_error"
    assert lines[3]["files"] == ["out/report.html"]
    assert "exactly_once" in lines[3]


def test_a_terminal_gets_tables_that_stay() -> None:
    """After the live part, topics, reasons, cache, batches and stages stand on the screen."""
    out = io.StringIO()
    view, shown = TerminalView(Console(file=out, force_terminal=True, width=120)), progress()
    view.open(shown)
    feed(shown, view)
    view.close()
    view.summary(summary_of(shown, ["c"]), (Path("out/report.html"),))
    for words in (TOPICS.scenes, "http_error", "3 hits", "listings per batch", "fetch", "not ended: c", "Exactly-once"):
        assert words in out.getvalue()


@pytest.mark.parametrize("steering", ["\x1b]0;owned\x07", "\x9b31mred", "a\rb", "a\x08b"])
def test_a_title_cannot_steer_the_terminal(steering: str) -> None:
    """Control characters of a title never reach the terminal: not from a title, an id or a dead letter's detail."""
    out = io.StringIO()
    view, shown = TerminalView(Console(file=out, force_terminal=True, width=160)), progress(steering)
    letter = dead_letter(steering, "http_error", steering)
    feed(shown)
    shown.add(letter, Ending(steering, (letter,), "http_error"))
    view.open(shown)
    view.close()
    assert steering not in out.getvalue()
    assert "�" in out.getvalue()


def test_markup_in_a_title_stays_text() -> None:
    """What looks like the table's own markup is shown as it is."""
    out = io.StringIO()
    view, shown = TerminalView(Console(file=out, force_terminal=True, width=160)), progress("[red]x[/red]")
    feed(shown)
    view.open(shown)
    view.close()
    assert "[red]x[/red]" in out.getvalue()
