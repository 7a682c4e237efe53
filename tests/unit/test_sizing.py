"""The sizing page says what the formula says."""

from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from tests.deploy_files import ROOT
from tests.sizing import LOADS, Constants, Traffic, needs, table

PAGE = ROOT / "docs" / "sizing.md"


def test_the_page_shows_the_table() -> None:
    """As `python -m tests.sizing` prints it; when a constant changes, the page must."""
    printed = subprocess.run([sys.executable, "-m", "tests.sizing"], capture_output=True, text=True, cwd=ROOT).stdout
    assert printed == table(LOADS, 250.0)
    assert printed in PAGE.read_text(encoding="utf-8")


def test_the_page_names_the_constants() -> None:
    """What the formula reckons with stands on the page."""
    text, known = PAGE.read_text(encoding="utf-8"), Constants()
    for shown in (
        f"{known.events_bytes:,.0f}",
        f"{known.title_bytes:,.0f} bytes",
        f"{known.decode_core_seconds * 1000:.0f} ms",
        f"{known.loop_core_seconds * 1000:.1f} ms",
        f"{known.ocr_core_seconds * 1000:.0f} ms",
    ):
        assert shown in text


@given(st.floats(1, 1e6), st.floats(1, 5e3))
def test_what_it_gives_is_enough(load: float, rate: float) -> None:
    """Workers bear the load with a share to spare, every worker has partitions, and twice as many could."""
    found = needs(load, rate, Constants(), Traffic())
    assert found.workers * rate * (1 - Constants().spare) >= load * 0.999
    assert found.workers >= 2
    assert found.partitions >= 2 * found.workers
    assert found.partitions % 12 == 0


@given(st.floats(1, 1e5))
def test_more_load_never_needs_less(load: float) -> None:
    """Nothing shrinks when the load doubles."""
    one, two = (needs(factor * load, 250.0, Constants(), Traffic()) for factor in (1, 2))
    assert two.workers >= one.workers
    assert two.partitions >= one.partitions
    assert two.cores > one.cores
    assert two.transactions > one.transactions
