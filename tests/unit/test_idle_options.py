"""Options of ``train`` and ``evaluate`` that would do nothing are refused before anything is done."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli import app
from worker.commands import learn
from worker.commands.idle_options import BESIDE


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train --out new --preset a --device cpu", "--device does nothing with a reference model's --preset"),
        ("train --out new --preset b --image-tower x", "--image-tower does nothing with a reference model's --preset"),
        ("train --quantise there --epochs 3", "--epochs does nothing with --quantise"),
        ("train --quantise there --preset all", "--preset does nothing with --quantise"),
        ("train --quantise there --out new", "name a folder"),
        ("evaluate --checkpoint there --report new", "--report does nothing with a reference model's --checkpoint"),
        ("evaluate --checkpoint there --recalibrate new", "--recalibrate does nothing with a reference model's"),
        ("evaluate --checkpoint there --engine torch", "--engine does nothing with a reference model's"),
        ("evaluate --ablation --held-out", "--held-out does nothing with --ablation"),
        ("evaluate --ablation --recalibrate new", "--recalibrate does nothing with --ablation"),
        ("evaluate --held-out --engine torch", "--engine does nothing with --held-out"),
        ("evaluate --held-out --seeds 2", "--seeds does nothing with --held-out"),
        ("evaluate --epochs 2", "--epochs does nothing without --ablation or --held-out"),
        ("evaluate --recalibrate there", "there exists; name a new folder"),
        ("evaluate --ablation --fusions ,", "--fusions: ',' names none; leave it out to compare all"),
        ("train --out new --text-tower=", "--text-tower is empty; name a tower"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, told: str
) -> None:
    """Exit code 2 and a line that names both options; the data, which is not there, was never asked for."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "config.json").write_text('{"kind": "reference"}', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    done = CliRunner().invoke(app, [*command.split(), "--data", "none"])
    assert done.exit_code == 2
    assert told in " ".join(done.output.replace("│", " ").split())


def test_every_option_in_the_table_is_there() -> None:
    """What is spelled differently would never be refused."""
    known = {name for command in (learn.train, learn.evaluate) for name in inspect.signature(command).parameters}
    assert {name for names in BESIDE.values() for name in names} <= known


def test_what_is_no_checkpoint_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder that is not there no file is named that nobody has heard of, nor is the data asked for first."""
    monkeypatch.chdir(tmp_path)
    for command in ("evaluate --checkpoint nosuch", "train --quantise nosuch"):
        told = failure_of([*command.split(), "--data", "none"])
        assert "'nosuch' is not a checkpoint" in told and "that 'hangtag train' wrote" in told


def test_a_fusion_that_is_none_is_told_before_others_are_trained(tmp_path: Path) -> None:
    """With those that there are; the data, which is not there, was never asked for."""
    told = failure_of(["evaluate", "--ablation", "--fusions", "gated,gatd", "--data", str(tmp_path / "none.jsonl")])
    assert told == "'gatd' is no fusion; choose among concatenation, cross_attention, gated, residual"


def failure_of(command: Sequence[str]) -> str:
    """What a command that ends with exit code 1 complains of."""
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 1 and done.exception is not None and done.exception.__context__ is not None
    return str(done.exception.__context__.__cause__)
