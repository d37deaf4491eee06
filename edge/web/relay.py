"""From the local network to the page on loopback, over TLS, while `affect-edge setup` runs.

The service itself never listens on a network. This passes bytes on and looks at none of them.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import socket
import ssl
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_MOST, _MOST_EACH = 24, 8  # connections, and of one address
_HANDSHAKE_S = 5.0
_CHUNK = 64 * 1024
_ERRORS = (OSError, asyncio.IncompleteReadError)


def make_context(names: Sequence[str], minutes: int) -> tuple[ssl.SSLContext, str]:
    """A TLS context with a fresh certificate for addresses and names, and the certificate's SHA-256 fingerprint.

    The key lies in a private temporary folder only until OpenSSL has read it.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "affect-edge setup")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))  # the clocks of phone and device may differ
        .not_valid_after(now + datetime.timedelta(days=1, minutes=minutes))
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    with tempfile.TemporaryDirectory(prefix="affect-setup-") as folder:
        file = Path(folder, "key-and-certificate.pem")
        file.touch(0o600)
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
        file.write_bytes(private + certificate.public_bytes(pem))
        context.load_cert_chain(file)
    return context, certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _name(name: str) -> Any:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def listen(address: str, port: int) -> socket.socket:
    """A socket on an address of this machine. Raises OSError where it cannot be had."""
    return socket.create_server((address, port), backlog=16)


async def relay(listener: socket.socket, context: ssl.SSLContext, page: tuple[str, int], seconds: float) -> None:
    """Passes connections on to the page for so many seconds."""
    open_now: Counter[str] = Counter()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = writer.get_extra_info("peername")[0]
        task = asyncio.current_task()
        if task is None or open_now[who] >= _MOST_EACH or open_now.total() >= _MOST:
            writer.transport.abort()
            return
        open_now[who] += 1
        tasks.add(task)
        try:
            with suppress(*_ERRORS):
                inner_reader, inner_writer = await asyncio.open_connection(*page)
                await _both(
                    asyncio.ensure_future(_pump(reader, inner_writer)),
                    asyncio.ensure_future(_pump(inner_reader, writer)),
                )
        finally:
            open_now[who] -= 1
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, sock=listener, ssl=context, ssl_handshake_timeout=_HANDSHAKE_S)
    try:
        await asyncio.sleep(seconds)
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _both(*pumps: asyncio.Future[None]) -> None:
    """Until one side ends, and what it said has been passed on."""
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    except _ERRORS:
        pass
    finally:
        with suppress(*_ERRORS):
            writer.close()
            await writer.wait_closed()
