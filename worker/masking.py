"""Secrets are shown as asterisks, by the name they go under and by what they look like."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "***"

_SECRET_NAME = re.compile(r"password|secret|key|token|jaas", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(\w://[^\s/:@?]*):(?!\d+(?:[/?]|$))\S*@")  # a port is not a password
_QUERY_PASSWORD = re.compile(r"([?&]\w*(?:password|secret|token)\w*=)[^&\s]+", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Does what goes under this name have to be masked?"""
    return _SECRET_NAME.search(name) is not None


def masked(name: str, value: object) -> object:
    """``value`` as it may be shown; what is in mappings and sequences goes by its own names."""
    if isinstance(value, Mapping):
        return {key: masked(str(key), inner) for key, inner in value.items()}
    if is_secret(name):
        return MASK if value else value
    if isinstance(value, str):
        return masked_text(value)
    if isinstance(value, (list, tuple)):
        return type(value)(masked(name, inner) for inner in value)
    return value


def masked_text(text: str) -> str:
    """Text without the passwords of URLs in it."""
    return _QUERY_PASSWORD.sub(rf"\1{MASK}", _URL_PASSWORD.sub(rf"\1:{MASK}@", text))
