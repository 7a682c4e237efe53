"""Sends a record with a header whose name is not UTF-8: with librdkafka itself, for Python's client writes text."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka

_CONF_OK, _DELIVERED = 0, 0
_END, _TOPIC, _PARTITION, _VALUE, _KEY, _MSGFLAGS, _HEADERS = 0, 1, 3, 4, 5, 7, 10  # rd_kafka_vtype_t
_COPY, _PRODUCER = 2, 0


def send_with_bad_name(servers: str, topic: str, key: bytes, value: bytes, name: bytes = b"\xff\xfebad") -> None:
    """One record on partition 0; returns when the broker has it."""
    found = Path(confluent_kafka.__file__).parent.parent / "confluent_kafka.libs"
    library = ctypes.CDLL(str(next(found.glob("librdkafka-*"))))
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for maker in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_headers_new"):
        getattr(library, maker).restype = pointer
    error = ctypes.create_string_buffer(512)
    conf = pointer(library.rd_kafka_conf_new())
    address = (text(b"bootstrap.servers"), text(servers.encode()), error, size(512))
    assert library.rd_kafka_conf_set(conf, *address) == _CONF_OK, error.value
    client = pointer(library.rd_kafka_new(ctypes.c_int(_PRODUCER), conf, error, size(512)))
    assert client, error.value
    headers = pointer(library.rd_kafka_headers_new(size(1)))
    ssize = ctypes.c_ssize_t
    library.rd_kafka_header_add(headers, text(name), ssize(len(name)), text(b"v"), ssize(1))
    given = (
        ctypes.c_int(_TOPIC), text(topic.encode()), ctypes.c_int(_PARTITION), ctypes.c_int32(0),
        ctypes.c_int(_VALUE), text(value), size(len(value)), ctypes.c_int(_KEY), text(key), size(len(key)),
        ctypes.c_int(_MSGFLAGS), ctypes.c_int(_COPY), ctypes.c_int(_HEADERS), headers, ctypes.c_int(_END),
    )  # fmt: skip
    assert library.rd_kafka_producev(client, *given) == _DELIVERED
    assert library.rd_kafka_flush(client, ctypes.c_int(20_000)) == _DELIVERED
    library.rd_kafka_destroy(client)
