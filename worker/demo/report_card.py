"""One listing of the report as HTML. Everything that came from outside is escaped: titles are hostile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from worker.demo.report_marks import mark, spans_of
from worker.demo.report_pictures import Album, draw

MAX_RAW_CHARS = 600
_CONSISTENCY = {
    "agree": "pictures and words agree",
    "conflict": "pictures and words disagree",
    "image_only": "seen only in pictures",
    "text_only": "said only in words",
    "unknown": "",
}
_WITHOUT = {"images": "without pictures", "text": "without words", "ocr": "without text in pictures"}
_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Card:
    """What the report knows of one listing. The three event values are None for a dead letter, and the other way."""

    key: str
    note: str
    listing: Mapping[str, Any] = field(default_factory=dict)  # as far as the input could be read
    raw: str | None = None
    attributes: Mapping[str, Any] | None = None
    scenes: Mapping[str, Any] | None = None
    texts: Mapping[str, Any] | None = None
    dead_letter: Mapping[str, str] | None = None  # its headers

    @property
    def tags(self) -> dict[str, Mapping[str, Any]]:
        """Every tag of the listing by name, scene included."""
        tags: dict[str, Mapping[str, Any]] = {}
        if self.attributes is not None:
            tags |= {"category": self.attributes["category"], **self.attributes["attributes"]}
        if self.scenes is not None:
            tags["scene"] = self.scenes["scene"]
        return tags

    @property
    def failed_images(self) -> list[Mapping[str, Any]]:
        """Pictures that could not be had, with their ``error``."""
        return [image for image in (self.scenes or {}).get("images", ()) if image.get("error")]

    @property
    def num_lines(self) -> int:
        """Lines of text read in the pictures."""
        return sum(len(image["lines"]) for image in (self.texts or {}).get("images", ()))

    @property
    def prices(self) -> Sequence[Mapping[str, Any]]:
        """Prices read in the pictures."""
        prices: Sequence[Mapping[str, Any]] = (self.texts or {}).get("prices", ())
        return prices

    @property
    def features(self) -> list[str]:
        """What the report's filter can ask for."""
        found = {
            "tagged": self.attributes is not None,
            "dead": self.dead_letter is not None,
            "conflict": any(tag["consistency"] == "conflict" for tag in self.tags.values()),
            "text": self.num_lines > 0,
            "price": bool(self.prices),
            "failed": bool(self.failed_images),
            "several": len((self.scenes or {}).get("images", ())) > 1,
        }
        return [name for name, is_there in found.items() if is_there]


def render(card: Card, album: Album) -> str:
    """The card's ``article``, with what the page's filter reads in ``data-`` attributes."""
    statuses = " ".join(f"{name}:{tag['status']}" for name, tag in card.tags.items())
    words = f"{card.listing.get('title', '')} {card.key} {card.note}".lower()
    head = f'<article class="card" data-is="{" ".join(card.features)}" data-tags="{escape(statuses)}"'
    body = _dead_letter(card) if card.dead_letter is not None else _results(card, album)
    return f'{head} data-words="{escape(words)}">{_heading(card)}{body}</article>'


def _heading(card: Card) -> str:
    title = card.listing.get("title")
    shown = mark(title, spans_of(card.tags, "title")) if isinstance(title, str) and title else "<i>no title</i>"
    note = f'<p class="note">{escape(card.note)}</p>' if card.note else ""
    return f'<header><p class="key">{escape(card.key)}</p><h2 dir="auto">{shown}</h2>{note}</header>'


def _results(card: Card, album: Album) -> str:
    pictures = "".join(_pictures(card, album))
    figures = f'<div class="pictures">{pictures}</div>' if pictures else ""
    rows = "".join(_tag(name, tag) for name, tag in card.tags.items())
    return f"{figures}{_description(card)}{_prices(card)}{_association(card)}<dl class=tags>{rows}</dl>{_lines(card)}"


def _pictures(card: Card, album: Album) -> Iterator[str]:
    texts = (card.texts or {}).get("images", ())
    for index, image in enumerate((card.scenes or {}).get("images", ())):
        if image.get("error"):
            yield _failed_picture(image["error"])
            continue
        lines = texts[index]["lines"] if index < len(texts) else ()
        inlined = album.find(image["url"])
        label = f"picture {index + 1} of {card.key}, {len(lines)} lines of text"
        drawn = draw(inlined, label, lines, _regions(card, index)) if inlined else '<p class="gone">not kept</p>'
        yield f"<figure>{drawn}<figcaption>{_scene(image)}</figcaption></figure>"


def _scene(image: Mapping[str, Any]) -> str:
    size = f"{image['width']} × {image['height']}"
    values = image["scene"]["values"]
    if not values:
        return size
    name, score = escape(values[0]["label"]), values[0]["score"]
    return f'<span class="pill {escape(image["scene"]["status"])}">{name} {score:.2f}</span> {size}'


def _failed_picture(error: Mapping[str, str]) -> str:
    reason, detail = escape(error["reason"]), escape(error["detail"])
    return f'<figure class="failed"><strong>{reason}</strong><figcaption>{detail}</figcaption></figure>'


def _regions(card: Card, index: int) -> Iterator[Mapping[str, Any]]:
    for name, tag in card.tags.items():
        for evidence in tag["evidence"]:
            if evidence["kind"] == "image" and evidence["image"] == index:
                yield {"polygon": evidence["polygon"], "label": f"evidence for {name.replace('_', ' ')}"}


