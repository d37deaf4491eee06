"""How a collector reaches the broker: options as the device's `[mqtt]` has them, checked in the same way."""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path

from edge.errors import PublishError

_MAX_PASSWORD_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """A broker, and how to log in.

    Attributes:
        host, port: where it is.
        tls: use TLS; `ca_file` names the only authority to trust, else the system's are.
        username: "" for an anonymous session.
        password_file, cert_file, key_file: as `[mqtt]` of the device; secrets only their owner may read.
    """

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    username: str = ""
    password_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    @classmethod
    def at(cls, place: str, **options: object) -> Broker:
        """From `HOST:PORT`, such as `broker.example:8883` or `[::1]:1883`.

        Raises:
            PublishError: it is not that.
        """
        host, colon, port = place.rpartition(":")
        if not colon or not host.strip("[]") or not port.isdecimal() or not 0 < int(port) < 65536:
            raise PublishError(f"--broker: {place!r} is not HOST:PORT", "write it as broker.example:8883")
        return cls(host=host.strip("[]"), port=int(port), **options)  # type: ignore[arg-type]

    def password(self) -> str | None:
        """What the password file says, without the line's end.

        Raises:
            PublishError: it cannot be read, is empty, too long, or open to others.
        """
        if self.password_file is None:
            return None
        try:
            said = _secret(self.password_file, "--password-file").read_bytes()[: _MAX_PASSWORD_BYTES + 1]
            password = said.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise PublishError(f"--password-file: {self.password_file} is not UTF-8 text") from None
        if not password or len(said) > _MAX_PASSWORD_BYTES:
            message = f"--password-file: {self.password_file} is empty or larger than {_MAX_PASSWORD_BYTES} bytes"
            raise PublishError(message, "write the password into it")
        return password

    def context(self) -> ssl.SSLContext | None:
        """TLS 1.2 or later, the certificate and the host name always checked; None for plain text.

        Raises:
            PublishError: a file cannot be used.
        """
        if not self.tls and self.ca_file is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if self.ca_file is None:
                context.load_default_certs(ssl.Purpose.SERVER_AUTH)
            else:
                context.load_verify_locations(cafile=self.ca_file)
            if self.cert_file is not None and self.key_file is not None:
                context.load_cert_chain(self.cert_file, _secret(self.key_file, "--key-file"), password=lambda: b"")
        except PublishError:  # an OSError itself
            raise
        except OSError as error:
            files = " ".join(str(path) for path in (self.ca_file, self.cert_file, self.key_file) if path)
            raise PublishError(f"TLS with {files}: {getattr(error, 'reason', None) or error.strerror}") from error
        return context


def _secret(path: Path, option: str) -> Path:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise PublishError(f"{option}: {path} is not a regular file")
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise PublishError(f"{option}: {path} is open to other users of this machine", f"run: chmod 600 {path}")
        path.open("rb").close()
    except PublishError:
        raise
    except OSError as error:
        raise PublishError(f"{option}: {path} cannot be read ({error.strerror})") from error
    return path
