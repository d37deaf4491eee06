"""Which version of a runtime is installed here, and whether it is one that a bundle was made for."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

from edge.errors import BundleError
from edge.model.bundle import Manifest

_PACKAGES = {"litert": "ai-edge-litert", "tflite": "tflite-runtime", "onnx": "onnxruntime"}
_AT_LEAST = re.compile(r"^>=\s*(\d+(?:\.\d+)*)$")


def installed_version(runtime: str) -> str | None:
    """The version of a runtime's package; None if no package manager of Python's knows it."""
    try:
        return version(_PACKAGES[runtime])
    except (KeyError, PackageNotFoundError):
        return None


def require_version(runtime: str, manifest: Manifest) -> None:
    """Refuses a bundle that asks for a newer runtime than the one here.

    A runtime of unknown version passes: a vendor's image may hold it without a Python package, and the golden
    vectors decide anyway. They also refuse a runtime that the bundle does not name.

    Args:
        runtime: `litert`, `tflite`, …
        manifest: the bundle's.

    Raises:
        BundleError: its demand cannot be read, or is newer.
    """
    bundle = manifest.name
    wanted = next((text for name, text in manifest.runtimes.items() if name == runtime), None)
    if wanted is None:
        return
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
