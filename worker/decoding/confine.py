"""What a process takes away from itself before it touches a stranger's bytes. Linux alone; nothing of it can be undone.

Two lines, each of which holds without the other:

- limits of the kernel's oldest kind: no new descriptor, no byte written to a file, no child, no core dump, bounded
  memory;
- a filter on system calls (seccomp): what computing on memory needs and nothing else. Starting a process, opening a
  socket, reaching into another process or into the kernel's side doors ends the process at once (SIGSYS); everything
  else that is not on the list, opening files above all, fails with EPERM. No memory becomes executable.

A process that was taken over can still compute, answer lies through the channels it holds, and waste what it was lent.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from dataclasses import dataclass

# A process that wakes up must not take the processor of the event loop that woke it, which is late for all others then.
# Where others want the processors all the time, a tenth of one may be left to it: the clock is ten times as patient.
NICENESS, PATIENCE = 10, 10.0

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_ALLOW, _KILL, _EPERM = 0x7FFF0000, 0x80000000, 0x00050001
_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_IF_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _THIRD_ARGUMENT_AT = 0, 4, 32  # in the kernel's struct seccomp_data, low halves
_PROT_EXEC = 4
_X32_CALLS = 0x40000000
_INSTRUCTION = struct.Struct("=HBBI")


class ConfineError(Exception):
    """The filter cannot be had here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """The numbers of one architecture's system calls, as the kernel's headers have them."""

    audit_arch: int
    seccomp: int
    allowed: tuple[int, ...]
    without_exec: tuple[int, ...]  # mmap, mprotect: allowed unless the memory is to be executable
    deadly: tuple[int, ...]


# allowed: read write close munmap mremap madvise brk, rt_sigaction rt_sigprocmask rt_sigreturn restart_syscall,
#   sched_yield getpid gettid futex, setitimer, gettimeofday clock_gettime clock_getres clock_nanosleep getrandom,
#   exit exit_group
# deadly: (fork vfork) clone clone3 execve execveat, socket socketpair connect bind, ptrace process_vm_readv
#   process_vm_writev kill tkill pidfd_open pidfd_getfd, bpf io_uring_setup userfaultfd keyctl perf_event_open mount
#   unshare setns
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, 317,
        (0, 1, 3, 11, 25, 28, 12, 13, 14, 15, 219, 24, 39, 186, 202, 38, 96, 228, 229, 230, 318, 60, 231),
        (9, 10),
        (57, 58, 56, 435, 59, 322, 41, 53, 42, 49, 101, 310, 311, 62, 200, 434, 438, 321, 425, 323, 250, 298, 165, 272,
         308),
    ),
    "aarch64": _Machine(
        0xC00000B7, 277,
        (63, 64, 57, 215, 216, 233, 214, 134, 135, 139, 128, 124, 172, 178, 98, 103, 169, 113, 114, 115, 278, 93, 94),
        (222, 226),
        (220, 435, 221, 281, 198, 199, 203, 200, 117, 270, 271, 129, 130, 434, 438, 280, 425, 282, 219, 241, 40, 97,
         268),
    ),
}  # fmt: skip


def limit_resources(memory_bytes: int, max_files: int) -> None:
    """The first line. ``memory_bytes`` of address space; descriptors below ``max_files`` stay usable, none is new."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    for what, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_NOFILE, max_files),
    ):
        resource.setrlimit(what, (limit, limit))


def filter_system_calls() -> None:
    """The second line, for all threads of this process and for good. Raises ConfineError."""
    machine = platform.machine()
    program = assemble(machine)
    buffer = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise ConfineError(f"no_new_privs cannot be set: {os.strerror(ctypes.get_errno())}")
    given = struct.pack("@HP", len(program) // _INSTRUCTION.size, ctypes.addressof(buffer))
    failed = libc.syscall(_MACHINES[machine].seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, given)
    if failed:
        why = os.strerror(ctypes.get_errno()) if failed < 0 else f"thread {failed} cannot be confined"
        raise ConfineError(f"the kernel ({platform.release()}) takes no seccomp filter: {why}")


def assemble(machine: str) -> bytes:
    """The filter for an architecture, in the kernel's instructions of 8 bytes each. Raises ConfineError."""
    try:
        calls = _MACHINES[machine]
    except KeyError:
        known = " and ".join(_MACHINES)
        raise ConfineError(f"there is a filter of system calls for {known}, none for {machine!r}") from None
    steps = [(_LOAD, 0, 0, _ARCH_AT), *_unless(calls.audit_arch, _KILL), (_LOAD, 0, 0, _NUMBER_AT)]
    steps += [(_JUMP_AT_LEAST, 0, 1, _X32_CALLS), (_RETURN, 0, 0, _KILL)]
    for number in calls.allowed:
        steps += _if(number, _ALLOW)
    for number in calls.without_exec:
        steps += [(_JUMP_EQUAL, 0, 4, number), (_LOAD, 0, 0, _THIRD_ARGUMENT_AT), (_JUMP_IF_BITS, 0, 1, _PROT_EXEC)]
        steps += [(_RETURN, 0, 0, _EPERM), (_RETURN, 0, 0, _ALLOW)]
    for number in calls.deadly:
        steps += _if(number, _KILL)
    steps.append((_RETURN, 0, 0, _EPERM))
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


def _if(value: int, verdict: int) -> list[tuple[int, int, int, int]]:
    return [(_JUMP_EQUAL, 0, 1, value), (_RETURN, 0, 0, verdict)]


def _unless(value: int, verdict: int) -> list[tuple[int, int, int, int]]:
    return [(_JUMP_EQUAL, 1, 0, value), (_RETURN, 0, 0, verdict)]
