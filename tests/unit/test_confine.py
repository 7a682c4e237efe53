"""Giving up rights: what a confined process cannot do any more, tried for real in processes of its own."""

from __future__ import annotations

import errno
import platform
import signal
import struct
import subprocess
import sys

import pytest

from worker.decoding.confine import ConfineError, assemble

ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, 0x00050001
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
BEGIN = """
import ctypes, os, sys, threading
from worker.decoding.confine import filter_system_calls, limit_resources
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
def told(result):
    os.write(1, b"%d" % (ctypes.get_errno() if result in (-1, 2**64 - 1) else 0))
    os._exit(0)
"""


def confined(code: str, give_up: str = "filter_system_calls()") -> subprocess.CompletedProcess[bytes]:
    """What came of ``code`` in a process that gave up its rights."""
    program = f"{BEGIN}\n{give_up}\n{code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=30, check=False)


@pytest.mark.parametrize(
    "code",
    [
        "told(libc.open(b'/dev/null', 0))",
        "told(libc.open(b'/tmp/hangtag-was-here', os.O_CREAT | os.O_WRONLY, 0o600))",
        "told(libc.openat(-100, b'/etc/passwd', 0))",
        "told(libc.unlink(b'/nothing'))",
        "told(libc.memfd_create(b'more', 0))",
        "told(libc.dup(1))",
        "told(libc.setrlimit(7, ctypes.create_string_buffer(16)))",
        "told(libc.setuid(0))",
        "told(libc.mmap(None, 4096, 7, 0x22, -1, 0))",
        "page = libc.mmap(None, 4096, 3, 0x22, -1, 0); told(libc.mprotect(ctypes.c_void_p(page), 4096, 5))",
    ],
)
def test_what_fails_with_eperm(code: str) -> None:
    """No file opens, no descriptor is new, no limit moves, no memory becomes executable."""
    found = confined(code)
    assert (found.returncode, found.stdout) == (0, str(errno.EPERM).encode()), found.stderr


@pytest.mark.parametrize(
    "code",
    [
        "libc.socket(2, 1, 0)",
        "libc.socketpair(1, 1, 0, ctypes.create_string_buffer(8))",
        "libc.fork()",
        "os.fork()",
        "libc.vfork()",
        "threading.Thread(target=print).start()",
        "libc.execv(b'/bin/true', (ctypes.c_char_p * 2)(b'true', None))",
        "os.execv('/bin/true', ['true'])",
        "libc.kill(os.getppid(), 0)",
        "libc.ptrace(16, os.getppid(), 0, 0)",
        "libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0)",
        "libc.unshare(0x10000000)",
    ],
)
def test_what_ends_the_process(code: str) -> None:
    """Sockets, new processes and threads, other processes and the kernel's side doors: tried once, never twice."""
    found = confined(f"getppid = os.getppid\n{code}\nos.write(1, b'still here')".replace("os.getppid()", "1"))
    assert (found.returncode, found.stdout) == (-signal.SIGSYS, b""), found.stderr


def test_computing_goes_on() -> None:
    """Memory, clocks, random bytes, exceptions and what was open already are there."""
    found = confined(
        "import time\nblock = bytearray(64 << 20)\nos.urandom(8)\ntime.monotonic()\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    os.write(1, b'well')"
    )
    assert (found.returncode, found.stdout) == (0, b"well"), found.stderr


def test_running_threads_are_confined_too() -> None:
    """The filter is not only for the thread that asked for it."""
    found = confined(
        "go.set(); other.join()",
        "go = threading.Event()\n"
        "other = threading.Thread(target=lambda: (go.wait(), told(libc.open(b'/dev/null', 0))))\n"
        "other.start()\nfilter_system_calls()",
    )
    assert found.stdout == str(errno.EPERM).encode(), found.stderr


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("told(libc.open(b'/dev/null', 0))", errno.EMFILE),
        ("told(libc.mmap(None, 1 << 30, 3, 0x22, -1, 0))", errno.ENOMEM),
        ("libc.signal(25, ctypes.c_void_p(1)); told(libc.write(file, b'x', 1))", errno.EFBIG),
    ],
)
def test_limits_hold_without_the_filter(code: str, number: int) -> None:
    """The first line by itself: no new descriptor, bounded memory, no byte in a file."""
    give_up = "import tempfile\nkept = tempfile.TemporaryFile()\nfile = kept.fileno()\n"
    found = confined(code, give_up + "limit_resources(512 << 20, file + 1)\nwhile libc.dup(0) >= 0: pass")
    assert (found.returncode, found.stdout) == (0, str(number).encode()), found.stderr


def verdict(machine: str, arch: int, number: int, third_argument: int = 0) -> int:
    """What the filter of ``machine`` says of a call: its instructions, run by hand."""
    data = struct.pack("=IIQ6Q", number, arch, 0, 0, 0, third_argument, 0, 0, 0)
    program = list(struct.iter_unpack("=HBBI", assemble(machine)))
    at = value = 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x06:
            return int(operand)
        if code == 0x20:
            value = struct.unpack_from("=I", data, operand)[0]
            continue
        holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
        at += if_true if holds else if_false


@pytest.mark.parametrize(
    ("machine", "calls"),
    [
        ("x86_64", {"read": 0, "exit_group": 231, "openat": 257, "open": 2, "prlimit64": 302, "clone": 56, "mmap": 9}),
        ("aarch64", {"read": 63, "exit_group": 94, "openat": 56, "open": 1024, "prlimit64": 261, "clone": 220,
                     "mmap": 222}),
    ],
)  # fmt: skip
def test_filters_of_both_machines(machine: str, calls: dict[str, int]) -> None:
    """Each architecture's own numbers are meant; another one's calls end the process."""
    arch = ARCH[machine]
    found = {name: verdict(machine, arch, number) for name, number in calls.items()}
    assert found == {
        "read": ALLOW, "exit_group": ALLOW, "openat": EPERM, "open": EPERM, "prlimit64": EPERM, "clone": KILL,
        "mmap": ALLOW,
    }  # fmt: skip
    assert verdict(machine, arch, calls["mmap"], 7) == EPERM
    assert {verdict(machine, other, calls["read"]) for other in (*ARCH.values(), 0) if other != arch} == {KILL}
    assert verdict(machine, arch, 0x40000000 + calls["read"]) == KILL  # the x32 spelling
    assert {verdict(machine, arch, number) for number in range(439, 600)} == {EPERM}  # calls yet to be invented


def test_no_filter_for_an_unknown_machine() -> None:
    """Silence would be weaker than an error."""
    with pytest.raises(ConfineError, match="riscv64"):
        assemble("riscv64")


def test_this_machine_has_a_filter() -> None:
    """The tests above would otherwise show nothing."""
    assert assemble(platform.machine())
