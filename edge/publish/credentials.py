"""TLS context, user name and password for the broker, read once at start; nothing of it is logged."""

from __future__ import annotations

import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from pathlib import Path

from edge.config import CREDENTIAL, MqttConfig
from edge.errors import PublishError

_MAX_PASSWORD_BYTES = 1024
_GIVEN = Path("/run/credentials")  # of systemd, a folder for each unit
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
# Rights that a secret's file may not give. In systemd's folder the group's bits stand for an access list of the
# service's user (systemd 252, checked 2026-11), so only the others' count there.
_FOREIGN, _OTHERS = stat.S_IRWXG | stat.S_IRWXO, stat.S_IRWXO


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to log in; empty `username` for an anonymous session, no `tls` for plain text."""

    username: str = ""
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = None


def load_credentials(config: MqttConfig) -> Credentials:
    """Reads the configured files; a PublishError names the file and what is wrong with it."""
    return Credentials(
        username=config.username,
        password=_read_password(config.password_file) if config.password_file else None,
        tls=_tls_context(config) if config.tls else None,
    )


def _read_password(value: str) -> str:
    path = _secret(value, "mqtt.password_file")
    data = path.read_bytes()
    if len(data) > _MAX_PASSWORD_BYTES:
        raise PublishError(f"mqtt.password_file: {path} is larger than {_MAX_PASSWORD_BYTES} bytes")
    try:
        password = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise PublishError(f"mqtt.password_file: {path} is not UTF-8 text") from None
    if not password:
        raise PublishError(f"mqtt.password_file: {path} is empty", fix="write the password into it")
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
    """TLS 1.2 or later; the broker's certificate and host name are always checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TidySocket
    if not config.ca_file:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:  # only this authority: no public one can sign for a broker with a private one
        authority = _place(config.ca_file, "mqtt.ca_file")
        try:
            context.load_verify_locations(cafile=authority)
        except OSError as error:
            raise PublishError(f"mqtt.ca_file: {authority} {_reason(error)}") from error
    if config.cert_file:
        certificate, key = _place(config.cert_file, "mqtt.cert_file"), _secret(config.key_file, "mqtt.key_file")
        try:  # with an empty password, or OpenSSL would ask for one on the terminal
            context.load_cert_chain(certificate, key, password=lambda: b"")
        except OSError as error:
            raise PublishError(f"mqtt.cert_file: {certificate} with {key} {_reason(error)}") from error
    return context


def _place(value: str, key: str) -> Path:
    """The path of a configured file, which may be one of systemd's credentials."""
    if not value.startswith(CREDENTIAL):
        return Path(value)
    name, folder = value.removeprefix(CREDENTIAL), os.environ.get("CREDENTIALS_DIRECTORY", "")
    if not _NAME.fullmatch(name):
        fix = "a name has letters, digits, '_', '.' and '-'"
        raise PublishError(f"{key}: {value!r} is not {CREDENTIAL}NAME", fix=fix)
    if not folder:
        fix = f"in the service's unit, write LoadCredential={name}:PATH"
        raise PublishError(f"{key}: no credentials are given to this process", fix=fix)
    return Path(folder) / name


def _secret(value: str, key: str) -> Path:
    """The path of a readable file that only its owner can open."""
    path = _place(value, key)
    given = value.startswith(CREDENTIAL) or path.is_relative_to(_GIVEN)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a pipe would block for ever
            raise PublishError(f"{key}: {path} is not a regular file")
        if mode & (_OTHERS if given else _FOREIGN):
            raise PublishError(f"{key}: {path} is open to other users of this machine", fix=f"run: chmod 600 {path}")
        path.open("rb").close()
    except PublishError:  # an OSError itself
        raise
    except OSError as error:
        raise PublishError(f"{key}: {path} cannot be read ({error.strerror})") from error
    return path


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return f"cannot be used ({error.reason or 'not a PEM file, or its key does not fit or has a password'})"
    return f"cannot be read ({error.strerror})"
