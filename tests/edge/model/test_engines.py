"""The LiteRT engine on the shipped graphs, and the arithmetic of quantization."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.affect.backbone import pixel_converter
from edge.errors import EngineError
from edge.model.bundle import Bundle, default_bundle, load_bundle
from edge.model.engines import TensorSpec, dequantize, quantize
from edge.model.engines.litert import LiteRtEngine

INT8 = TensorSpec((1,), np.dtype(np.int8), 0.05, -3)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(default_bundle())


@pytest.fixture
def head(bundle: Bundle) -> LiteRtEngine:
    name = bundle.manifest.head.file
    return LiteRtEngine(bundle.files[name], name=name)


def rows(head: LiteRtEngine, count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(0, 0.5, (count, *spec.shape[1:])).astype(np.float32) for name, spec in head.inputs.items()}


def test_batch_may_change_from_call_to_call_and_rows_do_not_mix(head: LiteRtEngine) -> None:
    together = rows(head, 5)
    answer = head.invoke(together)
    for index in range(5):
        alone = head.invoke({name: values[index : index + 1] for name, values in together.items()})
        for name, values in alone.items():
            assert np.allclose(values[0], answer[name][index], atol=1e-6)


def test_outputs_are_copies(head: LiteRtEngine) -> None:
    first = head.invoke(rows(head, 2))
    kept = {name: values.copy() for name, values in first.items()}
    head.invoke(rows(head, 2, seed=1))
    assert all(np.array_equal(first[name], kept[name]) for name in kept)


def test_input_that_does_not_fit_is_named(head: LiteRtEngine) -> None:
    good = rows(head, 1)
    name = next(iter(good))
    with pytest.raises(EngineError, match="needs the inputs"):
        head.invoke({key: value for key, value in good.items() if key != name})
    with pytest.raises(EngineError, match=f"input {name} is"):
        head.invoke({**good, name: np.zeros((1, 3), np.float32)})
    with pytest.raises(EngineError, match="the run failed"):
        head.invoke({**good, name: good[name].astype(np.float64)})
    assert head.invoke(good)


def test_unknown_runtime_and_missing_runtime_say_what_to_do(bundle: Bundle) -> None:
    with pytest.raises(EngineError, match="choose one of"):
        LiteRtEngine(b"", name="x", runtime="onnx")
    if not _installed("tflite_runtime"):
        with pytest.raises(EngineError, match=r"pip install 'affect-edge\[tflite\]'"):
            LiteRtEngine(b"", name="x", runtime="tflite")


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def test_runtime_s_own_chatter_stays_off_stderr_but_other_lines_pass(tmp_path: Path) -> None:
    code = (
        "import os\nfrom edge.model.engines.litert import _without_chatter\n"
        "with _without_chatter():\n    os.write(2, b'INFO: loaded\\nERROR: broken\\n')\n"
        "os.write(2, b'after\\n')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.splitlines() == ["ERROR: broken", "after"]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_quantization_rounds_to_the_nearest_step_and_clips(values: list[float]) -> None:
    real = np.array(values)
    back = dequantize(quantize(real, INT8), INT8)
    low, high = (np.array([-128, 127]) + 3) * 0.05
    inside = (real >= low) & (real <= high)
    assert np.all(np.abs(back - real)[inside] <= 0.025 + 1e-5)
    assert np.allclose(back[real > high], high)
    assert np.allclose(back[real < low], low)


def test_flipping_the_top_bit_equals_quantizing_the_normalized_pixel() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    fast = TensorSpec((1, 16, 16, 3), np.dtype(np.int8), 1 / 127.5, -1)
    slow = fast._replace(scale=1 / 127.5 + 2e-7)  # just off the grid that the shortcut knows
    flipped, quantized = pixel_converter(fast)(pixels), pixel_converter(slow)(pixels)
    assert flipped.dtype == quantized.dtype == np.int8
    assert np.array_equal(flipped, quantized)
    unquantized = pixel_converter(fast._replace(dtype=np.dtype(np.float32), scale=0.0))(pixels)
    assert np.allclose(dequantize(flipped, fast), unquantized, atol=1e-6)
