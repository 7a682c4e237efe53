"""The report is one file that needs nothing else, shows what was found, and stays safe with hostile titles."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Event
from schemas.enriched import AttributesTagged, SceneTagged, TextRead
from tests.unit.demo_events import TOPICS, dead_letter, results, tag
from worker.demo.endings import OutputEvent
from worker.demo.report import MAX_CARDS, Figure, write_report
from worker.demo.report_marks import mark, spans_of
from worker.demo.report_pictures import Album
from worker.demo.samples import Sample, load_pictures

URLS = ["http://h/pictures/1.jpg", "http://h/pictures/2.jpg"]
HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(2)> & "q"'


def sample(listing: dict[str, Any]) -> Sample:
    return Sample(listing["listing_id"].encode(), json.dumps(listing).encode(), (), "results", "a note")


def listing(title: str = "red opener", urls: list[str] = URLS[:1], listing_id: str = "a") -> dict[str, Any]:
    return {"listing_id": listing_id, "title": title, "image_urls": urls}


def page(tmp_path: Path, samples: list[Sample], events: list[OutputEvent], **more: Any) -> str:
    path = tmp_path / "report.html"
    body = next(iter(load_pictures().values()))
    write_report(path, samples, events, dict.fromkeys(URLS, body), TOPICS, **more)
    return path.read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element with its attributes, and every link to something outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def test_made_up_events_are_valid() -> None:
    """What these tests feed is what the published schemas allow."""
    schemas: tuple[type[Event], ...] = (AttributesTagged, SceneTagged, TextRead)
    for event, schema in zip(results(listing()), schemas, strict=True):
        schema.from_object(event.value)


def test_nothing_is_loaded_from_outside(tmp_path: Path) -> None:
    """No element refers to anything but the page itself and inlined pictures."""
    elements = Elements(page(tmp_path, [sample(listing())], results(listing())))
    links = [value for _, attrs in elements.found for name, value in attrs.items() if name in {"src", "href"}]
    assert links
    assert all((link or "").startswith(("#", "data:image/jpeg;base64,")) for link in links)
    assert not elements.of("link")


def test_hostile_titles_stay_text(tmp_path: Path) -> None:
    """Markup in a title, an id, an OCR line or a dead letter appears as text only."""
    hostile = listing(HOSTILE, listing_id='"><script>1</script>')
    letter = dead_letter("b", HOSTILE, HOSTILE)
    broken = Sample(b"b", HOSTILE.encode(), (), "not_json", "")
    elements = Elements(page(tmp_path, [sample(hostile), broken], [*results(hostile), letter]))
    assert len(elements.of("script")) == 1
    assert not elements.of("img")
    assert not [attrs for _, attrs in elements.found if any(name.startswith("on") for name in attrs)]


def test_only_its_own_script_may_run(tmp_path: Path) -> None:
    """The page's policy names the digest of its one script and forbids loading."""
    text = page(tmp_path, [sample(listing())], results(listing()))
    assert "default-src 'none'" in text
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'", text)


def test_a_title_that_names_a_placeholder_is_not_filled_in(tmp_path: Path) -> None:
    """Template placeholders in a title are left alone."""
    odd = listing("%%SCRIPT%% lamp")
    assert "%%SCRIPT%%" in re.sub(r"</?mark[^>]*>", "", page(tmp_path, [sample(odd)], results(odd)))


def test_boxes_stand_where_text_was_read(tmp_path: Path) -> None:
    """Each line of text has a polygon with its role and its text, in the picture's own coordinates."""
    text = page(tmp_path, [sample(listing())], results(listing()))
    polygons = Elements(text).of("polygon")
    assert [polygon["class"] for polygon in polygons] == ["box text title", "box text price"]
    corners = [float(n) for pair in (polygons[0]["points"] or "").split() for n in pair.split(",")]
    assert corners[:2] == pytest.approx([25.6, 25.6], abs=0.1)
    assert "红色 &lt;b&gt;电动&lt;/b&gt;" in text


