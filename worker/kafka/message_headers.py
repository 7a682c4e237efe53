"""The headers of a record as the client gives them; None where it cannot.

The client decodes a header's name as UTF-8, and with a name that is not it breaks CPython's rules: it leaves an
exception pending beside a result, a list with a hole in it. Called from a warm line of Python that result comes through
unchecked, and unpacking the hole ends the process. So the call is made from C, where results are checked, and only once
a record: the list with the hole is kept and given to whoever asks again.
"""

from __future__ import annotations

from operator import methodcaller
from typing import Any

from confluent_kafka import Message

from worker.item import Headers

_ask: Any = methodcaller("headers")


def read_headers(message: Message) -> Headers | None:
    """Name and value of each header; none is ``()``. None: a name is not UTF-8. Ask once for each message."""
    try:
        pairs = _ask(message)
    except (UnicodeError, SystemError):
        return None
    return tuple((name, value) for name, value in pairs or ())
