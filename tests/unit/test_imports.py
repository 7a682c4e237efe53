"""Commands that need no model do not pay for one: importing torch takes longer than all they do."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "timm", "transformers", "openvino", "onnxruntime", "cv2", "scipy", "sklearn", "numpy.testing")

RUNS = f"""
import sys
sys.argv = ["hangtag", *sys.argv[1:]]
from worker.cli import main
try:
    main()
except SystemExit:
    pass
print("HEAVY", [name for name in {HEAVY} if name in sys.modules])
"""
IMPORTS = f"""
import sys
import worker.app, worker.kafka.admin, worker.replays.dead_letters, worker.replays.redrive
import worker.replays.planner, worker.simulate, worker.versions
print("HEAVY", [name for name in {HEAVY} if name in sys.modules])
"""


def _heavy(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=280, check=False
    )
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("HEAVY")]
    return line.removeprefix("HEAVY ")


@pytest.mark.parametrize(
    "command", [("--version",), ("config", "show"), ("metrics",), ("topics", "--help"), ("dlq", "--help")]
)
def test_light_commands_import_no_model(command: tuple[str, ...]) -> None:
    """Neither torch nor what OCR runs on."""
    assert _heavy(RUNS, *command) == "[]"


def test_what_talks_to_kafka_imports_no_model() -> None:
    """Topics, dead letters, replays' plans, and the worker itself before it loads its models."""
    assert _heavy(IMPORTS) == "[]"


def test_a_decoder_process_imports_neither_numpy_nor_torch() -> None:
    """One is started in a moment, and holds little memory, though it shares its way of seeing with training."""
    code = "import sys, worker.decoding.jail; print('HEAVY', [n for n in ('numpy', 'torch') if n in sys.modules])"
    assert _heavy(code) == "[]"
