"""Listings from files, for history that has left Kafka: JSON lines or Parquet, here or behind a URL such as s3://…

Files come in the order of their names, listings in the order in which they lie there: so "the first n" means the same
whenever it is asked. Parquet needs pyarrow, and URLs need fsspec with its driver: the optional extra ``bulk``.
"""

from __future__ import annotations

import gzip
import importlib
import json
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, cast

from schemas.deadletter import rfc3339
from worker.errors import FatalError

_LINES = (".jsonl", ".ndjson", ".json")
_PARQUET = ".parquet"
_KINDS = (*_LINES, *(f"{one}.gz" for one in _LINES), _PARQUET)
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class BulkFile:
    """One file: where it lies, and its size in bytes."""

    path: str
    num_bytes: int


@dataclass(frozen=True, slots=True)
class BulkInput:
    """All files of an input. ``drive``: what opens them; None: this machine's own files."""

    files: tuple[BulkFile, ...]
    drive: Any = None

    @property
    def digest(self) -> str:
        """Of names and sizes: tells whether this is still the input that a load began with."""
        told = "\n".join(f"{one.path} {one.num_bytes}" for one in self.files)
        return sha256(told.encode()).hexdigest()[:16]

    def listings(self) -> Iterator[bytes]:
        """One ``ListingCreated`` value each, unchecked: what is wrong with it the worker says. Raises FatalError."""
        for one in self.files:
            try:
                with ExitStack() as held:
                    stream = held.enter_context(self._open(one.path))
                    yield from _rows(stream) if one.path.endswith(_PARQUET) else _lines(held, stream, one.path)
            except (OSError, EOFError, ValueError, zlib.error) as error:
                raise FatalError(f"{one.path} cannot be read: {error}") from error

    def _open(self, path: str) -> BinaryIO:
        return cast(BinaryIO, Path(path).open("rb") if self.drive is None else self.drive.open(path, "rb"))


def open_input(place: str) -> BulkInput:
    """A file, a folder with all that lies below it, or a URL of either. Raises FatalError when nothing is there."""
    drive, files = _remote(place) if "://" in place else (None, _local(Path(place)))
    known = tuple(sorted((one for one in files if _is_meant(one.path)), key=lambda one: one.path))
    if not known:
        raise FatalError(f"--input {place}: no file there ends in {', '.join(_KINDS)}")
    if any(one.path.endswith(_PARQUET) for one in known):
        _need("pyarrow.parquet", "Parquet files")
    return BulkInput(known, drive)


def key_of(value: bytes) -> tuple[bytes | None, int | None]:
    """What a record of this listing gets: its key, and its time in ms if it says when it was created."""
    try:
        found = json.loads(value)
        listing_id, created_at = found.get("listing_id"), found.get("created_at")
        key = listing_id.encode() if isinstance(listing_id, str) else None
    except (ValueError, RecursionError, AttributeError):  # half a surrogate pair is a ValueError, too
        return None, None
    return key, _millis(created_at)


def _millis(created_at: object) -> int | None:
    """A time that lies in the past; a broker may refuse others."""
    try:
        moment = datetime.fromisoformat(created_at) if isinstance(created_at, str) else None
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not datetime(1970, 1, 1, tzinfo=UTC) <= moment <= datetime.now(UTC):
        return None
    return int(moment.timestamp() * 1000)


def _local(path: Path) -> list[BulkFile]:
    if not path.exists():
        raise FatalError(f"--input {path}: there is no such file or folder")
    found = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return [BulkFile(str(one), one.stat().st_size) for one in found]


def _remote(place: str) -> tuple[Any, list[BulkFile]]:
    fsspec = _need("fsspec", "URLs")
    try:
        drive, path = fsspec.core.url_to_fs(place)
        sizes = {path: drive.info(path)} if drive.isfile(path) else drive.find(path, detail=True)
    except (ImportError, ValueError) as error:
        scheme = place.split("://", 1)[0]
        raise FatalError(f"--input: {scheme}:// cannot be read: {error}; pip install 'hangtag[bulk]'") from error
    except Exception as error:  # of whatever kind the driver has
        raise FatalError(f"--input: {place.split('?', 1)[0]} cannot be listed: {type(error).__name__}") from error
    return drive, [BulkFile(name, int(about.get("size") or 0)) for name, about in sizes.items()]


def _is_meant(path: str) -> bool:
    """Not what jobs leave beside their results (_SUCCESS, .crc)."""
    name = path.rsplit("/", 1)[-1]
    return name.endswith(_KINDS) and not name.startswith((".", "_"))


def _need(module: str, what: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise FatalError(f"{what} need {package}, which is not installed: pip install 'hangtag[bulk]'") from error


def _lines(held: ExitStack, stream: BinaryIO, path: str) -> Iterator[bytes]:
    if path.endswith(".gz"):
        stream = cast(BinaryIO, held.enter_context(gzip.GzipFile(fileobj=stream)))
    for line in stream:
        if text := line.strip():
            yield text


def _rows(stream: BinaryIO) -> Iterator[bytes]:
    """Each row as JSON; columns that are null are left out, as fields of a listing are."""
    parquet = _need("pyarrow.parquet", "Parquet files")
    for batch in parquet.ParquetFile(stream).iter_batches(batch_size=_ROWS_AT_ONCE):
        for row in batch.to_pylist(maps_as_pydicts="strict"):
            told = {name: value for name, value in row.items() if value is not None}
            yield json.dumps(told, default=_plain, ensure_ascii=False).encode()


def _plain(value: object) -> str:
    """Times as events have them, decimals as text."""
    if isinstance(value, datetime):
        return rfc3339(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return rfc3339(datetime(value.year, value.month, value.day, tzinfo=UTC))
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)
