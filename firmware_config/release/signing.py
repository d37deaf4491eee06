"""Signatures of a release, by GnuPG: the one kind that apt checks."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firmware_config.errors import PackageError


class Signer:
    """One OpenPGP key.

    Args:
        key: fingerprint or address of a key with a private half.
        home: GnuPG's folder; None for the user's own.

    Raises:
        PackageError: GnuPG is not here, or has no such key.
    """

    def __init__(self, key: str, home: Path | None = None) -> None:
        self._home = home
        found = self._gpg("--with-colons", "--list-secret-keys", key, what=f"--key {key}: no private key of that name")
        self.fingerprint = next(line.split(":")[9] for line in found.splitlines() if line.startswith("fpr:"))

    def clear_sign(self, text: Path, out: Path) -> None:
        """Writes a file with its signature around it."""
        self._sign("--clearsign", text, out)

    def detach(self, text: Path, out: Path) -> None:
        """Writes the signature alone, in ASCII."""
        self._sign("--detach-sign", text, out)

    def public_key(self) -> str:
        """The key's public half, in ASCII."""
        return self._gpg("--armor", "--export", self.fingerprint, what="the public key cannot be written")

    def _sign(self, how: str, text: Path, out: Path) -> None:
        options = ["--yes", "--armor", "--digest-algo=SHA256", f"--local-user={self.fingerprint}"]
        self._gpg(*options, f"--output={out}", how, str(text), what=f"{text}: cannot be signed")

    def _gpg(self, *arguments: str, what: str) -> str:
        return run_gpg(*arguments, what=what, home=self._home)


@contextmanager
def draft_signer() -> Iterator[Signer]:
    """A key that is made now and gone afterwards, for trying a release out."""
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # short: GnuPG's socket lies in it
    try:
        name = "affect-edge draft <draft@example.org>"
        options = ["--passphrase=", "--pinentry-mode=loopback", "--quick-generate-key", name, "ed25519", "sign", "1d"]
        run_gpg(*options, what="a key cannot be made", home=home)
        yield Signer("draft@example.org", home)
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def run_gpg(*arguments: str, what: str, home: Path | None = None) -> str:
    """What gpg prints.

    Raises:
        PackageError: it is not here, or fails; the message begins with `what`.
    """
    environment = {**os.environ, **({"GNUPGHOME": str(home)} if home else {})}
    try:
        done = subprocess.run(
            ["gpg", "--batch", *arguments], capture_output=True, text=True, check=False, env=environment
        )
    except OSError as error:
        raise PackageError(f"gpg: {error.strerror}", "apt-get install gnupg") from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise PackageError(f"{what} ({said[0][:300]})")
    return done.stdout
