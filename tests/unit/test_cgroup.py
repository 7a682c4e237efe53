"""The container's memory, read as the kernel shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.machine.cgroup import Memory, read

VERSION_2 = ("memory.current", "memory.max", "inactive_file")
VERSION_1 = ("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes", "total_inactive_file")


def group(root: Path, names: tuple[str, str, str], limit: str) -> Path:
    """A control group as files: 900 bytes used, 300 of them pages that can be dropped."""
    used, most, droppable = names
    (root / used).parent.mkdir(exist_ok=True)
    (root / used).write_text("900\n")
    (root / most).write_text(f"{limit}\n")
    (root / used).with_name("memory.stat").write_text(f"anon 600\n{droppable} 300\n")
    return root


@pytest.mark.parametrize("names", [VERSION_2, VERSION_1])
def test_what_can_be_dropped_is_not_held(tmp_path: Path, names: tuple[str, str, str]) -> None:
    """Both versions give use without droppable file pages, and the limit."""
    assert read(group(tmp_path, names, "1000")) == Memory(held=600, limit=1000)


@pytest.mark.parametrize(("names", "limit"), [(VERSION_2, "max"), (VERSION_1, "9223372036854771712")])
def test_no_limit_is_none(tmp_path: Path, names: tuple[str, str, str], limit: str) -> None:
    """Without a limit there is no ceiling to be near to."""
    assert read(group(tmp_path, names, limit)) is None


def test_a_machine_without_groups_is_none(tmp_path: Path) -> None:
    """A system that has no control groups says nothing."""
    assert read(tmp_path) is None
