"""The files of a folder, or of a ZIP of one, whole in memory and within what a board can hold.

Refuses links, folders within, duplicate or unsafe names, and oversize, before it reads what is too large.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

from edge.errors import BundleError, one_line

_MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_FILES = 32
MAX_BYTES = 64 * 1024 * 1024  # of all files together, unpacked: a board has to hold them in memory
_MAX_DIRECTORY_BYTES = 64 * 1024  # of a ZIP's list of files: a reader holds ten times that for what it lists


def read_files(path: Path) -> dict[str, bytes]:
    """Every file's bytes by name.

    Args:
        path: a folder, or a ZIP of one with its files at the top.

    Raises:
        BundleError: names the file and what is wrong with it.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.is_file():
            return _read_zip(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror})") from error
    raise BundleError(f"{path}: no such bundle")


def _read_folder(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for entry in sorted(path.iterdir()):
        if entry.is_symlink() or not entry.is_file():
            raise BundleError(f"{path}: {entry.name!r} is not a regular file")
        _check_size(path, files, entry.name, entry.stat().st_size)
        files[entry.name] = entry.read_bytes()
    return files


def _check_size(path: Path, files: Mapping[str, bytes], name: str, size: int) -> None:
    """Refuses a file that would be too much, before it is read."""
    if size > _MAX_FILE_BYTES:
        raise BundleError(f"{path}: {name!r} is larger than {_MAX_FILE_BYTES} bytes")
    if len(files) >= _MAX_FILES:
        raise BundleError(f"{path}: more than {_MAX_FILES} files")
    if size + sum(map(len, files.values())) > MAX_BYTES:
        raise BundleError(f"{path}: larger than {MAX_BYTES} bytes in all")


def _read_zip(path: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        _check_directory(path)
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                name = entry.filename
                kind = (entry.external_attr >> 16) & 0o170000
                if not name or name in files or "/" in name or "\\" in name or kind == 0o120000:
                    raise BundleError(f"{path}: {name!r} is a duplicate, a link or in a folder")
                if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise BundleError(f"{path}: {name!r} is neither stored nor deflated")
                _check_size(path, files, name, entry.file_size)
                files[name] = archive.read(entry)
    except BundleError:
        raise
    except Exception as error:  # zipfile raises almost anything for a damaged file
        raise BundleError(f"{path}: neither a folder nor a readable ZIP ({one_line(error)})") from error
    return files


def _check_directory(path: Path) -> None:
    """Looks at how long a ZIP's list of files says it is, before `zipfile` reads all of it."""
    with path.open("rb") as file:
        length = file.seek(0, 2)
        file.seek(max(length - 65_557, 0))  # the end record, 22 bytes, and the longest comment behind it
        tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end >= 0 and int.from_bytes(tail[end + 12 : end + 16], "little") > _MAX_DIRECTORY_BYTES:
        raise BundleError(f"{path}: lists more than {_MAX_FILES} files")
    if b"PK\6\7" in tail[max(end - 20, 0) : end]:  # ZIP64, whose sizes stand elsewhere
        raise BundleError(f"{path}: a ZIP64 archive; a bundle is never so large")
