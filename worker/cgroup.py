"""What the container may hold in memory, and what it holds now, decoder processes included: as the kernel counts it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # version 1 says 'no limit' by a number that no machine has


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. ``held`` leaves out file pages that the kernel can drop, as Kubernetes' working set does."""

    held: int
    limit: int


def read(root: Path = ROOT) -> Memory | None:
    """Memory of this process's control group, version 2 or 1; None where there is no limit or no such group."""
    try:
        if (root / "memory.max").exists():
            return _memory(root, "memory.current", "memory.max", "inactive_file")
        return _memory(root / "memory", "memory.usage_in_bytes", "memory.limit_in_bytes", "total_inactive_file")
    except (OSError, ValueError):  # no such file; or the limit reads 'max'
        return None


def _memory(folder: Path, used: str, limit: str, droppable: str) -> Memory | None:
    most = int((folder / limit).read_text())
    if most >= _NO_LIMIT:
        return None
    lines = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    dropped = next((int(value) for name, value in lines if name == droppable), 0)
    return Memory(max(0, int((folder / used).read_text()) - dropped), most)
