"""Pools of decoder processes for tests, and programs that stand in a process's place."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from PIL import Image

from model.geometry import Framing
from tests.polling import until
from worker.decode import DecodePolicy, Decoder
from worker.errors import RejectedError
from worker.item import FetchedImage
from worker.metrics import Metrics


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The picture as a file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


GOOD = FetchedImage("u", encoded(Image.new("RGB", (50, 40), (200, 30, 30))), "1")


@asynccontextmanager
async def pool(metrics: Metrics | None = None, **policy: object) -> AsyncIterator[Decoder]:
    """A started decoder of small pictures."""
    values = {"framing": Framing(32), "reading_side": 64, "seconds": 20.0, **policy}
    decoder = Decoder(DecodePolicy(**values), metrics or Metrics())  # type: ignore[arg-type]
    await decoder.start()
    try:
        yield decoder
    finally:
        await decoder.close()


async def alive(decoder: Decoder, count: int, new_since: set[int] | None = None) -> None:
    """Wait until so many processes are there, and one of them is new."""

    async def holds() -> bool:
        return len(decoder.pids) == count and set(decoder.pids) != new_since

    await until(holds)


async def refused(decoder: Decoder, body: bytes) -> RejectedError:
    """Why these bytes are no picture."""
    with pytest.raises(RejectedError) as caught:
        await decoder.decode(FetchedImage("u", body, "0"))
    return caught.value


def jail_in(folder: Path, code: str) -> None:
    """Another program by the name of a decoder process's."""
    package = folder / "worker" / "decoding"
    package.mkdir(parents=True)
    for path in (package.parent, package):
        (path / "__init__.py").touch()
    (package / "jail.py").write_text(code)
