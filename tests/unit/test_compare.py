"""What a shadow run says otherwise, tag by tag, and the page that shows it."""

from __future__ import annotations

from typing import Any

from worker.shadow.compare import Change, Comparison, Told, Value, judge, told_of
from worker.shadow.page import to_page

SOURCE = {"topic": "in", "partition": 1, "offset": 7}


def tag(value: str | None, status: str = "accepted") -> dict[str, Any]:
    """One tag as it is on the wire."""
    return {"status": status, "values": [{"value": value, "label": value, "score": 0.97}] if value else []}


def event(**body: Any) -> dict[str, Any]:
    """What all events have, and a body."""
    return {"listing_id": "a", "source": SOURCE, "model": {"name": "m", "revision": "r1"}, **body}


def test_only_accepted_values_count() -> None:
    """A suggestion is not a tag; one that became accepted is gained."""
    told = told_of(event(category=tag("Shoes"), attributes={"color": tag("red", "suggested"), "size": tag(None)}))
    assert told is not None
    at, attributes = told
    assert at == ("in", 1, 7)
    assert {name: one.text for name, one in attributes.values.items()} == {
        "category": "Shoes",
        "color": None,
        "size": None,
    }


def test_every_kind_of_event_has_something_to_compare() -> None:
    """Scenes by their scene, texts by prices whatever their order; an event without a source by nothing."""
    scene = told_of(event(scene=tag("studio"), images=[]))
    prices = [{"amount": "5.00", "currency": None}, {"amount": "10.00", "currency": "EUR"}]
    texts = told_of(event(prices=prices, title="SALE", images=[]))
    assert scene is not None and texts is not None
    assert scene[1].values["scene"].text == "studio"
    assert [one.text for one in texts[1].values.values()] == ["10.00 EUR, 5.00 ?", "SALE"]
    assert told_of({**event(scene=tag("studio")), "source": None}) is None


def test_changes_have_names() -> None:
    """Five cases, no sixth."""
    red, blue, none = Value("red", 0.9), Value("blue", 0.8), Value(None)
    pairs = ((red, red), (red, blue), (none, blue), (red, none), (none, none))
    assert [judge(*pair) for pair in pairs] == list(Change)


def test_page_shows_counts_and_a_few_examples_and_trusts_no_text() -> None:
    """Titles and ids come from sellers."""
    found = Comparison(num_examples=2)
    for number in range(5):
        live = Told(f"<b>{number}", "r1", {"color": Value("red", 0.9)})
        found.add(live, Told(live.listing_id, "r2", {"color": Value("<script>", 0.8)}))
    assert list(found.rows()) == [{"tag": "color", "same": 0, "changed": 5, "gained": 0, "lost": 0, "neither": 0}]
    page = to_page(found, "try.")
    assert "&lt;script&gt;" in page and "<script>" not in page
    assert page.count("&lt;b&gt;") == 2
    assert "live r1; shadow r2" in page
