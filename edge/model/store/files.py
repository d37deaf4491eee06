"""File operations of the store that are on the disk when they return, or have not happened.

Owns every write of the store: what is new is written under another name, synced, and then takes its name in one
rename; then the folder is synced, without which a rename may be lost with the power. Names that begin with a dot are
unfinished work of a run that was cut short.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"
_LOCK_WAIT_S = 10.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it where they are missing.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    os.mkdir(folder, 0o755)  # noqa: PTH102 - every operation of this file goes through `os`, so that tests can cut it
    _sync_folder(folder.parent)


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file, or puts it in the place of an older one; never a mixture of both.

    Raises:
        OSError: it cannot be written; the older one stands.
    """
    unfinished = _unfinished(path)
    _write(unfinished, data)
    os.replace(unfinished, path)  # noqa: PTH105
    _sync_folder(path.parent)


def add_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes a new folder with these files, which is seen whole or not at all.

    Raises:
        OSError: it cannot be written, or is there already.
    """
    unfinished = _unfinished(folder)
    os.mkdir(unfinished, 0o755)  # noqa: PTH102
    for name, data in files.items():
        _write(unfinished / name, data)
    _sync_folder(unfinished)
    os.rename(unfinished, folder)  # noqa: PTH104
    _sync_folder(folder.parent)


def remove_folder(folder: Path) -> None:
    """Removes a folder of files; it is gone at once, and its files after it.

    Raises:
        OSError: it cannot be removed.
    """
    unfinished = _unfinished(folder)
    os.rename(folder, unfinished)  # noqa: PTH104
    _sync_folder(folder.parent)
    _discard(unfinished)


def sweep(folder: Path) -> None:
    """Removes what runs that were cut short left behind.

    Raises:
        OSError: something cannot be removed.
    """
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith(".") and entry.name != _LOCK:
            _discard(entry)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes from changing the store meanwhile.

    Raises:
        OSError: another one has held it for ten seconds, or the lock cannot be made.
    """
    lock = os.open(folder / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        end_s = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end_s:
                    raise
                time.sleep(0.05)
        yield
    finally:
        os.close(lock)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}")


def _write(path: Path, data: bytes) -> None:
    file = os.open(path, _NEW, 0o644)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, _FOLDER)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        os.unlink(path)  # noqa: PTH108
        return
    for entry in sorted(path.iterdir()):
        _discard(entry)
    os.rmdir(path)  # noqa: PTH106
