"""Record to listing, and whether a listing can be tagged at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.base import SchemaError
from schemas.deadletter import Reason, Stage
from schemas.listing import ListingCreated, parse_listing
from worker.errors import RejectedError
from worker.item import DecodedImage, FailedImage, ImageOutcome, Record
from worker.normalise import normalise_title


def parse(record: Record) -> ListingCreated:
    """The listing in a record. Raises RejectedError, stage ``parse``."""
    if record.has_unreadable_headers:  # among them may be the one that says which version this is
        raise RejectedError(Reason.SCHEMA_VIOLATION, Stage.PARSE, "a header's name is not UTF-8")
    try:
        return parse_listing(record.value, record.headers)
    except SchemaError as error:
        raise RejectedError(error.reason, Stage.PARSE, error.detail) from error


def check_usable(listing: ListingCreated, images: Sequence[ImageOutcome]) -> None:
    """Raise RejectedError for a listing without a title whose every picture failed: there is nothing to tag it from."""
    if normalise_title(listing.title) or any(isinstance(image, DecodedImage) for image in images):
        return
    for image in images:
        if isinstance(image, FailedImage):
            detail = f"no title, and all {len(images)} pictures failed; the first: {image.detail}"
            raise RejectedError(image.reason, image.stage, detail)
    raise RejectedError(
        Reason.NO_USABLE_INPUT, Stage.PARSE, "the title holds no visible character and there is no picture"
    )
