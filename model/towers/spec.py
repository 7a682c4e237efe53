"""What an operator writes to choose a tower: ``KIND:[NAME=]SOURCE[,OPTION=VALUE…]``, or one of a few short names.

efficientnet-lite0                                     from its package, as the shipped checkpoint has it
timm:resnet50=./weights                                a timm architecture, weights from a folder
torchvision:resnet50=random                            a torchvision classifier, to be trained from the start
transformers:google/vit-base-patch16-224@<40 hex>      a hub id at a pinned commit
transformers:./e5-small,pooling=mean,prefix=query:
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from model.errors import CheckpointError

IMAGE_KINDS = ("timm", "torchvision", "transformers")
TEXT_KINDS = ("transformers", "lstm")
SHORT_IMAGES = ("efficientnet-lite0", "efficientnet-lite2")
SHORT_TEXTS = ("all-MiniLM-L6-v2",)
RANDOM = "random"
DEFAULT_IMAGE, DEFAULT_TEXT = SHORT_IMAGES[0], SHORT_TEXTS[0]

_Options = Mapping[str, type[int | str | float]]

_IMAGE_OPTIONS = {"side": int, "fit": str, "crop_share": float, "interpolation": str, "pooling": str}
_TEXT_OPTIONS = {"pooling": str, "prefix": str, "max_tokens": int, "dim": int, "epochs": int}
_IDLE = {  # options that a kind would take and not follow
    **dict.fromkeys((*SHORT_IMAGES, "timm", "torchvision"), ("pooling",)),
    "lstm": ("pooling", "prefix"),
    **dict.fromkeys((*SHORT_TEXTS, "transformers"), ("dim", "epochs")),
}
_LIMITS = {"max_tokens": (4, 8192), "dim": (2, 4096), "epochs": (1, 1000)}
_MINILM = {"max_tokens": (4, 512), "pooling": ("mean", "cls")}  # its places; its package holds no pooler
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Source:
    """Where weights lie. ``place``: a folder, ``package:NAME``, ``random``, or a hub id, then with its ``revision``."""

    place: str
    revision: str = ""

    def __str__(self) -> str:
        return f"{self.place}@{self.revision}" if self.revision else self.place


@dataclass(frozen=True, slots=True)
class TowerSpec:
    """A tower chosen. ``name``: the architecture, where the source does not say it; a short name has no source."""

    kind: str
    name: str = ""
    source: Source = Source("")  # frozen
    options: Mapping[str, str | int | float] = field(default_factory=dict)


def parse_image(text: str) -> TowerSpec:
    """An image tower as it was written. Raises CheckpointError."""
    return _parse(text, "image tower", SHORT_IMAGES, IMAGE_KINDS, _IMAGE_OPTIONS)


def parse_text(text: str) -> TowerSpec:
    """A text tower as it was written. Raises CheckpointError."""
    return _parse(text, "text tower", SHORT_TEXTS, TEXT_KINDS, _TEXT_OPTIONS)


def parse_source(text: str) -> Source:
    """A source as it was written. Raises CheckpointError for a hub id without a pinned commit."""
    place, at, revision = text.partition("@")
    if at and not place.startswith((".", "/")):
        if not _HUB_ID.fullmatch(place) or not _COMMIT.fullmatch(revision):
            raise CheckpointError(
                f"{text!r}: a hub id needs a pinned commit, org/name@<40 hex digits>; a branch or tag can be moved"
            )
        return Source(place, revision)
    return Source(text)


def _parse(text: str, what: str, short: tuple[str, ...], kinds: tuple[str, ...], known: _Options) -> TowerSpec:
    head, *rest = text.split(",")
    kind, colon, where = head.partition(":")
    options = _options(rest, what, {name: type_ for name, type_ in known.items() if name not in _IDLE.get(kind, ())})
    _check_limits(options, f"{what} {kind}", _LIMITS | (_MINILM if head == DEFAULT_TEXT else {}))
    if head in short or (head == "lstm" and head in kinds):
        return TowerSpec(head, options=options)
    if kind not in kinds or not colon or not where:
        raise CheckpointError(
            f"{what} {text!r} is none; write {', '.join(short)} or KIND:SOURCE, KIND one of {', '.join(kinds)}"
        )
    name, equals, source = where.partition("=")
    if kind == "transformers" or (kind == "timm" and not equals):
        return TowerSpec(kind, "", parse_source(where), options)
    if not equals or not re.fullmatch(r"[a-z0-9_]+", name) or not source:
        raise CheckpointError(f"{what} {text!r}: write {kind}:ARCHITECTURE=SOURCE, such as {kind}:resnet50=./folder")
    return TowerSpec(kind, name, parse_source(source), options)


def _options(given: list[str], what: str, known: _Options) -> dict[str, str | int | float]:
    options: dict[str, str | int | float] = {}
    for one in given:
        name, _, value = one.partition("=")
        if name not in known:
            raise CheckpointError(f"{what}: option {name!r} is none; the options are {', '.join(known)}")
        if name in options:
            raise CheckpointError(f"{what}: option {name!r} stands there twice; leave one out")
        try:
            options[name] = known[name](value)
        except ValueError as error:
            raise CheckpointError(f"{what}: {name}={value!r} is no {known[name].__name__}") from error
    return options


def _check_limits(options: Mapping[str, Any], what: str, limits: Mapping[str, tuple[Any, ...]]) -> None:
    """Raise CheckpointError for what a tower could be built with and not learn or serve with."""
    for name, value in options.items():
        if name not in limits:
            continue
        if isinstance(value, str):
            if value not in limits[name]:
                raise CheckpointError(f"{what}: {name} is {value!r}; it is one of {', '.join(limits[name])}")
            continue
        least, most = limits[name]
        if not least <= value <= most:
            raise CheckpointError(f"{what}: {name} is {value:,}; it is {least:,} to {most:,}")
        if name == "dim" and value % 2:
            raise CheckpointError(f"{what}: dim is {value}; half of it reads each way, so give an even number")
