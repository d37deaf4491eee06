"""Signs a bundle's manifest with an Ed25519 key, which stays in its file; a device only ever sees the public half."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from convert.errors import DataError


class Signer:
    """The holder of one private key.

    Args:
        path: PEM file without a passphrase, as `openssl genpkey -algorithm ed25519` writes it.

    Raises:
        DataError: the file is missing or holds no such key, or the extra `signing` is not installed.
    """

    def __init__(self, path: Path) -> None:
        try:
            from cryptography.exceptions import UnsupportedAlgorithm
            from cryptography.hazmat.primitives import serialization
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        except ImportError as error:
            raise DataError(f"--sign: needs the extra ({error}); pip install 'affect-edge[signing]'") from error
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
        self._key = key
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._fingerprint = hashlib.sha256(public).hexdigest()

    @property
    def fingerprint(self) -> str:
        """As the device tells it: SHA-256 of the public key in DER form, hex."""
        return self._fingerprint

    def sign(self, manifest: bytes) -> bytes:
        """The signature of a manifest's exact bytes, 64 bytes."""
        signature: bytes = self._key.sign(manifest)
        return signature
