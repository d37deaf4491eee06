"""Writing below the fleet's folder: whole files, only where something changes, secrets for their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from edge.errors import ConfigError

SECRET, PLAIN = 0o600, 0o644


def write_file(path: Path, text: str, *, mode: int = PLAIN) -> bool:
    """Makes the file hold the text, with this mode from its first byte on; returns whether anything changed.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        if path.is_file() and path.stat().st_mode & 0o777 == mode and path.read_bytes() == text.encode():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")  # made with 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written ({error.strerror})") from error
    return True


def read_secret(path: Path) -> str:
    """A password's file, or nothing where there is none.

    Raises:
        ConfigError: it is there and cannot be read, or others can read it too.
    """
    try:
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path}: others on this machine may read it; revoke the device, or chmod 600 it")
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
