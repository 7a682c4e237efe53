"""What an ONNX file says of itself is read from the file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import CheckpointError
from model.reading.engine import alphabet_of, bundled_files
from model.reading.onnx_metadata import read_metadata


def _field(number: int, content: bytes) -> bytes:
    size = bytearray()
    length = len(content)
    while length > 0x7F:
        size.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2, *size, length]) + content


def _pair(key: str, value: str) -> bytes:
    return _field(14, _field(1, key.encode()) + _field(2, value.encode()))


def test_pairs_are_found_among_other_fields(tmp_path: Path) -> None:
    """Numbers, fixed widths and a large network around them are passed over."""
    path = tmp_path / "net.onnx"
    around = b"\x08\x8a\x01" + b"\x31" + bytes(8) + b"\x2d" + bytes(4) + _field(7, bytes(300_000))
    path.write_bytes(around + _pair("character", "a\né\n红") + _pair("other", "x" * 300) + b"\x28\x01")
    assert read_metadata(path) == {"character": "a\né\n红", "other": "x" * 300}


@pytest.mark.parametrize("content", [b"\x3a\xff\xff\xff\x7f", b"\x08\x80", b"\x0b\x00", b"\xff" * 12])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """Cut short, or no message at all: an error in words, whatever the lengths in it claim."""
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.onnx cannot be read"):
        alphabet_of(path)


def test_the_recogniser_names_its_characters_as_onnxruntime_reads_them() -> None:
    """All of them, in order, with the blank and the space around them."""
    ort = pytest.importorskip("onnxruntime")
    path = bundled_files().recogniser
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    listed = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    assert alphabet_of(path) == ("", *listed, " ")
