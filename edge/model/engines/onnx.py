"""ONNX Runtime: the same named tensors on an NVIDIA board's TensorRT or CUDA, else on the CPU.

The package is the extra `onnx`, or a board's own build of it; nothing else in `edge` imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError, one_line
from edge.model.engines import TensorSpec

# Best first. JetPack's build of ONNX Runtime offers all three; the package that pip installs has only the last.
ACCELERATORS = ("TensorrtExecutionProvider", "CUDAExecutionProvider")
_PROVIDERS = (*ACCELERATORS, "CPUExecutionProvider")
_TYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(int8)": np.dtype(np.int8),
    "tensor(uint8)": np.dtype(np.uint8),
}
# TensorRT computes in float32 unless it is told that it may do otherwise; int8 is used where the graph has scales.
_OPTIONS = {"TensorrtExecutionProvider": {"trt_fp16_enable": "1", "trt_int8_enable": "1"}}
_QUIET = 3  # errors only


class OnnxEngine:
    """One session for one graph.

    Args:
        model: the `.onnx` file's bytes.
        name: what to call it in errors.
        threads: for the CPU kernels, at least 1.
        cpu: True computes on the CPU, whatever the board has.

    Raises:
        EngineError: ONNX Runtime is not installed, or the graph is broken.
    """

    def __init__(self, model: bytes, *, name: str, threads: int = 1, cpu: bool = False) -> None:
        self._name = name
        runtime = _load_runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _QUIET
        offered = [provider for provider in available_providers() if not (cpu and provider in ACCELERATORS)]
        providers = [(provider, _OPTIONS.get(provider, {})) for provider in offered]
        try:
            self._session = runtime.InferenceSession(model, sess_options=options, providers=providers)
            self.inputs = _specs(self._session.get_inputs())
            self.outputs = _specs(self._session.get_outputs())
        except Exception as error:  # its own exceptions have no common root (1.32, 2026)
            raise EngineError(f"{name}: onnx cannot load the graph ({one_line(error)})") from error

    @property
    def provider(self) -> str:
        """What computes, for instance `TensorrtExecutionProvider`."""
        return str(self._session.get_providers()[0])

    def invoke(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if tensors.keys() != self.inputs.keys():
            raise EngineError(f"{self._name}: needs the inputs {sorted(self.inputs)}, got {sorted(tensors)}")
        for key, spec in self.inputs.items():
            if tensors[key].shape[1:] != spec.shape[1:]:
                raise EngineError(f"{self._name}: input {key} is {spec.shape}, got {tensors[key].shape}")
        try:
            values = self._session.run(list(self.outputs), dict(tensors))
        except Exception as error:
            raise EngineError(f"{self._name}: the run failed ({one_line(error)})") from error
        return dict(zip(self.outputs, values, strict=True))


def available_providers() -> list[str]:
    """The providers that the installed ONNX Runtime offers here, best first.

    Raises:
        EngineError: ONNX Runtime is not installed.
    """
    offered = _load_runtime().get_available_providers()
    return [provider for provider in _PROVIDERS if provider in offered]


def _load_runtime() -> Any:
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        raise EngineError(
            f"engine.runtime: onnx is not installed ({error})",
            fix="pip install 'affect-edge[onnx]', on a Jetson JetPack's own build",
        ) from error


def _specs(arguments: Any) -> dict[str, TensorSpec]:
    """By name; an axis without a fixed size counts 1 until it is used, as in LiteRT."""
    return {
        str(argument.name): TensorSpec(
            tuple(size if isinstance(size, int) and size > 0 else 1 for size in argument.shape),
            _TYPES[argument.type],
            0.0,
            0,
        )
        for argument in arguments
    }
