"""``python -m tests.bench [--full] [--data DIR] [NAME ...]``: run benches, print their tables, write the results.

Every judged figure is a ratio of two measurements of the same run, in turns; machines are noisy. Each bench's results
replace those of its last run on processors of the same kind in ``docs/results/bench.*``; prices have their own page.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from pathlib import Path

from tests.bench import page, peers
from tests.bench.figure import Bench, Figure

NAMES = ("stream", "peers", "partitions", "growth", "latency", "engines", "cpu", "lane", "start", "prices")


def main() -> int:
    """Exit code 1 when a bar is missed."""
    asked = _arguments()
    bench = Bench(asked.full, asked.data, _say)
    found: list[Figure] = []
    try:
        for name in asked.names or _unasked():
            found += _run(bench, name)
    finally:
        bench.close()
    missed = [figure.what for figure in found if figure.holds is False]
    _say(f"missed: {'; '.join(missed)}" if missed else "every bar held")
    return 1 if missed else 0


def _unasked() -> list[str]:
    """All that measure speed: prices needs fonts. Peers where there is one, or what was found of them would be lost."""
    left_out = {"prices"} if peers.any_installed() else {"prices", "peers"}
    return [name for name in NAMES if name not in left_out]


def _run(bench: Bench, name: str) -> list[Figure]:
    module = importlib.import_module(f"tests.bench.{name}")
    _say(f"\n== {module.TITLE} ({name})")
    began = time.monotonic()
    figures: list[Figure] = asyncio.run(module.run(bench))
    _say(page.to_text(figures))
    options = f"{' FULL=1' if bench.is_full else ''}{' DATA=folder' if bench.data else ''}"
    stem = getattr(module, "PAGE", page.SPEED)
    page.write(name, module.TITLE, f"make bench{options} BENCHES={name}", figures, time.monotonic() - began, stem)
    return figures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], metavar="NAME", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--full", action="store_true", help="more pairs, longer streams")
    parser.add_argument("--data", type=Path, help="training data: more product pictures for OCR than the demo's")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # a command's own output


if __name__ == "__main__":
    sys.exit(main())
