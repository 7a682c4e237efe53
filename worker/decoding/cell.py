"""One decoder process, seen from the worker: started, asked, ended. Believes nothing that it says.

Bodies and pixels lie in memory that both share: an anonymous file, created here, sealed in size so that the process
cannot pull it away from under us. What is used of it is copied once into arrays of our own, because a process that was
taken over could go on writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import signal
import sys

import numpy as np

from schemas.deadletter import Reason, Stage
from worker.decoding.jail import ANSWER, LENGTH, MAX_TOLD_BYTES, MODEL_AT, REASONS, JailLimits, Orders, reading_at
from worker.errors import FatalError, RejectedError
from worker.item import DecodedImage, FetchedImage

_START_SECONDS = 60.0
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}  # glibc's names
_MAX_SIDE = 1 << 20  # of a picture as it was; no format's header can say more and pass the pixel limit


class GoneError(Exception):
    """The process ended."""


class LiedError(Exception):
    """The process said what no sound process says. The message is for the operator."""


class Cell:
    """One process. Belongs to the event loop; asked by one picture at a time."""

    def __init__(self, limits: JailLimits, confine: str, max_body_bytes: int) -> None:
        self._limits = limits
        self._confine = confine
        pixels_end = reading_at(limits.model_side) + 3 * limits.reading_side**2
        self._shared_bytes = max(max_body_bytes, pixels_end)
        self._shared: mmap.mmap | None = None
        self._process: asyncio.subprocess.Process | None = None
        self.num_pictures = 0

    @property
    def pid(self) -> int | None:
        """The process's id, None before it has started."""
        return self._process.pid if self._process else None

    @property
    def is_alive(self) -> bool:
        """Not known to have ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process and wait until it has given up its rights. Raises FatalError."""
        try:
            await self._spawn()
        except OSError as error:
            raise FatalError(f"a decoder process cannot be started: {error}") from error
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._be_ready()
        except TimeoutError as error:
            await self.end()
            raise FatalError(f"a decoder process was not ready within {_START_SECONDS:g} s") from error
        except BaseException:
            await self.end()
            raise

    async def ask(self, fetched: FetchedImage) -> DecodedImage | RejectedError:
        """The picture's pixels, or why there are none. Raises GoneError, LiedError."""
        assert self._process and self._process.stdin and self._shared  # noqa: S101  # start() comes first
        self.num_pictures += 1
        self._shared[: len(fetched.body)] = fetched.body
        try:
            self._process.stdin.write(LENGTH.pack(len(fetched.body)))  # four bytes: no pipe is too full for them
            kind, *numbers = ANSWER.unpack(await self._read(ANSWER.size))
        except ConnectionError as error:
            raise GoneError("the decoder process is gone") from error
        if kind == b"E":
            return await self._refusal(*numbers[:2])
        if kind != b"P":
            raise LiedError("the decoder process answered nonsense")
        return self._picture(fetched, numbers)

    async def ended(self) -> None:
        """Wait for the end of the process, whoever brings it about."""
        assert self._process is not None  # noqa: S101  # start() comes first
        await self._process.wait()

    async def end(self) -> int:
        """End the process, at once: it holds nothing. Returns how it ended, as its parent sees it."""
        assert self._process is not None  # noqa: S101  # start() comes first
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        code = await self._process.wait()
        if self._shared is not None:
            with contextlib.suppress(
                BufferError
            ):  # an error that somebody holds may hold a view of it: it goes with that
                self._shared.close()
            self._shared = None
        return code

    async def post_mortem(self) -> int:
        """How a process ended that is gone."""
        assert self._process is not None  # noqa: S101  # start() comes first
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                await self._process.wait()
        return await self.end()

    async def _spawn(self) -> None:
        """The process, and the memory that both share. Raises OSError."""
        file = _sealed_file(self._shared_bytes)
        try:
            self._shared = mmap.mmap(file, self._shared_bytes)
            orders = Orders(self._limits, self._confine, file, self._shared_bytes)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "worker.decoding.jail", orders.to_argument(), pass_fds=(file,), cwd="/",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                limit=1 << 16, env=_environment(),
            )  # fmt: skip
        finally:
            os.close(file)

    async def _be_ready(self) -> None:
        assert self._process and self._process.stderr  # noqa: S101  # a pipe
        try:
            kind, _, length, *_ = ANSWER.unpack(await self._read(ANSWER.size))
            if kind == b"R":
                return
            why = await self._told(length) if kind == b"F" else "it answered nonsense"
        except LiedError as error:
            why = str(error)
        except GoneError as error:
            words = (await self._process.stderr.read()).decode("utf-8", "replace").strip().splitlines()
            last = words[-1][:300] if words else "it said nothing"
            raise FatalError(f"a decoder process ended as it started: {last}") from error
        remedy = "decode.confine = limits does without the filter: resource limits alone then hold the decoder"
        raise FatalError(f"a decoder process cannot be confined: {why}; {remedy}")

    async def _refusal(self, reason: int, length: int) -> RejectedError:
        if reason >= len(REASONS):
            raise LiedError("the decoder process answered with a reason that it cannot have")
        return RejectedError(Reason(REASONS[reason]), Stage.DECODE, await self._told(length))

    async def _told(self, length: int) -> str:
        """Words as they are: nothing in them is parsed."""
        if length > MAX_TOLD_BYTES:
            raise LiedError(f"the decoder process wants to say {length:,} bytes")
        return (await self._read(length)).decode("utf-8", "replace")

    def _picture(self, fetched: FetchedImage, numbers: list[int]) -> DecodedImage:
        width, height, side, rows, columns = numbers
        largest = self._limits.reading_side
        fits = side == self._limits.model_side and rows <= largest and columns <= largest
        is_there = (rows > 0 and columns > 0) == (largest > 0)
        if not fits or not is_there or not 0 < width <= _MAX_SIDE or not 0 < height <= _MAX_SIDE:
            raise LiedError("the decoder process answered with sizes that nobody asked for")
        pixels = self._copy(MODEL_AT, side, side)
        return DecodedImage(
            fetched.url, fetched.sha256, width, height, pixels, self._copy(reading_at(side), rows, columns)
        )

    def _copy(self, start: int, rows: int, columns: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        assert self._shared is not None  # noqa: S101  # start() comes first
        shared = np.frombuffer(self._shared, np.uint8, rows * columns * 3, start)
        return shared.reshape(rows, columns, 3).copy()

    async def _read(self, count: int) -> bytes:
        assert self._process and self._process.stdout  # noqa: S101  # a pipe
        try:
            return await self._process.stdout.readexactly(count)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise GoneError("the decoder process is gone") from error


def death(code: int, seconds: float) -> str:
    """A process's end in words for an operator; ``code`` as `Cell.end` gives it."""
    match -code:
        case signal.SIGPROF:
            return f"not decoded within {seconds:g} s of processor time (decode.seconds)"
        case signal.SIGSYS:
            return "the decoder process was ended at a forbidden system call: this picture may be an attack"
        case signal.SIGKILL:
            return "the decoder process was killed from outside, twice; is the machine short of memory?"
    return f"the decoder process died of this picture (exit {code})"


def _sealed_file(num_bytes: int) -> int:
    file = os.memfd_create("hangtag-pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, num_bytes)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return file


def _environment() -> dict[str, str]:
    """No secrets, no proxies: only what Python needs to find the same packages. Compiled code would need memory that
    is executable. Memory of the last picture is kept for the next: asking the kernel for it anew, zeroed page by page,
    costs a quarter of a decode.
    """
    keep = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV", "LANG") if name in os.environ}
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)  # noqa: PTH100  # as it stands
    return {**keep, "PYTHONPATH": paths, "PYTHON_JIT": "0", **KEEP_MEMORY}
