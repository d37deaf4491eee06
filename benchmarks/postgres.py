"""A real PostgreSQL of its own in a temporary folder; as root it runs as the user `postgres`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from benchmarks.ports import hold_port, port_of
from edge.errors import ConfigError


class PostgreSQL:
    """Started when it is entered, stopped when it is left.

    Attributes:
        url: of its database, without a password.

    Raises:
        ConfigError: it is not installed, or does not start.
    """

    def __init__(self) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="postgres-")
        self._folder, self._held = Path(self._temporary.name), hold_port()
        self.url = f"postgresql://postgres@127.0.0.1:{port_of(self._held)}/postgres"
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

    def __enter__(self) -> PostgreSQL:
        data, programs = self._folder / "data", _programs()
        if self._as:
            shutil.chown(self._folder, "postgres")
        self._run(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-p {port_of(self._held)} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run(programs / "pg_ctl", "-D", data, "-o", options, "-l", self._folder / "log", "-w", "start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._run(_programs() / "pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")
        finally:
            self._held.close()
            self._temporary.cleanup()

    def _run(self, *command: str | Path) -> None:
        line = [*self._as, *(str(part) for part in command)]
        done = subprocess.run(line, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            raise ConfigError(f"PostgreSQL: {done.stderr.decode(errors='replace').strip()[-300:]}")


def _programs() -> Path:
    """The folder of Debian's newest server; its programs are not on the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise ConfigError("PostgreSQL is not installed", fix="run: apt-get install postgresql")
    return found[-1].parent
