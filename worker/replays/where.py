"""Pure: which records of a replay are meant, by what they say and by what became of them before (``--where``).

``title~WORDS``: the title contains these words, in whatever case. ``type=VALUE``: the last result says that this is the
product type. ``untagged=REVISION``: no result is of this model revision. Of several conditions all must hold.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.errors import UsageError
from worker.partitions.offset_set import OffsetSet

_FORMS = "title~WORDS, type=VALUE, untagged=REVISION"


@dataclass(frozen=True, slots=True)
class Where:
    """Conditions, all of which must hold; none: every record is meant."""

    titles: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    revisions: tuple[str, ...] = ()

    @property
    def asks_records(self) -> bool:
        """Must the records themselves be read?"""
        return bool(self.titles)

    @property
    def asks_results(self) -> bool:
        """Must the results of before be read?"""
        return bool(self.types or self.revisions)

    def takes_record(self, value: bytes | None) -> bool:
        """Does this record's title hold all that is asked of it? One that cannot be read has none."""
        try:
            found = json.loads(value or b"")
        except (ValueError, RecursionError):
            return False
        title = found.get("title") if isinstance(found, dict) else None
        return isinstance(title, str) and all(words in title.casefold() for words in self.titles)


def parse_where(texts: Iterable[str]) -> Where:
    """Conditions as an operator gives them. Raises FatalError."""
    found: dict[str, list[str]] = {"title~": [], "type=": [], "untagged=": []}
    for text in texts:
        mark = next((mark for mark in found if text.startswith(mark)), "")
        if not mark or not text.removeprefix(mark).strip():
            raise UsageError(f"--where {text!r}: give one of {_FORMS}")
        found[mark].append(text.removeprefix(mark).strip())
    titles, types, revisions = map(tuple, found.values())
    return Where(tuple(one.casefold() for one in titles), types, revisions)


def canonical(texts: Sequence[str] | None) -> str | None:
    """The conditions in one order, a line each, as a plan keeps them; None: not said. Raises FatalError."""
    if not texts:
        return None
    given = sorted({one.strip() for one in texts})
    parse_where(given)
    return "\n".join(given)


class Earlier:
    """What results say of one partition's records so far, told in the order in which they were published."""

    def __init__(self, where: Where, first: int, end: int) -> None:
        self._where = where
        self._of_type = OffsetSet(first, end)
        self._by_revision = {revision: OffsetSet(first, end) for revision in where.revisions}

    def tell(self, offset: int, event: Mapping[str, Any]) -> None:
        """An attributes event about the record at ``offset``."""
        revision = event["model"]["revision"]
        if revision in self._by_revision:
            self._by_revision[revision].add(offset)
        values = event["attributes"]["product_type"]["values"]
        if values and values[0]["value"] in self._where.types:
            self._of_type.add(offset)
        else:
            self._of_type.discard(offset)

    def takes(self, offset: int) -> bool:
        """Is the record at this offset meant, as far as results tell?"""
        is_of_type = not self._where.types or offset in self._of_type
        return is_of_type and not any(offset in found for found in self._by_revision.values())
