"""Which release this is: the version, and the commit baked in when the wheel was built."""

from __future__ import annotations

import importlib.util
from importlib import import_module

VERSION = "0.1.0"


def commit() -> str:
    """The git commit the wheel was built from, or `checkout` when running from a working tree."""
    if importlib.util.find_spec("edge._commit") is None:
        return "checkout"
    return str(import_module("edge._commit").COMMIT)
