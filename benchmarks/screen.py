"""Where the verbs' tables go: standard output, wide enough for a table when that is a file or another program."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 170  # columns


def open_screen() -> Console:
    """A console that colours nothing by itself."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
