"""TLS 1.3 as it was sent, read again with the noted session keys: every byte of every record.

Knows the records that the device's OpenSSL writes: one ClientHello, the change of cipher, `Finished`, application data
and the closing alert. Anything else raises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

_CHANGE, _ALERT, _HANDSHAKE, _DATA = 20, 21, 22, 23
_FINISHED = 20
_TAG_BYTES = 16
# Extensions of a ClientHello that hold nothing but names of algorithms, with those that hold less.
_PLAIN_EXTENSIONS = {10, 11, 13, 22, 23, 27, 35, 43, 45, 49, 50}
_SERVER_NAME, _PADDING, _KEY_SHARE, _RENEGOTIATION = 0, 21, 51, 65281
_RANDOM_BYTES = 32


class TlsError(ValueError):
    """Bytes on a TLS connection that are not what TLS sends; says what, never which."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the stream and what it is; `data` is set for what lay above TLS."""

    what: str
    size: int
    data: bytes = b""


def read_keys(text: str) -> dict[tuple[str, str], bytes]:
    """Secrets by label and the connection's random number, from the lines that OpenSSL notes.

    Raises:
        TlsError: a line is none of those.
    """
    keys = {}
    for line in text.splitlines():
        if line.startswith("# TLS secrets log file"):
            continue
        label, _, rest = line.partition(" ")
        random, _, secret = rest.partition(" ")
        try:
            value = bytes.fromhex(secret)
            known = label.endswith(("_SECRET", "_SECRET_0")) and len(bytes.fromhex(random)) == _RANDOM_BYTES
        except ValueError:
            known = False
        if not known or len(value) not in (32, 48):
            raise TlsError("a line in the key log that OpenSSL does not write")
        keys[label, random] = value
    return keys


def read_stream(stream: bytes, keys: dict[tuple[str, str], bytes], host: str) -> Iterator[Part]:
    """All parts of what a client sent over one connection; their sizes add up to the stream's.

    Raises:
        TlsError: something that TLS did not send, at the place where the parts end.
    """
    where, random = 0, ""
    openers: dict[str, _Opener] = {}
    phase = "hello"
    while where < len(stream):
        head = stream[where : where + 5]
        size = int.from_bytes(head[3:5], "big")
        body = stream[where + 5 : where + 5 + size]
        if len(head) < 5 or head[1] != 3 or head[2] not in (1, 3) or len(body) != size:
            raise TlsError("bytes that are no TLS record")
        yield Part("TLS record headers", 5)
        if head[0] == _HANDSHAKE and phase == "hello":
            random = body[6 : 6 + _RANDOM_BYTES].hex()
            yield from _read_hello(body, host)
            phase = "change"
        elif head[0] == _CHANGE and body == b"\1" and phase == "change":
            yield Part("TLS handshake", 1)
            phase = "handshake"
        elif head[0] == _DATA and phase in ("handshake", "data"):
            label = "CLIENT_HANDSHAKE_TRAFFIC_SECRET" if phase == "handshake" else "CLIENT_TRAFFIC_SECRET_0"
            if label not in openers:
                secret = keys.get((label, random))
                if secret is None:
                    raise TlsError("a connection whose keys TLS did not note")
                openers[label] = _opener(secret, head, body)
            clear = openers[label](head, body)
            kind, content = clear[-1], clear[:-1]
            yield Part("TLS types and authentication tags", 1 + _TAG_BYTES)
            yield from _read_clear(kind, content, phase)
            phase = "data"
        else:
            raise TlsError(f"a TLS record of type {head[0]} that does not belong there")
        where += 5 + size


def _read_clear(kind: int, content: bytes, phase: str) -> Iterator[Part]:
    if phase == "handshake":
        if kind != _HANDSHAKE or content[:2] != bytes([_FINISHED, 0]) or len(content) not in (36, 52):
            raise TlsError("a handshake message that is not `Finished`")
        yield Part("TLS handshake", len(content))
    elif kind == _ALERT and content == b"\1\0":
        yield Part("TLS closing alert", 2)
    elif kind == _DATA:
        yield Part("", len(content), content)
    else:
        raise TlsError(f"a TLS message of type {kind} that the device has no use for")


