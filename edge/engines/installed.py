"""Which version of a runtime is installed here, and whether it is one that a bundle was made for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from edge.errors import BundleError

_PACKAGES = {"litert": "ai-edge-litert", "tflite": "tflite-runtime", "onnx": "onnxruntime"}
_AT_LEAST = re.compile(r"^>=\s*(\d+(?:\.\d+)*)$")


def installed_version(runtime: str) -> str | None:
    """The version of a runtime's package; None if no package manager of Python's knows it."""
    try:
        return version(_PACKAGES[runtime])
    except (KeyError, PackageNotFoundError):
        return None


def require_version(runtime: str, wanted: str | None, bundle: str) -> None:
    """Refuses a bundle that asks for a newer runtime than the one here.

    A runtime of unknown version passes: a vendor's image may hold it without a Python package, and the golden
    vectors decide anyway.

    Args:
        runtime: `litert`, `tflite`, …
        wanted: what the manifest says of it, such as `>=2.3.0`; None if it does not name this runtime.
        bundle: its name, for the message.

    Raises:
        BundleError: the bundle does not name this runtime, its demand cannot be read, or it is newer.
    """
    if wanted is None:
        raise BundleError(f"{bundle}: does not support {runtime}; choose another engine.runtime")
    demand = _AT_LEAST.match(wanted)
    if demand is None:
        raise BundleError(f"{bundle}: its demand on {runtime}, {wanted!r}, is not of the form '>=2.3.0'")
    here = installed_version(runtime)
    if here is not None and _numbers(here) < _numbers(demand[1]):
        raise BundleError(
            f"{bundle}: needs {_PACKAGES[runtime]} {demand[1]} or newer, here is {here}; "
            f"pip install -U {_PACKAGES[runtime]}, or use an older bundle"
        )


def _numbers(text: str) -> tuple[int, ...]:
    """The leading numbers of a version, without zeros at the end: 2.3.0 equals 2.3, 2.3.0rc1 counts as 2.3.0."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    numbers = [int(part) for part in found[0].split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
