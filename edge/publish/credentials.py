"""Who the device is to the broker: TLS context, user name and password, read once from their files.

Nothing here is ever logged. A missing or careless file is fatal at start, with its name and the cure.
"""

from __future__ import annotations

import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import MqttConfig
from edge.errors import PublishError

_MAX_PASSWORD_BYTES = 1024
# What others may do with a secret's file. The group is let in on purpose: packages give a service its secrets as
# root:<group> 0640, and systemd's LoadCredential shows an access list there (systemd 252, checked 2026-11).
_OTHERS = stat.S_IROTH | stat.S_IWOTH


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a session needs to be let in; empty `username` for an anonymous one, no `tls` for plain text."""

    username: str = ""
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


def load_credentials(config: MqttConfig) -> Credentials:
    """Reads everything that the configuration names.

    Raises:
        PublishError: names the file and what is wrong with it.
    """
    return Credentials(
        username=config.username,
        password=_read_password(Path(config.password_file)) if config.password_file else None,
        tls=_tls_context(config) if config.tls else None,
    )


def _read_password(path: Path) -> str:
    _check_secret(path, "mqtt.password_file")
    data = path.read_bytes()
    if len(data) > _MAX_PASSWORD_BYTES:
        raise PublishError(f"mqtt.password_file: {path} is larger than {_MAX_PASSWORD_BYTES} bytes")
    try:
        password = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise PublishError(f"mqtt.password_file: {path} is not UTF-8 text") from None
    if not password:
        raise PublishError(f"mqtt.password_file: {path} is empty; write the password into it")
    return password


class _TidySocket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho 2.2.0 leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def _tls_context(config: MqttConfig) -> ssl.SSLContext:
    """TLS 1.2 or later, the broker's certificate and host name always checked; there is no switch to turn that off."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # checks certificate and host name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TidySocket
    if not config.ca_file:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        # Only this authority, not the system's as well: a broker with a private one shall not be
        # impersonated with a certificate that any public one signed.
        try:
            context.load_verify_locations(cafile=config.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise PublishError(f"mqtt.ca_file: {config.ca_file} {_reason(error)}") from error
    if config.cert_file:
        _check_secret(Path(config.key_file), "mqtt.key_file")
        try:
            # An empty password instead of OpenSSL's question on the terminal, which would hang a service.
            context.load_cert_chain(config.cert_file, config.key_file, password=lambda: b"")
        except (OSError, ssl.SSLError) as error:
            raise PublishError(f"mqtt.cert_file: {config.cert_file} with {config.key_file} {_reason(error)}") from error
    return context


def _check_secret(path: Path, key: str) -> None:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would block for ever, a folder says nothing
            raise PublishError(f"{key}: {path} is not a regular file")
        if mode & _OTHERS:
            raise PublishError(f"{key}: {path} is open to every user of this machine; run: chmod o-rwx {path}")
        with path.open("rb"):
            pass
    except OSError as error:
        if isinstance(error, PublishError):  # itself an OSError, through ConnectionError
            raise
        raise PublishError(f"{key}: {path} cannot be read ({error.strerror})") from error


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used ({error.reason or 'not a PEM file, or its key does not fit or has a password'})"
    return f"cannot be read ({error.strerror})"
