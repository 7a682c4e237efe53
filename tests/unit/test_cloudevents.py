"""Others read our headers as CloudEvents: the standard's own SDK does here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat

from schemas.cloudevents import CloudEvent

EVENT = CloudEvent("an-id", "/hangtag/listings.created/3", "listing.texts.v1", datetime(2026, 1, 31, 12, tzinfo=UTC))
HEADERS = {name: value for name, value in EVENT.to_headers() if value is not None}


def test_the_sdk_reads_our_headers() -> None:
    """Every attribute arrives as it was meant, and the value as JSON."""
    found = from_binary(KafkaMessage(HEADERS, b"listing", b'{"listing_id": "a"}'), JSONFormat())
    assert (found.get_id(), found.get_source(), found.get_type()) == (EVENT.id, EVENT.source, EVENT.type)
    assert found.get_time() == EVENT.time
    assert found.get_datacontenttype() == "application/json"
    assert found.get_data() == {"listing_id": "a"}


@pytest.mark.parametrize("missing", ["ce_source", "ce_type"])
def test_the_sdk_would_notice(missing: str) -> None:
    """Without source or type it refuses (an id it would make up): the test above can fail."""
    headers = {name: value for name, value in HEADERS.items() if name != missing}
    with pytest.raises(CloudEventValidationError):
        from_binary(KafkaMessage(headers, b"listing", b"{}"), JSONFormat())
