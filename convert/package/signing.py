"""Signs a bundle's manifest with an Ed25519 key; a device only ever sees the public half."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from convert.errors import DataError
from edge.memory import seal_memory
from edge.model.bundle import default_bundle, load_bundle
from edge.model.signature import RELEASE_KEYS, SIGNATURE
from edge.version import VERSION

_HEADING = """\
# Public keys of affect-edge's releases. Each private half signed the bundles of its release and was written nowhere.
"""
_KEY = re.compile(r"# release (\S+)\n(-----BEGIN PUBLIC KEY-----\n.*?-----END PUBLIC KEY-----\n)", re.DOTALL)


class Signer:
    """The holder of one private key.

    Args:
        path: PEM file without a passphrase, as `openssl genpkey -algorithm ed25519` writes it. None: a new key, which
            is gone with this process.

    Raises:
        DataError: the file is missing or holds no such key.
    """

    def __init__(self, path: Path | None) -> None:
        self._key = _read(path) if path else Ed25519PrivateKey.generate()
        public, form = self._key.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
        self.fingerprint = hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).hexdigest()
        self.public_pem = public.public_bytes(serialization.Encoding.PEM, form).decode()

    def sign(self, manifest: bytes) -> bytes:
        """The signature of a manifest's exact bytes, 64 bytes."""
        return self._key.sign(manifest)


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key: Any = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise DataError(f"--sign: {path} cannot be read ({error.strerror})") from error
    except TypeError:  # cryptography's way to say that the key is encrypted
        raise DataError(
            f"--sign: {path} has a passphrase; decrypt it for the moment with `openssl pkey`, or sign with openssl"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"--sign: {path} is no Ed25519 private key; make one: openssl genpkey -algorithm ed25519")
    return key


def sign_release(
    archives: Path, *, shipped: Path | None = None, keys: Path = RELEASE_KEYS, version: str = VERSION
) -> tuple[str, list[Path]]:
    """Makes a key, signs every bundle of this release with it, and forgets its private half.

    Its public half joins `keys`, in place of an earlier one of the same version; those of earlier versions stay, so
    that what they signed still runs.

    Args:
        archives: folder of the bundles beside the shipped one, as ZIP.
        shipped: folder of the one in the wheel; None: its own.
        keys: the file of public keys that ships.
        version: of this release.

    Returns:
        The key's fingerprint, and what was signed.

    Raises:
        DataError: this machine could swap the key out to a disk.
        BundleError: a bundle is broken.
    """
    from convert.package.packing import write_zip

    if not seal_memory():
        raise DataError("--release: the key could be swapped out to a disk here; run `swapoff -a` or as root")
    signer, signed = Signer(None), [shipped or default_bundle(), *sorted(archives.glob("*.zip"))]
    for path in signed:
        bundle = load_bundle(path)
        signature = signer.sign(bundle.raw)
        if path.is_dir():
            (path / SIGNATURE).write_bytes(signature)
            continue
        with TemporaryDirectory() as folder:
            for name, data in {**bundle.contents, SIGNATURE: signature}.items():
                (Path(folder) / name).write_bytes(data)
            write_zip(Path(folder), path)
    known = keys.read_text() if keys.exists() else ""
    earlier = _KEY.findall(known)
    kept = [(version, signer.public_pem), *((name, pem) for name, pem in earlier if name != version)]
    keys.write_text(_HEADING + "".join(f"\n# release {name}\n{pem}" for name, pem in kept))
    for path in signed:
        load_bundle(path, keys)
    return signer.fingerprint, signed
