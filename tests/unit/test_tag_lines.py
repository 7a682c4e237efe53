"""``hangtag tag``: the line out for a line in."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program import hangtag
from tests.unit.enrich_samples import INFO
from worker.errors import RejectedError
from worker.item import Record
from worker.outcome import Outcome
from worker.parse import parse
from worker.tag_lines import to_line


@pytest.mark.parametrize(
    ("line", "listing_id"),
    [
        (b'{"listing_id": "L1", "title": 7}', "L1"),
        (b'\xef\xbb\xbf{"listing_id": "L1", "title": NaN}', "L1"),
        (b'{"listing_id": "\\ud83d", "title": 7}', None),
        (b'{"listing_id": "L1", "title": "\\ud83d"}', "L1"),
        (b'{"listing_id": 7}', None),
        (b"[" * 100_000, None),
        (b"", None),
    ],
)
def test_a_line_that_breaks_the_schema_is_answered_by_its_id(line: bytes, listing_id: str | None) -> None:
    """If it has one; and whatever stands in the line, the answer can be written, so that the next lines have theirs."""
    record = Record(None, line, (), None)
    with pytest.raises(RejectedError) as caught:
        parse(record)
    answer, is_tagged = to_line(Outcome(record, None, error=caught.value), INFO)
    assert (answer["listing_id"], is_tagged) == (listing_id, False)
    assert json.dumps(answer, ensure_ascii=False).encode()


def test_the_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    """It would be empty before its first line is read; by whichever of its names it is given."""
    listings, other_name = tmp_path / "listings.jsonl", tmp_path / "other name"
    listings.write_text('{"listing_id": "a", "title": "oak table"}\n')
    other_name.symlink_to(listings)
    done = hangtag("tag", str(listings), "-o", str(other_name))
    assert done.returncode == 1 and "is the file that is read" in done.stderr
    assert listings.read_text()
