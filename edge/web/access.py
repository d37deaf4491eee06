"""Who may see the page: whoever has the code that `affect-edge setup` printed, once, for half an hour.

`setup` leaves a grant in the device's state folder: a hash of the code, the names under which the page may be asked
for, and an end. The service reads it when somebody comes with a code. Without a grant nobody comes in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.clock import NS

MINUTES = 30
_TRIES = 5  # wrong codes, after which a grant is void
_CHANGES_PER_MINUTE = 30
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that looks like another; 32 of them, so 10 are 50 bits
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Grant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A right to come in once. `until_ns`: monotonic time of the machine's run `boot_id`; `hosts`: beside loopback."""

    code_sha256: str
    hosts: list[str]
    until_ns: int
    boot_id: str


def grant_file(state: Path) -> Path:
    """Where `setup` leaves the grant for the service."""
    return state / "page.json"


def write_grant(path: Path, hosts: list[str]) -> str:
    """Makes a code, leaves its grant for the owner of the folder, and returns the code.

    Raises:
        OSError: the folder is not there or cannot be written.
    """
    code = "".join(secrets.choice(_LETTERS) for _ in range(10))
    until_ns = time.monotonic_ns() + MINUTES * 60 * NS
    grant = Grant(code_sha256=_hash(code), hosts=hosts, until_ns=until_ns, boot_id=_boot_id())
    fresh, owner = path.with_suffix(".new"), path.parent.stat()
    with suppress(FileNotFoundError):
        fresh.unlink()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(grant))
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
    fresh.replace(path)
    return f"{code[:5]}-{code[5:]}"


class Access:
    """The one session that a code opened, and the tries of those who have none. Used by one thread.

    Args:
        path: of the grant.
        port: of the page on loopback.
    """

    def __init__(self, path: Path, port: int) -> None:
        self._path = path
        self._local = {f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
        self._session: tuple[bytes, Grant] | None = None
        self._void = ""  # hash of a code that was used or guessed at too often
        self._wrong = 0
        self._changes: deque[float] = deque(maxlen=_CHANGES_PER_MINUTE)

    def knows(self, host: str) -> bool:
        """Whether the page may be asked for under this name; any other one is somebody else's (DNS rebinding)."""
        if host in self._local:
            return True
        grants = [self._session[1] if self._session else None, self._grant()]
        return any(grant is not None and _valid(grant) and host in grant.hosts for grant in grants)

    def enter(self, code: str) -> str | None:
        """A token for the right code; it ends the session before. A code works once, and not after five wrong ones."""
        grant = self._grant()
        if grant is None:
            return None
        if not hmac.compare_digest(_hash(code), grant.code_sha256):
            self._wrong += 1
            if self._wrong >= _TRIES:
                self._spend(grant)
            return None
        self._spend(grant)
        token = secrets.token_urlsafe(24)
        self._session = (hashlib.sha256(token.encode()).digest(), grant)
        return token

    def admits(self, token: str) -> bool:
        """Whether a token is the session's, and its half hour is not over."""
        if self._session is None or not _valid(self._session[1]):
            self._session = None
            return False
        return hmac.compare_digest(hashlib.sha256(token.encode()).digest(), self._session[0])

    def may_change(self) -> bool:
        """Whether one more change is allowed now; counts it."""
        now_s = time.monotonic()
        if len(self._changes) == _CHANGES_PER_MINUTE and now_s - self._changes[0] < 60:
            return False
        self._changes.append(now_s)
        return True

    def _grant(self) -> Grant | None:
        """The grant that is waiting for its code."""
        try:
            with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                grant = msgspec.json.decode(file.read(4096), type=Grant)
        except (OSError, msgspec.MsgspecError):
            return None
        return grant if _valid(grant) and grant.code_sha256 != self._void else None

    def _spend(self, grant: Grant) -> None:
        self._void, self._wrong = grant.code_sha256, 0
        with suppress(OSError):
            self._path.unlink()


def _valid(grant: Grant) -> bool:
    left_ns = grant.until_ns - time.monotonic_ns()
    return 0 < left_ns <= MINUTES * 60 * NS and grant.boot_id == _boot_id()


def _boot_id() -> str:
    return _BOOT_ID.read_text(encoding="ascii").strip() if _BOOT_ID.exists() else ""


def _hash(code: str) -> str:
    letters = "".join(letter for letter in code.upper() if letter in _LETTERS)
    return hashlib.sha256(letters.encode()).hexdigest()
