"""Pure: settings as they may be shown. One place says which names are secret, and how much of a URL is seen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from pydantic import SecretStr

MASK = "********"
PROPERTY_KEYS = ("kafka.client", "kafka.consumer", "kafka.producer")

_SECRET = re.compile(r"passw|secret|key|token|jaas|oauthbearer\.config|credential|authorization", re.IGNORECASE)
_ASSIGNED = re.compile(r"(passw\w*|secret|token|key|jaas)\s*[=:]", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?|[0-9a-f:.]+", re.IGNORECASE)
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_DATABASE = re.compile(r"(/[0-9]*)?")


def is_secret(name: str) -> bool:
    """May the value of a setting or librdkafka property of this name not be shown?"""
    return _SECRET.search(name) is not None


def mask(key: str, value: Any) -> Any:
    """``value`` of the setting ``key`` as it may be shown, also where it is none that the setting takes."""
    if isinstance(value, SecretStr):
        return shown_url(value.get_secret_value()) if value.get_secret_value() else ""
    if value and is_secret(key):
        return MASK
    if key in PROPERTY_KEYS:
        return _mask_properties(value)
    if isinstance(value, Mapping):
        return {name: mask(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(key, inner) for inner in value]
    if isinstance(value, str):
        return shown_url(value) if "://" in value and re.search("[@?#]", value) else value
    return value if isinstance(value, int | float | bool | None) else str(value)


def split_url(url: str) -> SplitResult:
    """A URL whose parts are beyond doubt. Raises ValueError, which quotes nothing of it.

    A password with ``#``, ``/`` or ``?`` ends the host early: what follows looks like a path, query or fragment.
    """
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("its host or port cannot be read") from None
    if _BLANK.search(url) or "#" in url or "@" in parts.path + parts.query:
        raise ValueError("where its host begins cannot be told")
    is_file = parts.scheme == "unix"
    if not (parts.path.startswith("/") if is_file else _HOST.fullmatch(host)):
        raise ValueError("it names no file" if is_file else "it names no host")
    return parts


def split_redis_url(url: str) -> SplitResult:
    """The same for Redis, whose path is the database's number. Raises ValueError, which quotes nothing of it."""
    parts = split_url(url)
    if parts.scheme != "unix" and not _DATABASE.fullmatch(parts.path):
        raise ValueError("what follows its host is no number of a database")
    return parts


def shown_url(url: str) -> str:
    """Scheme, host, port and path; of user info and query only that they are there. In doubt all is masked."""
    try:
        parts = split_redis_url(url) if url.startswith("redis") else split_url(url)
    except ValueError:
        return MASK
    login, _, place = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{MASK + '@' if login else ''}{place}{parts.path}{'?' + MASK if parts.query else ''}"


def passwords_of(url: str) -> tuple[str, ...]:
    """The passwords in a URL, each as written and without percent signs."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    asked = parse_qs(parts.query.replace("%", "%25").replace("+", "%2B"))  # parsed, but left as written
    written = (parts.password, *(one for name, values in asked.items() if is_secret(name) for one in values))
    return tuple(spelt for one in written if one for spelt in (one, unquote(one)))


def _mask_properties(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return MASK if value else value
    return {str(name): _mask_property(str(name), inner) for name, inner in value.items()}


def _mask_property(name: str, value: Any) -> Any:
    if is_secret(name) or not isinstance(value, str | int | float | bool):
        return MASK
    return MASK if isinstance(value, str) and _ASSIGNED.search(value) else mask(name, value)
