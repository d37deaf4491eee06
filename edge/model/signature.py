"""Who made a bundle: an Ed25519 signature over the exact bytes of its manifest, and through its hashes over all of it.

`manifest.sig` is the 64 raw bytes, so OpenSSL can make and check it too. Nothing here signs.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from edge.errors import BundleError, ConfigError

SIGNATURE = "manifest.sig"
_LENGTH = 64


class PublicKey:
    """One trusted maker.

    Args:
        path: a PEM file, as `openssl pkey -pubout` writes it.

    Attributes:
        fingerprint: SHA-256 of the key in DER form, hex: what `openssl pkey -pubin -outform DER | sha256sum` prints.

    Raises:
        ConfigError: the file is missing or holds no Ed25519 public key, or the extra `signing` is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
            from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
        except ImportError as error:
            raise ConfigError(
                f"{path}: checking a signature needs the extra ({error})", fix="pip install 'affect-edge[signing]'"
            ) from error
        try:
            key: Any = load_pem_public_key(path.read_bytes())
        except OSError as error:
            raise ConfigError(f"{path}: the public key cannot be read ({error.strerror})") from error
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise ConfigError(f"{path}: no Ed25519 public key in PEM form", fix="write it with `openssl pkey -pubout`")
        self._path, self._key = path, key
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(der).hexdigest()

    def check(self, manifest: bytes, signature: bytes | None, where: Path) -> None:
        """Raises BundleError for a manifest's exact bytes that this key did not sign; `where` names the bundle."""
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise BundleError(f"{where}: is not signed (no {SIGNATURE}), and the public key given asks for it")
        if len(signature) != _LENGTH:
            raise BundleError(f"{where}: {SIGNATURE} is no Ed25519 signature ({len(signature)} bytes, not 64)")
        try:
            self._key.verify(signature, manifest)
        except InvalidSignature:
            raise BundleError(
                f"{where}: {SIGNATURE} is not by the key in {self._path}, or the manifest was changed since"
            ) from None
