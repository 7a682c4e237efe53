"""Memory that ran out, told from all else that OCR's libraries raise: each says it in its own way.

numpy raises MemoryError, OpenCV an error with a code of its own. The engines raise what they raise for everything, and
pass on in words what the C++ library told them: onnxruntime and OpenVINO ``std::bad_alloc``, seen by running them under
a limit (`tests/unit/test_ocr_memory.py`); the other words are those of their allocators and of the system.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

from model.errors import OutOfMemoryError

_WORDS = re.compile(
    r"bad[_ ]alloc|(failed to|cannot|could not|unable to) allocate|(insufficient|not enough|out of) memory",
    re.IGNORECASE,
)


@contextmanager
def telling_memory() -> Iterator[None]:
    """Raises OutOfMemoryError in place of whatever was raised for want of memory."""
    try:
        yield
    except Exception as error:
        if not _ran_out(error):
            raise
        raise OutOfMemoryError(f"no memory is left for OCR ({type(error).__name__})") from error


def _ran_out(error: Exception) -> bool:
    if isinstance(error, cv2.error):
        return getattr(error, "code", 0) == cv2.Error.StsNoMem
    return isinstance(error, MemoryError) or _WORDS.search(str(error)) is not None
