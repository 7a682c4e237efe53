"""``python -m tests.reliability [--full] [--seed N] [SUITE ...]``: run suites, print their tables.

The full form also writes its tables to ``docs/results/``.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import pkgutil
import sys
import time
from pathlib import Path

from tests.reliability import report
from tests.reliability.suite import Row, Trial, failed

_PARTS = ("__main__", "suite", "report")


def names() -> list[str]:
    """Every suite: the modules of this package that have a ``run``."""
    found = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return sorted(name for name in found if name not in _PARTS and hasattr(_module(name), "run"))


def main() -> int:
    """Exit code 1 when a bar is missed."""
    asked = _arguments()
    trial = Trial(asked.full, asked.seed, _say)
    num_failed = 0
    try:
        for name in asked.suites or names():
            num_failed += len(failed(_run(name, trial)))
    finally:
        trial.close()
    _say(f"{num_failed} bars missed" if num_failed else "every bar held")
    return 1 if num_failed else 0


def _run(name: str, trial: Trial) -> list[Row]:
    suite = _module(name)
    _say(f"\n== {suite.TITLE} ({name}, {'full' if trial.is_full else 'short'} form, seed {trial.seed})")
    began = time.monotonic()
    rows: list[Row] = asyncio.run(suite.run(trial))
    _say(report.to_text(rows))
    if trial.is_full:
        command = f"make reliability FULL=1 SEED={trial.seed} SUITES={name}"
        page = report.to_markdown(suite.TITLE, command, rows, seconds=time.monotonic() - began)
        _say(f"written: {report.write(name, page).name}")
    return rows


def _module(name: str):  # type: ignore[no-untyped-def]  # modules have no useful type
    return importlib.import_module(f"tests.reliability.{name}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="default: all")
    parser.add_argument("--full", action="store_true", help="as many as the results table names; minutes to an hour")
    parser.add_argument("--seed", type=int, default=20261124, help="what decides every random choice")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201  # a command's own output


if __name__ == "__main__":
    sys.exit(main())