def test_a_picture_used_twice_is_inlined_once(tmp_path: Path) -> None:
    """Two listings with the same picture share its bytes."""
    pair = [listing(listing_id="a"), listing(listing_id="b")]
    events = [event for number, one in enumerate(pair) for event in results(one, number)]
    elements = Elements(page(tmp_path, [sample(one) for one in pair], events))
    assert len(elements.of("image")) == 1
    assert len(elements.of("use")) == 2


def test_a_picture_that_does_not_open_is_left_out() -> None:
    """Bytes that are no picture give no element instead of failing the page."""
    assert Album({"u": b"<!doctype html>"}).find("u") is None


def test_failed_pictures_and_dead_letters_say_why(tmp_path: Path) -> None:
    """A failed picture shows reason and detail; a dead letter shows reason, stage, message and the input."""
    one = listing(urls=URLS)
    broken = Sample(b"broken-json", b'{"listing_id": "cut', (), "not_json", "JSON that is cut off")
    letter = dead_letter("broken-json", "not_json", "column 20: unterminated string")
    text = page(tmp_path, [sample(one), broken], [*results(one, failed=(URLS[1],)), letter])
    assert "the host answered 404 for picture 2; expected 200" in text
    assert "column 20: unterminated string" in text
    assert "{&quot;listing_id&quot;: &quot;cut" in text


def test_tags_show_status_score_and_what_they_would_have_been(tmp_path: Path) -> None:
    """Status in words, scores, consistency and the answers without a modality are on the card."""
    text = page(tmp_path, [sample(listing())], results(listing()))
    for words in ("accepted", "suggested", "0.88", "pictures and words disagree", "without words: blue 0.71"):
        assert words in text
    assert "background:#b3202c" in text


def test_the_filter_finds_each_kind(tmp_path: Path) -> None:
    """Cards carry what the filter asks for."""
    one = listing(urls=URLS)
    text = page(tmp_path, [sample(one)], results(one, failed=(URLS[1],)))
    card = next(attrs for attrs in Elements(text).of("article"))
    assert (card["data-is"] or "").split() == ["tagged", "conflict", "text", "price", "failed", "several"]
    assert "color:accepted" in (card["data-tags"] or "").split()


def test_a_very_long_run_is_cut_and_says_so(tmp_path: Path) -> None:
    """Past the limit the page names how many listings it leaves out."""
    many = [sample(listing(urls=[], listing_id=str(n))) for n in range(MAX_CARDS + 3)]
    text = page(tmp_path, many, [], figures=(Figure("cache hits", "7"),))
    assert "3 more listings" in text
    assert len(Elements(text).of("article")) == MAX_CARDS
    assert "cache hits" in text


def test_spans_count_code_points() -> None:
    """A span after an emoji or Chinese text marks the right characters."""
    marked = mark("👗 红色 dress", [(2, 4, "color")])
    assert marked == '👗 <mark title="evidence for color">红色</mark> dress'


def test_overlapping_spans_name_all_their_tags() -> None:
    """Where spans overlap, the stretch names each of them; nothing is lost or doubled."""
    marked = mark("abcdef", [(0, 4, "size"), (2, 6, "product_type")])
    assert re.sub(r"<[^>]+>", "", marked) == "abcdef"
    assert '<mark title="evidence for product type, size">cd</mark>' in marked


@pytest.mark.parametrize("span", [(0, 99, "size"), (-5, 2, "size"), (4, 2, "size"), (9, 12, "size")])
def test_spans_outside_the_text_do_no_harm(span: tuple[int, int, str]) -> None:
    """A span that does not fit the text is cut to it."""
    assert re.sub(r"<[^>]+>", "", mark("a & b", [span])) == "a &amp; b"


def test_spans_come_from_every_tag_of_the_kind() -> None:
    """Evidence is gathered by kind, with the tag it speaks for."""
    tags = {"size": tag(("M", 0.9), evidence=({"kind": "title", "start": 1, "end": 2}, {"kind": "ocr", "image": 0}))}
    assert spans_of(tags, "title") == [(1, 2, "size")]
    assert spans_of(tags, "description") == []
