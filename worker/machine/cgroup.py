"""What the container may use, as the kernel counts it: memory, with what it holds now, and cores."""

from __future__ import annotations

import math
import os
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


def cores(root: Path = ROOT) -> int:
    """Cores that this process may really use: those it may run on, or fewer where its control group has a quota."""
    allowed = len(os.sched_getaffinity(0))
    quota = _quota(root)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(root: Path) -> float | None:
    """Processor time per time, version 2 or 1; None without a limit."""
    try:
        if (root / "cpu.max").exists():
            most, period = (root / "cpu.max").read_text().split()
        else:
            most, period = ((root / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(most) / float(period) if float(most) > 0 else None
    except (OSError, ValueError):  # no such file; or the limit reads 'max'
        return None
