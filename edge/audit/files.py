"""Reading and writing in a folder that is another user's: no link is followed, no pipe is waited for."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SAFE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def locked(path: Path, *, write: bool) -> Iterator[int]:
    """A file, open and locked; to write, it is made for the owner of its folder. Raises OSError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT if write else os.O_RDONLY
    while True:
        file = os.open(path, flags | _SAFE, 0o600)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(0, "it is no file")
            if write and os.fstat(file).st_size == 0:
                _give(file, path.parent.stat())
            fcntl.flock(file, fcntl.LOCK_EX if write else fcntl.LOCK_SH)
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(file)):  # else another process has just replaced it
                    yield file
                    return
        finally:
            os.close(file)


def replace_file(path: Path, data: bytes, like: int) -> None:
    """Replaces a file as a whole, on the disk when it returns; its owner is that of the open file `like`."""
    fresh = path.with_name(f".{path.name}")
    fresh.unlink(missing_ok=True)  # it may be a link
    file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFE, 0o600)
    try:
        _give(file, os.fstat(like))
        write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_file(path: Path) -> bytes:
    """All of a file. Raises OSError."""
    file = os.open(path, os.O_RDONLY | _SAFE)
    try:
        return read_all(file)
    finally:
        os.close(file)


def read_all(file: int) -> bytes:
    """All of an open file, wherever it was read to."""
    parts, at = [], 0
    while part := os.pread(file, 1 << 20, at):
        parts.append(part)
        at += len(part)
    return b"".join(parts)


def write_all(file: int, data: bytes) -> None:
    """Writes all of `data`. Raises OSError."""
    while data:
        data = data[os.write(file, data) :]


def _give(file: int, owner: os.stat_result) -> None:
    """What root makes in a service's folder is the service's."""
    if os.geteuid() == 0:
        os.fchown(file, owner.st_uid, owner.st_gid)
