"""Pure: text as it may be logged. No credentials, no paths or queries of URLs, no settings that are secret.

Three nets, because each has holes. Secrets that the settings hold are masked wherever they turn up, in any spelling
that a library may give them. URLs shrink to scheme, host and a hash that tells two of them apart. Words that follow
``password=`` and its like are masked even if nobody told us of them. What listings say is not looked for here: no line
holds it in the first place, and what a foreign exception quotes is cut by ``describe``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from traceback import walk_tb
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

MASK = "********"
MIN_SECRET_CHARS = 4  # masking every "a" would hide the log and not the secret
MAX_CHARS = 4_000
_MAX_ITEMS = 100
_MAX_DEPTH = 6
_MAX_FRAMES = 20
_MAX_CAUSES = 8

_SECRET_NAME = re.compile(r"password|passwd|secret|token|jaas|digest_key|api_?key|authorization", re.IGNORECASE)
_URL = re.compile(r"[a-z][a-z0-9+.-]{1,20}:(?:\\*/){2}[^\s\"'<>|{}`]+", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"((?:password|passwd|secret|token|api[_-]?key|authorization)[\"']?\s*[=:]\s*[\"']?)"
    r"((?:bearer |basic )?[^\s\"',;&)}\]]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”|`[^`]*`")
_HELD_ERROR = re.compile(r"exception=([A-Za-z_.]+)\(.*", re.DOTALL)  # as asyncio shows a task
_ERROR_REPR = re.compile(r"(?P<name>[A-Za-z_]\w*)\((?:(?P<quote>['\"])(?P<message>.*)(?P=quote))\)", re.DOTALL)
_OURS = ("worker", "model", "schemas")


class Redactor:
    """Knows what must not be seen. Immutable; any thread may use it."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spellings = {spelt for secret in secrets if len(secret) >= MIN_SECRET_CHARS for spelt in _spellings(secret)}
        longest_first = sorted(spellings, key=lambda spelt: (-len(spelt), spelt))
        self._secrets = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """``text`` without secrets, at most ``MAX_CHARS`` characters of it."""
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        text = _URL.sub(lambda found: shorten_url(found.group()), text)
        text = _ASSIGNED.sub(rf"\1{MASK}", _BEARER.sub(rf"\1 {MASK}", text))
        return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}… ({len(text):,} characters)"

    def value(self, value: Any, depth: int = 0) -> Any:
        """``value`` as plain JSON without secrets. Never raises, whatever it is given."""
        if value is None or isinstance(value, bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)  # NaN is no JSON
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, bytes | bytearray | memoryview):
            return f"({len(value):,} bytes)"
        if isinstance(value, BaseException):
            return self.text(describe(value))
        if depth == _MAX_DEPTH:
            return "…"
        if isinstance(value, Mapping):
            return self.fields(value, depth + 1)
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(one, depth + 1) for one in list(value)[:_MAX_ITEMS]]
        return self.text(_shown(value))

    def fields(self, fields: Mapping[Any, Any], depth: int = 0) -> dict[str, Any]:
        """A table without secrets; a key that names a secret hides whatever stands under it."""
        few = list(fields.items())[:_MAX_ITEMS]
        return {self.text(_shown(key)): self._under(_shown(key), value, depth) for key, value in few}

    def _under(self, key: str, value: Any, depth: int) -> Any:
        if value and _SECRET_NAME.search(key):
            return MASK
        return self.text(_from_repr(value)) if key == "error" and isinstance(value, str) else self.value(value, depth)

    def error(self, error: BaseException) -> list[dict[str, Any]]:
        """An exception and what led to it, last first: type, message, places. No source lines and no variables."""
        told: list[dict[str, Any]] = []
        cause: BaseException | None = error
        while cause is not None and len(told) < _MAX_CAUSES:
            told.append({"error": self.text(describe(cause)), "at": _places(cause)})
            if isinstance(cause, BaseExceptionGroup):
                told[-1]["of"] = [self.text(describe(one)) for one in cause.exceptions[:_MAX_CAUSES]]
            cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        return told


def shorten_url(url: str) -> str:
    """``https://host/#1a2b3c4d`` for a URL with a path, a query or credentials; without any of them, the URL itself."""
    plain = url.replace("\\", "")
    try:
        parts = urlsplit(plain)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return f"(malformed URL)#{_hash(plain)}"
    bare = f"{parts.scheme}://{host}"
    return bare if plain.rstrip("/") == bare else f"{bare}/#{_hash(plain)}"


def describe(error: BaseException) -> str:
    """Type and message. What a foreign message quotes is left out: libraries like to quote what they choked on."""
    name, message = type(error).__name__, _shown(error)
    return f"{name}: {message}" if type(error).__module__.split(".")[0] in _OURS else _guarded(name, message)


def _guarded(name: str, message: str) -> str:
    if name == "KeyError" or name.startswith("Unicode"):
        return f"{name} (its message would quote data)"
    return f"{name}: {_QUOTED.sub('(quoted)', message)}"


def _from_repr(text: str) -> str:
    """``repr(error)`` told as ``describe`` would; any other text as it is."""
    found = _ERROR_REPR.fullmatch(text)
    return _guarded(found["name"], found["message"]) if found else text


def without_held_error(text: str) -> str:
    """asyncio's words on a failed task, without the exception's message, which ``describe`` tells with more care."""
    return _HELD_ERROR.sub(r"exception=\1(…)>", text)


def _spellings(secret: str) -> set[str]:
    """As it stands, and as URLs, JSON, ``repr`` and basic authentication write it."""
    return {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        base64.b64encode(secret.encode(errors="surrogatepass")).decode().rstrip("="),
    }


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=4).hexdigest()


def _places(error: BaseException) -> list[str]:
    """``file:line function`` of each frame, innermost last."""
    frames = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)]
    return [
        f"{'/'.join(PurePath(code.co_filename).parts[-2:])}:{line} {code.co_name}"
        for code, line in frames[-_MAX_FRAMES:]
    ]


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # a broken __str__ must not break the log
        return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"
