"""Processor time and memory of other processes, as the kernel counts them."""

from __future__ import annotations

import time
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """Of one process so far, all its threads, to the nanosecond: the kernel makes a clock of every process id."""
    return time.clock_gettime(~pid << 3 | 2)


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    children = [int(name) for path in Path(f"/proc/{pid}/task").glob("*/children") for name in path.read_text().split()]
    return [pid, *(one for child in children for one in tree(child))]


def tree_cpu_seconds(pid: int) -> float:
    """Of a process and all below it that are alive."""
    return sum(map(cpu_seconds, tree(pid)))


def memory_mib(pid: int) -> float:
    """Of a process and all below it; what several share counts once (proportional set size)."""
    return sum(map(_pss_kib, tree(pid))) / 1024


def _pss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
