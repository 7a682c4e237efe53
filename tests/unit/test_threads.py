"""Cores are shared out, never more than there are on a CPU, and what the operator fixed stays fixed."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.machine.cgroup import cores
from worker.machine.threads import Asked, ThreadPlan, plan_threads

NOTHING = Asked()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 8, 16, 64])
@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize("on_gpu", [True, False])
def test_everybody_gets_a_thread_and_model_and_ocr_fit_the_cores(number: int, reads: bool, on_gpu: bool) -> None:
    """With two cores or more, model and OCR together never take more than there are."""
    plan = plan_threads(number, NOTHING, on_gpu=on_gpu, reads=reads)
    assert min(plan.model, plan.ocr, plan.decoders) >= 1
    busy = plan.model + (plan.ocr if reads else 0)
    assert busy <= max(2, number)


def test_two_cores_are_one_each() -> None:
    """The smallest machine that overlaps: one for the model, one for OCR, and the decoder takes its turn."""
    assert plan_threads(2, NOTHING, on_gpu=False, reads=True) == ThreadPlan(1, 1, 1)


def test_what_was_asked_for_stays() -> None:
    """Settings win over the plan."""
    plan = plan_threads(8, Asked(model=3, ocr=12, decoders=7), on_gpu=False, reads=True)
    assert plan == ThreadPlan(3, 12, 7)


@pytest.mark.parametrize(
    ("files", "most"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_quota_of_the_container_counts(tmp_path: Path, files: dict[str, str], most: int) -> None:
    """Version 2 and 1: a part of a core is a core, and a quota below the machine's cores wins."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert 1 <= cores(tmp_path) <= most


@pytest.mark.parametrize("text", ["max 100000", "-1", "nonsense"])
def test_without_a_quota_all_allowed_cores_count(tmp_path: Path, text: str) -> None:
    """No limit, or one that cannot be read: the cores that this process may run on."""
    (tmp_path / "cpu.max").write_text(text)
    assert cores(tmp_path) == cores(tmp_path / "nowhere")
