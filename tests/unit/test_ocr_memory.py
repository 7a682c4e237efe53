"""OCR says that memory ran out, whichever library it ran out in; all else it raises as it came."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as ort

from model.errors import OutOfMemoryError
from model.ocr import RapidReader
from model.reading.detect import Detector
from model.reading.engine import Floats
from model.reading.recognise import Recogniser
from model.runtime.openvino_runtime import has_openvino

ROOT = Path(__file__).parents[2]
UNDER_A_LIMIT = """
import resource, sys
import numpy as np
from model.errors import OutOfMemoryError
from model.ocr import RapidReader
from model.reading.detect import Detector
from model.reading.engine import bundled_files
from model.reading.networks import open_networks
from model.reading.recognise import Recogniser

networks = open_networks(bundled_files(), sys.argv[1], 1)
picture = np.zeros((64, 64, 3), np.uint8)
large = np.zeros((1, 3, 3008, 3008), np.float32)
given = []
detector = Detector(lambda batch: networks.detector(given.pop() if given else batch))
reader = RapidReader(detector, Recogniser(networks.recogniser, networks.classifier, networks.alphabet), "test", 10)
reader.read([picture])
with open("/proc/self/status") as status:
    size = next(int(line.split()[1]) for line in status if line.startswith("VmSize")) << 10
resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20), resource.RLIM_INFINITY))
given.append(large)
try:
    reader.read([picture])
except OutOfMemoryError as error:
    print(type(error.__cause__).__name__)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(len(reader.read([picture])))
"""


def opencv_error(code: int, message: str) -> cv2.error:
    """As OpenCV raises it."""
    error = cv2.error(message)
    error.code = code
    return error


def reader_that_raises(error: Exception) -> RapidReader:
    """Its networks do nothing else."""

    def network(batch: Floats) -> Floats:
        raise error

    return RapidReader(Detector(network), Recogniser(network, network, ()), "test", 10)


@pytest.mark.parametrize(
    ("engine", "raised"),
    [
        ("onnxruntime", "RuntimeException"),
        pytest.param(
            "openvino", "RuntimeError", marks=pytest.mark.skipif(not has_openvino(), reason="openvino is an extra")
        ),
    ],
)
def test_an_engine_that_runs_out_of_memory_is_told_by_it_and_reads_on(engine: str, raised: str) -> None:
    """The real networks in a process whose memory is limited; once it may have more, the same reader reads."""
    program = [sys.executable, "-c", UNDER_A_LIMIT, engine]
    done = subprocess.run(program, capture_output=True, text=True, timeout=240, cwd=ROOT)
    assert done.stdout.split() == [raised, "1"], done.stderr


@pytest.mark.parametrize(
    "error",
    [
        ort.RuntimeException(
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. "
            "Name:'p2o.pd_op.relu.0.0_nchwc' Status Message: std::bad_alloc"
        ),
        ort.Fail("[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer of size 1048576"),
        RuntimeError("Exception from src/core/src/runtime/allocator.cpp:79:\nstd::bad_alloc\n\n"),
        RuntimeError("Cannot allocate memory"),
        opencv_error(-4, "(-4:Insufficient memory) Failed to allocate 2700000000 bytes in function 'OutOfMemoryError'"),
        MemoryError("Unable to allocate 2.00 GiB for an array with shape (1, 3, 16384, 10923)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_memory_that_ran_out_is_said_in_one_way(error: Exception) -> None:
    """What each library raises then; the message is ours, for theirs may quote anything."""
    with pytest.raises(OutOfMemoryError, match=type(error).__name__) as caught:
        reader_that_raises(error).read([np.zeros((64, 64, 3), np.uint8)])
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error",
    [
        ort.InvalidArgument("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: x"),
        ort.RuntimeException("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code: shape mismatch"),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:74: Check 'shapes match' failed"),
        opencv_error(-215, "(-215:Assertion failed) !_src.empty() in function 'OutOfMemoryError'"),
        ValueError("cannot read this"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_else_is_raised_as_it_came(error: Exception) -> None:
    """It is the picture's or the engine's fault, and will be next time."""
    with pytest.raises(type(error)) as caught:
        reader_that_raises(error).read([np.zeros((64, 64, 3), np.uint8)])
    assert caught.value is error
