"""A measurement's file: JSON that people read too, with the number of its format, which a reader checks."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from edge.errors import EdgeError


class _Numbered(Protocol):
    @property
    def format(self) -> int: ...


Document = TypeVar("Document", bound=_Numbered)


def write_document(document: _Numbered, target: Path, failure: type[EdgeError]) -> Path:
    """Writes into a file; returns where.

    Args:
        document: a struct of msgspec.
        target: as `--out` gave it.
        failure: what is raised when it cannot be written.
    """
    try:
        target.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
    except OSError as error:
        raise failure(f"--out {target}: cannot be written ({error.strerror})") from error
    return target


def read_document(path: Path, kind: type[Document], *, made_by: str, newest: int, failure: type[EdgeError]) -> Document:
    """Reads a file that `write_document` wrote.

    Args:
        path: of the file.
        kind: a struct of msgspec.
        made_by: the command that leaves such files.
        newest: format that this release reads.
        failure: what is raised when it cannot be read, is another kind's, or of a later format; names the file.
    """
    try:
        document = msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise failure(f"{path}: cannot be read ({error.strerror})") from error
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise failure(f"{path}: not a result of `{made_by}` ({error})") from error
    if document.format > newest:
        raise failure(f"{path}: of format {document.format}, this version reads up to {newest}; take a newer one")
    return document
