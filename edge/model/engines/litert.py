"""LiteRT, or tflite-runtime where an old host has nothing newer, with an optional delegate library.

Tensors are addressed by the names in the model's signature; a graph without one by its tensor names.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import EngineError, one_line
from edge.model.engines import TensorSpec
from edge.stderr import native_stderr

_MODULES = {"litert": "ai_edge_litert.interpreter", "tflite": "tflite_runtime.interpreter"}


class LiteRtEngine:
    """One interpreter for one graph.

    Args:
        model: the `.tflite` file's bytes.
        name: what to call it in errors.
        runtime: `litert` or `tflite` (tflite-runtime, the `tflite` extra).
        threads: for the CPU kernels, at least 1.
        delegate: path of an external delegate library, for instance libedgetpu.so.1.
        delegate_options: passed to the delegate as they are.
        xnnpack: False computes with the runtime's built-in kernels alone, to compare with.
        shapes: of inputs that are to have another shape than the graph says, where it allows that.

    Raises:
        EngineError: the runtime is not installed, the delegate cannot be loaded, or the graph is broken.
    """

    def __init__(
        self,
        model: bytes,
        *,
        name: str,
        runtime: str = "litert",
        threads: int = 1,
        delegate: Path | None = None,
        delegate_options: Mapping[str, str] | None = None,
        xnnpack: bool = True,
        shapes: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self._name = name
        module = load_runtime(runtime)
        delegates = [load_delegate(module, delegate, dict(delegate_options or {}))] if delegate else []
        kernels = {}
        if not xnnpack:
            kernels["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            # The interpreter keeps only a view of the bytes: hold them as long as it lives.
            self._model = model
            with _without_chatter():
                self._interpreter = module.Interpreter(
                    model_content=model, num_threads=threads, experimental_delegates=delegates, **kernels
                )
                self._input_index, self._output_index = self._names()
                for key, shape in (shapes or {}).items():
                    self._interpreter.resize_tensor_input(self._input_index[key], shape)
                self._interpreter.allocate_tensors()
        except (KeyError, ValueError, RuntimeError) as error:
            raise EngineError(f"{name}: {runtime} cannot load the graph ({one_line(error)})") from error
        self._read_specs()

    def invoke(self, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if tensors.keys() != self.inputs.keys():
            raise EngineError(f"{self._name}: needs the inputs {sorted(self.inputs)}, got {sorted(tensors)}")
        try:
            for key, spec in self.inputs.items():
                if tensors[key].shape != spec.shape:
                    self._resize(tensors)
                    break
            for key, index in self._input_index.items():
                self._interpreter.set_tensor(index, tensors[key])
            self._interpreter.invoke()
            return {key: self._interpreter.get_tensor(index) for key, index in self._output_index.items()}
        except (ValueError, RuntimeError) as error:
            raise EngineError(f"{self._name}: the run failed ({one_line(error)})") from error

    def _resize(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        for key, spec in self.inputs.items():
            if tensors[key].shape[1:] != spec.shape[1:]:
                raise EngineError(f"{self._name}: input {key} is {spec.shape}, got {tensors[key].shape}")
            self._interpreter.resize_tensor_input(self._input_index[key], tensors[key].shape)
        self._interpreter.allocate_tensors()
        self._read_specs()

    def _names(self) -> tuple[dict[str, int], dict[str, int]]:
        signatures = self._interpreter.get_signature_list()
        if len(signatures) == 1:
            runner = self._interpreter.get_signature_runner(next(iter(signatures)))
            named = [runner.get_input_details(), runner.get_output_details()]
        else:
            both = (self._interpreter.get_input_details(), self._interpreter.get_output_details())
            named = [{str(tensor["name"]): tensor for tensor in tensors} for tensors in both]
        inputs, outputs = ({key: int(tensor["index"]) for key, tensor in tensors.items()} for tensors in named)
        return inputs, outputs

    def _read_specs(self) -> None:
        self.inputs = _specs(self._interpreter.get_input_details(), self._input_index)
        self.outputs = _specs(self._interpreter.get_output_details(), self._output_index)


def _specs(details: list[dict[str, Any]], index: Mapping[str, int]) -> dict[str, TensorSpec]:
    by_index = {int(detail["index"]): detail for detail in details}
    specs = {}
    for key, position in index.items():
        tensor = by_index[position]
        scale, zero_point = tensor["quantization"]
        shape = tuple(int(size) for size in tensor["shape"])
        specs[key] = TensorSpec(shape, np.dtype(tensor["dtype"]), float(scale), int(zero_point))
    return specs


def installed_runtimes() -> list[str]:
    """The names of those that are installed, best first; `litert` where none is, whose error says what to do."""
    return [name for name, module in _MODULES.items() if find_spec(module.partition(".")[0])] or ["litert"]


def load_runtime(runtime: str) -> Any:
    """The runtime's module.

    Raises:
        EngineError: it is unknown or not installed.
    """
    try:
        return import_module(_MODULES[runtime])
    except KeyError:
        raise EngineError(f"engine.runtime: {runtime!r} is unknown", fix=f"choose one of {sorted(_MODULES)}") from None
    except ImportError as error:
        extra = "affect-edge[tflite]" if runtime == "tflite" else "affect-edge"
        raise EngineError(
            f"engine.runtime: {runtime} is not installed ({error})", fix=f"pip install '{extra}'"
        ) from error


def load_delegate(module: Any, path: Path, options: dict[str, str]) -> Any:
    """The delegate in `path`, loaded by a runtime's module.

    Raises:
        EngineError: it is missing, no delegate, or refuses its options.
    """
    try:
        # Opened here first: where that fails, LiteRT 2.3.0's own Delegate prints a traceback from its __del__
        # (seen 2026-11).
        if not hasattr(ctypes.CDLL(str(path)), "tflite_plugin_create_delegate"):
            raise OSError("it is no TensorFlow Lite delegate")
        with _without_chatter():
            return module.load_delegate(str(path), options)
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineError(
            f"{path}: the delegate cannot be loaded ({one_line(error)})", fix="check engine.delegate and its options"
        ) from error


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keeps the runtime's native `INFO:` lines off stderr; everything else it says is passed on afterwards."""
    try:
        with native_stderr() as native:
            yield
    finally:
        for line in native.text.splitlines():
            if sys.stderr is not None and not line.startswith("INFO:"):
                sys.stderr.write(f"{line}\n")
