"""Figures are judged against their bars, and pages say so."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from tests.bench import page
from tests.bench.figure import Figure, median_of

HELD = Figure("worker ÷ loop", 0.97, "", (">=", 0.95))
MISSED = Figure("host cost <per listing>", 2.5, "CPU-ms", ("<=", 0.5))
BESIDE = Figure("bare GET", 0.1, "CPU-ms")


def test_bars_are_held_from_either_side() -> None:
    """At least, at most, or not judged at all; the bar itself is held."""
    assert (HELD.holds, MISSED.holds, BESIDE.holds) == (True, False, None)
    assert Figure("x", 0.95, "", (">=", 0.95)).holds and Figure("x", 0.95, "", ("<=", 0.95)).holds


def test_median_keeps_every_pair() -> None:
    """One bad pair does not move the figure, and stays to be seen."""
    found = median_of("ratio", "", [0.9, 0.1, 0.95], (">=", 0.9))
    assert (found.value, found.raw, found.holds) == (0.9, (0.9, 0.1, 0.95), True)


def test_pages_hold_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Markdown names what was missed, JSON can be read back, the chart is XML with a bar per judged figure."""
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    page.write("stream", "Stream", "make bench BENCHES=stream", [HELD], 60)
    page.write("stream", "Stream", "make bench BENCHES=stream", [HELD, MISSED, BESIDE], 60)
    page.write("latency", "Latency", "make bench BENCHES=latency", [HELD], 60)
    assert "| host cost <per listing> | 2.5 CPU-ms | <= 0.5 | MISSED |" in (tmp_path / "bench.md").read_text()
    told = json.loads((tmp_path / "bench.json").read_text())
    assert [len(one["figures"]) for one in told.values()] == [1, 3]
    chart = ElementTree.fromstring((tmp_path / "bench.svg").read_text())  # noqa: S314  # made just now, by us
    names = [element.text for element in chart if element.tag.endswith("text")]
    assert "host cost <per listing>" in names and "bare GET" not in names


def test_processors_of_another_kind_are_another_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their figures stand beside each other, and chart and headings say which is which; prices are the same on all."""
    monkeypatch.setattr(page, "FOLDER", tmp_path)
    for kind in ("AVX512", "AVX2", "AVX2"):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda kind=kind: kind)
        page.write("stream", "Stream", "make bench BENCHES=stream", [HELD], 60)
        page.write("prices", "Prices", "make bench BENCHES=prices", [HELD], 60, "prices")
    assert list(json.loads((tmp_path / "bench.json").read_text())) == ["stream AVX2", "stream AVX512"]
    assert list(json.loads((tmp_path / "prices.json").read_text())) == ["prices"]
    assert "## Stream, AVX512" in (tmp_path / "bench.md").read_text()
    assert f"{HELD.what}, AVX2<" in (tmp_path / "bench.svg").read_text()


def test_text_is_aligned() -> None:
    """One line per figure, each saying whether it holds."""
    lines = page.to_text([HELD, MISSED, BESIDE]).splitlines()
    assert ["holds" in lines[0], "MISSED" in lines[1], "no bar" in lines[2]] == [True] * 3
