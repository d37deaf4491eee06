"""Who made a bundle: an Ed25519 signature over the exact bytes of its manifest, and through its hashes over all of it.

`manifest.sig` is the 64 raw bytes, so OpenSSL can make and check it too. Nothing here signs.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from edge.config import ModelConfig
from edge.errors import BundleError, ConfigError

SIGNATURE = "manifest.sig"
RELEASE_KEYS = Path(__file__).parents[1] / "bundles" / "release.pem"  # docs/decisions/0063-signed-by-the-release.md
_LENGTH = 64
_PEM = re.compile(rb"-----BEGIN [^-]*-----.*?-----END [^-]*-----", re.DOTALL)


def trusted_keys(model: ModelConfig) -> list[Path]:
    """The keys one of which must have signed a bundle from outside; none: it may be unsigned."""
    own = [Path(model.public_key)] if model.public_key else []
    return [] if model.allow_unsigned and not own else [RELEASE_KEYS, *own]


class PublicKeys:
    """Trusted makers.

    Args:
        paths: PEM files, as `openssl pkey -pubout` writes them; one may hold several keys.

    Attributes:
        fingerprints: SHA-256 of each key in DER form, hex: what `openssl pkey -pubin -outform DER | sha256sum` prints.

    Raises:
        ConfigError: a file is missing, or holds something else than Ed25519 public keys.
    """

    def __init__(self, *paths: Path) -> None:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

        self._paths, self._keys = paths, []
        for path in paths:
            try:
                found = [load_pem_public_key(part) for part in _PEM.findall(path.read_bytes())]
            except OSError as error:
                raise ConfigError(f"{path}: the public key cannot be read ({error.strerror})") from error
            except (ValueError, UnsupportedAlgorithm):
                found = []
            keys = [key for key in found if isinstance(key, Ed25519PublicKey)]
            if not keys or len(keys) < len(found):
                fix = "write it with `openssl pkey -pubout`"
                raise ConfigError(f"{path}: no Ed25519 public key in PEM form", fix=fix)
            self._keys += keys
        ders = [key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for key in self._keys]
        self.fingerprints = [hashlib.sha256(der).hexdigest() for der in ders]

    def find(self, manifest: bytes, signature: bytes) -> str | None:
        """The fingerprint of the key that signed a manifest's exact bytes; None if none of these did."""
        from cryptography.exceptions import InvalidSignature

        for key, fingerprint in zip(self._keys, self.fingerprints, strict=True):
            try:
                key.verify(signature, manifest)
            except InvalidSignature:
                continue
            return fingerprint
        return None

    def check(self, manifest: bytes, signature: bytes | None, where: Path) -> str:
        """As `find`; raises BundleError for what none of these keys signed. `where` names the bundle."""
        fix = "name its maker's key in model.public_key, or set `allow_unsigned = true` under [model]"
        if signature is None:
            raise BundleError(f"{where}: is not signed (no {SIGNATURE})", fix)
        if len(signature) != _LENGTH:
            raise BundleError(f"{where}: {SIGNATURE} is no Ed25519 signature ({len(signature)} bytes, not 64)")
        found = self.find(manifest, signature)
        if found is None:
            names = ", ".join(map(str, self._paths))
            raise BundleError(f"{where}: {SIGNATURE} is by no key in {names}, or the manifest was changed since", fix)
        return found