def _opener(secret: bytes, head: bytes, body: bytes) -> _Opener:
    """What opens a direction's records; which cipher was agreed shows at the first one."""
    algorithm = hashes.SHA384() if len(secret) == 48 else hashes.SHA256()
    ciphers: list[tuple[type[AESGCM] | type[ChaCha20Poly1305], int]] = [(AESGCM, 32)]
    if len(secret) == 32:
        ciphers = [(AESGCM, 16), (ChaCha20Poly1305, 32)]
    start = _derive(secret, algorithm, b"iv", 12)
    for cipher, size in ciphers:
        lock = cipher(_derive(secret, algorithm, b"key", size))
        try:
            lock.decrypt(start, body, head)
        except InvalidTag:
            continue
        return _Opener(lock, start)
    raise TlsError("a record that TLS did not encrypt")


class _Opener:
    """Decrypts one record after the other; their numbers are part of the nonce."""

    def __init__(self, lock: AESGCM | ChaCha20Poly1305, start: bytes) -> None:
        self._lock, self._nonce, self._count = lock, int.from_bytes(start, "big"), 0

    def __call__(self, head: bytes, body: bytes) -> bytes:
        nonce = (self._nonce ^ self._count).to_bytes(12, "big")
        self._count += 1
        try:
            return self._lock.decrypt(nonce, body, head)
        except InvalidTag:
            raise TlsError("a record that TLS did not encrypt") from None


def _derive(secret: bytes, algorithm: hashes.HashAlgorithm, label: bytes, size: int) -> bytes:
    """HKDF-Expand-Label of RFC 8446, section 7.1, with an empty context."""
    name = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    return HKDFExpand(algorithm=algorithm, length=size, info=info).derive(secret)


def _key_sizes(data: bytes) -> Iterator[int]:
    """Bytes of each public key in a ClientHello: one, or two where one of them withstands quantum computers."""
    at = 2
    while at < len(data):
        size = int.from_bytes(data[at + 2 : at + 4], "big")
        yield size
        at += 4 + size


def _read_hello(body: bytes, host: str) -> Iterator[Part]:
    """A ClientHello; its random numbers are the only bytes of it that are not fixed by name or length."""
    if body[0] != 1 or int.from_bytes(body[1:4], "big") != len(body) - 4 or body[4:6] != b"\3\3":
        raise TlsError("a first TLS message that is no ClientHello")
    where = 6 + _RANDOM_BYTES
    loose = _RANDOM_BYTES + body[where]
    where += 1 + body[where]
    where += 2 + int.from_bytes(body[where : where + 2], "big")  # cipher suites
    where += 1 + body[where]  # compression methods
    end = where + 2 + int.from_bytes(body[where : where + 2], "big")
    where += 2
    if end != len(body):
        raise TlsError("a ClientHello with something behind it")
    while where < end:
        kind, size = (int.from_bytes(body[where + at : where + at + 2], "big") for at in (0, 2))
        data = body[where + 4 : where + 4 + size]
        if kind == _SERVER_NAME:
            if data[5:].decode("ascii", "replace") != host:
                raise TlsError("a ClientHello that names another host")
        elif kind == _PADDING:
            if any(data):
                raise TlsError("a ClientHello whose padding is not zero")
        elif kind == _KEY_SHARE:
            loose += sum(_key_sizes(data))
        elif kind == _RENEGOTIATION:  # OpenSSL 3.5 says so what older ones say with a cipher's number
            if data != b"\0":
                raise TlsError("a ClientHello that renegotiates")
        elif kind not in _PLAIN_EXTENSIONS or size > 128:
            raise TlsError(f"a ClientHello with extension {kind}")
        where += 4 + size
    yield Part("TLS random numbers and public keys", loose)
    yield Part("TLS handshake", len(body) - loose)
