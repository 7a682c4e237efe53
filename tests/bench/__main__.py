"""``python -m tests.bench [--full] [--data DIR] [NAME ...]``: run benches, print their tables, write the results.

Every judged figure is a ratio of two measurements of the same run, in turns; machines are noisy. Results are written
to ``docs/results/`` when all benches ran.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from pathlib import Path

from tests.bench import page
from tests.bench.figure import Bench, Figure

NAMES = ("stream", "partitions", "latency", "engines", "lane", "start")


def main() -> int:
    """Exit code 1 when a bar is missed."""
    asked = _arguments()
    bench = Bench(asked.full, asked.data, _say)
    found: dict[str, list[Figure]] = {}
    titles: dict[str, str] = {}
    began = time.monotonic()
    try:
        for name in asked.names or NAMES:
            module = importlib.import_module(f"tests.bench.{name}")
            titles[name] = module.TITLE
            _say(f"\n== {module.TITLE} ({name})")
            found[name] = asyncio.run(module.run(bench))
            _say(page.to_text(found[name]))
    finally:
        bench.close()
    if not asked.names:
        command = f"make bench{' FULL=1' if asked.full else ''}"
        _say(
            f"written: {', '.join(path.name for path in page.write(found, titles, command, time.monotonic() - began))}"
        )
    missed = [figure.what for figures in found.values() for figure in figures if figure.holds is False]
    _say(f"missed: {'; '.join(missed)}" if missed else "every bar held")
    return 1 if missed else 0


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
