"""Starts `edge` with one instrument: TLS notes its session keys, so that what crossed the wire can be read again.

Run by path inside the watched process. The keys are noted by OpenSSL itself; the bytes that are judged are those that
the kernel was given, so nothing above TLS has to be believed.
"""

from __future__ import annotations

import os
import runpy
import ssl
import sys
from typing import Any

_made = ssl.SSLContext.__new__


def _with_key_log(kind: type[ssl.SSLContext], *values: Any, **named: Any) -> ssl.SSLContext:
    context = _made(kind, *values, **named)
    context.keylog_filename = os.environ["EGRESS_KEYS"]
    return context


if __name__ == "__main__":
    ssl.SSLContext.__new__ = _with_key_log  # type: ignore[method-assign,assignment]
    sys.argv[0] = "edge"
    sys.path.pop(0)  # this folder: the device imports nothing from here
    runpy.run_module("edge", run_name="__main__", alter_sys=True)