def _description(card: Card) -> str:
    text = card.listing.get("description")
    if not text:
        return ""
    return f'<p class="description" dir="auto">{mark(text, spans_of(card.tags, "description"))}</p>'


def _prices(card: Card) -> str:
    shown = "".join(_price(price) for price in card.prices)
    return f'<p class="prices"><span class="visually-hidden">Prices read: </span>{shown}</p>' if shown else ""


def _price(price: Mapping[str, Any]) -> str:
    amount = f"{price['amount']} {price['currency'] or '?'}"
    text = escape(f"{amount} / {price['per']}" if price["per"] else amount)
    inferred = ", currency inferred" if price["currency_inferred"] else ""
    details = escape(f"{price['kind']}{inferred}, {price['score']:.2f}")
    element = "s" if price["struck_out"] else "b"
    return f'<span class="price"><{element}>{text}</{element}> <small>{details}</small></span>'


def _association(card: Card) -> str:
    score = (card.attributes or {}).get("association", {}).get("score")
    if score is None:
        return ""
    meter = f'<meter min="0" max="1" low="0.4" high="0.7" optimum="1" value="{score:.3f}"></meter>'
    return f'<p class="association"><span>Pictures and title belong together</span>{meter}<b>{score:.2f}</b></p>'


def _tag(name: str, tag: Mapping[str, Any]) -> str:
    status = escape(tag["status"])
    label = escape(name.replace("_", " "))
    values = "".join(_value(value, index == 0) for index, value in enumerate(tag["values"][:3]))
    pill = f'<span class="pill {status}">{status.replace("_", " ")}</span>'
    body = f"{values}{_consistency(tag)}{_without(tag)}{_evidence(tag)}"
    return f'<div class="tag {status}"><dt>{label}{pill}</dt><dd>{body}</dd></div>'


def _value(value: Mapping[str, Any], is_best: bool) -> str:
    colour = value.get("hex") or ""
    swatch = f'<i class="swatch" style="background:{colour}"></i>' if _HEX.fullmatch(colour) else ""
    share = f" · {value['share']:.0%} of it" if value.get("share") is not None else ""
    bar = f'<i class="bar" style="width:{value["score"] * 100:.0f}%"></i>'
    kind = "value best" if is_best else "value"
    label = f"{escape(value['label'])}<small>{share}</small>"
    return f'<span class="{kind}">{bar}<span>{swatch}{label}</span><b>{value["score"]:.2f}</b></span>'


def _consistency(tag: Mapping[str, Any]) -> str:
    text = _CONSISTENCY.get(tag["consistency"], "")
    return f'<span class="consistency {escape(tag["consistency"])}">{text}</span>' if text else ""


def _without(tag: Mapping[str, Any]) -> str:
    best = tag["values"][0]["value"] if tag["values"] else None
    parts = []
    for side, words in _WITHOUT.items():
        answer = tag["without"][side]
        if answer is not None:
            other = " class=other" if answer["value"] != best else ""
            parts.append(f"<span{other}>{words}: {escape(answer['value'])} {answer['score']:.2f}</span>")
    return f'<span class="without">{"".join(parts)}</span>' if parts else ""


def _evidence(tag: Mapping[str, Any]) -> str:
    lines = [f"picture {e['image'] + 1}, line {e['line'] + 1}" for e in tag["evidence"] if e["kind"] == "ocr"]
    return f'<span class="without"><span>read in {escape("; ".join(lines))}</span></span>' if lines else ""


def _lines(card: Card) -> str:
    if not card.num_lines:
        return ""
    items = "".join(
        f'<li class="{escape(line["role"])}"><span dir="auto">{escape(line["text"])}</span> '
        f"<small>{escape(line['role'])} · picture {index + 1} · {line['score']:.2f}</small></li>"
        for index, image in enumerate((card.texts or {})["images"])
        for line in image["lines"]
    )
    return f"<details><summary>{card.num_lines} lines of text read</summary><ol class=lines>{items}</ol></details>"


def _dead_letter(card: Card) -> str:
    headers = card.dead_letter or {}
    reason, stage = headers.get("hangtag.dlq.reason", "unknown"), headers.get("hangtag.dlq.stage", "?")
    where = " / ".join(headers.get(f"__dlq.errors.{part}", "?") for part in ("topic", "partition", "offset"))
    raw = "no value (a tombstone)" if card.raw is None else card.raw[:MAX_RAW_CHARS]
    return (
        f'<div class="refusal"><p><span class="pill dead">dead letter</span> <strong>{escape(reason)}</strong> '
        f"at {escape(stage)}</p><p>{escape(headers.get('__dlq.errors.message', ''))}</p>"
        f"<p><small>{escape(where)}</small></p><pre>{escape(raw)}</pre></div>"
    )


def card_of(
    key: str, note: str, value: bytes | None, events: Mapping[str, Any], dead: Mapping[str, str] | None
) -> Card:
    """A card from an input value and its outputs. ``events`` are values by ``attributes``, ``scenes``, ``texts``."""
    raw = None if value is None else value.decode("utf-8", "replace")
    try:
        listing = json.loads(raw or "null")
    except ValueError:
        listing = None
    return Card(key, note, listing if isinstance(listing, dict) else {}, raw, dead_letter=dead, **events)
