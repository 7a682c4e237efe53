"""A digest that makes a cached value check itself: over its key and its bytes, and over a secret where there is one.

The key is part of it, so a value copied under another key does not verify. Without a secret it proves against damage;
with one, also against a writer who does not know it.
"""

from __future__ import annotations

import hashlib
import hmac

SEAL_BYTES = 16


class Seal:
    """Makes and checks seals. ``person`` (16 bytes at most) keeps the kinds of values apart."""

    def __init__(self, person: bytes, secret: bytes = b"") -> None:
        self._person = person
        self._mac_key = hashlib.blake2b(secret, digest_size=64).digest() if secret else b""

    def of(self, key: str, body: bytes) -> bytes:
        """The seal of ``body`` under ``key``."""
        encoded = key.encode()
        sealed = hashlib.blake2b(digest_size=SEAL_BYTES, key=self._mac_key, person=self._person)
        sealed.update(len(encoded).to_bytes(4, "little") + encoded)
        sealed.update(body)
        return sealed.digest()

    def opened(self, key: str, value: bytes) -> bytes | None:
        """The body of a sealed value, None unless it verifies."""
        body, seal = value[:-SEAL_BYTES], value[-SEAL_BYTES:]
        return body if hmac.compare_digest(seal, self.of(key, body)) else None
