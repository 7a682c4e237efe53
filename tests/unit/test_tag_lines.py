"""``hangtag tag``: the line out for a line in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import cast

import pytest

from schemas.deadletter import Reason, Stage
from schemas.listing import ListingCreated
from tests.polling import until
from tests.program import hangtag
from tests.unit.enrich_samples import INFO
from tests.unit.test_pipeline import Decodes, pictures_alive
from worker.errors import RejectedError
from worker.item import FetchedImage, Flight, Item, Record
from worker.outcome import Outcome
from worker.parse import parse
from worker.pipeline import Tagger
from worker.tag_lines import tag_in_order, to_line


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


class Rejects:
    """A tagger that decodes a picture for each listing and rejects it, but for the first, which it never ends."""

    def __init__(self) -> None:
        self.num_ended = 0

    async def tag(self, flight: Flight) -> Outcome:
        """See `Tagger`."""
        if flight.record.value == b"first":
            await asyncio.get_running_loop().create_future()
        self.num_ended += 1
        picture = await Decodes().decode(FetchedImage("http://shop.example/a.jpg", b"x", "0" * 64))
        item = Item(flight.record, ListingCreated(listing_id="a"), (picture,))
        return Outcome(flight.record, "a", item, error=RejectedError(Reason.MODEL_FAILED, Stage.INFER, "no"))


async def test_answers_that_wait_for_an_earlier_line_hold_no_pictures() -> None:
    """A host may keep the first line waiting for minutes, with hundreds behind it."""
    before, tagger = pictures_alive(), Rejects()
    answers = tag_in_order(cast(Tagger, tagger), INFO, [b"first", *[b"later"] * 5], 10, [])
    asking = asyncio.ensure_future(anext(answers))

    async def all_but_one_ended() -> bool:
        return tagger.num_ended == 5

    await until(all_but_one_ended)
    held = pictures_alive() - before
    asking.cancel()
    await asyncio.wait([asking])
    assert held == 0


def test_the_file_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    """It would be empty before its first line is read; by whichever of its names it is given."""
    listings, other_name = tmp_path / "listings.jsonl", tmp_path / "other name"
    listings.write_text('{"listing_id": "a", "title": "oak table"}\n')
    other_name.symlink_to(listings)
    done = hangtag("tag", str(listings), "-o", str(other_name))
    assert done.returncode == 1 and "is the file that is read" in done.stderr
    assert listings.read_text()
