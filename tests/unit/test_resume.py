"""What a killed run had finished is used again, and only by the same run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model.errors import ModelError
from model.training.progress import Meter
from model.training.resume import UNFINISHED, Unfinished, begin, key_of
from worker.commands.fit_progress import PlainLines


def computed(value: float, calls: list[float]) -> Callable[[], dict[str, torch.Tensor]]:
    """A part that says when it is computed."""

    def compute() -> dict[str, torch.Tensor]:
        calls.append(value)
        return {"x": torch.tensor(value)}

    return compute


def test_a_finished_part_is_not_computed_again(tmp_path: Path) -> None:
    """The same key finds it; another key throws it away and says so."""
    calls: list[float] = []
    said: list[str] = []
    first = Unfinished(tmp_path / "u", "key", said.append)
    assert float(first.part("fold-1", computed(1.0, calls))["x"]) == 1.0
    again = Unfinished(tmp_path / "u", "key", said.append)
    assert again.has("fold-1")
    assert float(again.part("fold-1", computed(2.0, calls))["x"]) == 1.0
    other = Unfinished(tmp_path / "u", "another", said.append)
    assert float(other.part("fold-1", computed(3.0, calls))["x"]) == 3.0
    assert calls == [1.0, 3.0]
    assert said == ["fold-1: finished before", "an unfinished run with other data or settings is thrown away"]


def test_half_written_files_count_as_unfinished(tmp_path: Path) -> None:
    """A part under its waiting name, and a key that was cut off, are what a kill leaves behind."""
    (tmp_path / "fold-1.new").write_bytes(b"half")
    (tmp_path / "run.json").write_text('{"key": "k', encoding="utf-8")
    calls: list[float] = []
    found = Unfinished(tmp_path, "key", lambda _: None)
    assert not found.has("fold-1")
    assert float(found.part("fold-1", computed(1.0, calls))["x"]) == 1.0
    found.clear()
    assert list(tmp_path.iterdir()) == []


def test_keys_change_with_what_is_in_arrays() -> None:
    """One number in a tensor, or a setting, makes another run of it."""
    one, other = torch.zeros(4), torch.tensor([0.0, 0.0, 1.0, 0.0])
    assert key_of(one, 3) == key_of(torch.zeros(4), 3)
    assert len({key_of(one, 3), key_of(other, 3), key_of(one, 4)}) == 3


def test_progress_on_a_pipe_is_a_line_a_twentieth() -> None:
    """200 passes in two parts are some twenty lines, and every part begins with one."""
    lines: list[str] = []
    meter = Meter(200, PlainLines(lines.append))
    for part in ("fold 1", "fold 2"):
        meter.begin(part)
        for _ in range(100):
            meter.step()
    assert lines[0] == "0 of 200 passes: fold 1"
    assert lines[-1] == "200 of 200 passes: fold 2"
    assert len(lines) == 22


def test_a_checkpoint_is_written_only_where_nothing_else_is(tmp_path: Path) -> None:
    """A finished checkpoint, somebody's files and a file are refused before any work; the message says what to do."""
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "digests.json").write_text("{}", encoding="utf-8")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"mine")
    (tmp_path / "file").write_bytes(b"")
    refused = {"done": "finished checkpoint; name a new", "photos": "holds 1.jpg", "file": "is a file; name a new"}
    for name, told in refused.items():
        with pytest.raises(ModelError, match=told):
            begin(tmp_path / name)
    with pytest.raises(ModelError, match="cannot be written"):
        begin(tmp_path / "file" / "below")
    assert (tmp_path / "photos" / "1.jpg").read_bytes() == b"mine"


def test_leftovers_of_a_killed_run_are_not_sealed_into_the_next(tmp_path: Path) -> None:
    """Finished parts stay; an int8 of other weights goes."""
    begin(tmp_path / "out")
    Unfinished(tmp_path / "out" / UNFINISHED, "key", lambda _: None).part("fold-1", computed(1.0, []))
    (tmp_path / "out" / "int8.safetensors").write_bytes(b"of another run")
    begin(tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [UNFINISHED]
    assert Unfinished(tmp_path / "out" / UNFINISHED, "key", lambda _: None).has("fold-1")
