"""Files that a command writes: never one that it also reads, and for its owner alone where scores are in it."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TextIO

from edge.errors import ConfigError


def check_output(option: str, target: Path | None, *inputs: Path | None, emptied: bool = False) -> None:
    """Refuses an output that is also an input, under whatever name.

    Args:
        option: as the user knows it, for instance `--out`.
        target: file or folder that will be written; None: nothing is.
        inputs: files and folders that are read; None stands for one that was not given.
        emptied: whether what a folder holds is removed before, so that no input may lie in it either.

    Raises:
        ConfigError: names the option and the input.
    """
    if target is None:
        return
    for given in inputs:
        if given is None or not given.exists():
            continue
        same = target.exists() and target.samefile(given)
        if same or (emptied and target.resolve() in given.resolve().parents):
            raise ConfigError(f"{option} {target}: {given} is read and would be overwritten", "choose another place")


def open_private(option: str, path: Path) -> TextIO:
    """Opens a text file for writing that only its owner may read; one that exists becomes so.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        if stat.S_ISREG(os.fstat(number).st_mode):
            os.fchmod(number, 0o600)
        return os.fdopen(number, "w", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{option} {path}: cannot be written ({error.strerror})") from error
