"""The experiment: a real Mosquitto with TLS on loopback, a service manager's socket, and the device under strace."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import paho.mqtt.client as paho
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

import edge
from benchmarks.egress.calls import Call, read_calls
from benchmarks.egress.tracing import trace_command
from benchmarks.ports import hold_port, port_of
from convert.errors import DataError
from edge.config import Config, load_config
from edge.errors import AssetError, EdgeError
from edge.model.assets import BLAZEFACE, find_asset

HOST = "localhost"
PASSWORD = "egress-laboratory"  # noqa: S105 - of a broker that lives for seconds, on loopback
LAUNCHER = Path(__file__).with_name("launcher.py")
_LAST_WORD_S = 3.0
_ONE_DAY = dt.timedelta(days=1)
_CONFIG = """\
[device]
site = "laboratory"
name = "witness"
tags = {{ zone = "entrance" }}
[camera]
backend = "replay"
path = {video}
pace = "{pace}"
[window]
window_s = 10
min_people = 3
[mqtt]
host = "{host}"
port = {port}
tls = true
ca_file = "ca.pem"
username = "witness"
password_file = "password"
keepalive_s = 5
bytes_per_minute = 65536
[outbox]
path = "outbox.db"
hold_unsynced_s = 0
"""


class BrokerMissingError(EdgeError, OSError):
    """There is no Mosquitto to send to."""

    exit_code = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run of the device, as it was seen from outside.

    Attributes:
        folder: where it ran; holds the configuration and the outbox.
        config: what it was told.
        calls: its system calls, in order.
        keys: what TLS noted of its sessions.
        heard: topics and payloads that a subscriber of the broker received.
        exit_code, seconds: how it ended, and after how long.
        command: what was run, without paths of this machine.
    """

    folder: Path
    config: Config
    calls: list[Call]
    keys: str
    heard: list[tuple[str, bytes]]
    exit_code: int
    seconds: float
    command: str


def find_mosquitto() -> str:
    """Where the broker is.

    Raises:
        BrokerMissingError: it is not installed.
    """
    found = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if found is None:
        raise BrokerMissingError("mosquitto is not installed; run: apt-get install mosquitto")
    return found


def record(
    video: Path,
    folder: Path,
    *,
    pace: str = "fast",
    launcher: Path = LAUNCHER,
    more: Mapping[str, str] | None = None,
    timeout_s: float | None = None,
) -> Recording:
    """Runs the device on a video until its end, and keeps everything that it did.

    Args:
        video: a file that `edge` can replay.
        folder: an empty folder for the run; belongs to the caller.
        pace: `fast`, or `file` for the video's own time.
        launcher: what starts `edge`; another one plants leaks.
        more: environment variables for such a launcher.
        timeout_s: after so long a run is ended as stuck; None for a video of any length.

    Raises:
        DataError: the video is not there, or the run never ended.
        AssetError: the face detector's file is not there.
        BrokerMissingError: there is no Mosquitto.
    """
    if not video.is_file():
        raise DataError(f"{video}: no such file; give a video, or leave it out for the drawn scene")
    detector = find_asset(BLAZEFACE)
    if detector is None:
        raise AssetError(f"{BLAZEFACE.name}: not on this machine; run `affect-edge fetch`")
    with (
        hold_port() as held,
        _broker(folder, port_of(held)) as port,
        _manager(folder / "notify"),
        _subscriber(port, folder) as heard,
    ):
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o600)
        (folder / "home").mkdir()
        text = _CONFIG.format(video=json.dumps(str(video.resolve())), pace=pace, host=HOST, port=port)
        (folder / "config.toml").write_text(text, encoding="utf-8")
        command = ["-B", str(launcher), "run", "--config", "config.toml"]
        environment = {
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "HOME": str(folder / "home"),
            "PYTHONPATH": str(Path(edge.__file__).resolve().parents[1]),
            "AFFECT_EDGE_ASSETS": str(detector.parent),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "EGRESS_KEYS": str(folder / "keys"),
        } | dict(more or {})
        begun_s = time.monotonic()
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            process = subprocess.Popen(
                trace_command(folder / "trace", [sys.executable, *command]),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                exit_code = process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                raise DataError(f"{video.name}: the device did not reach its end within {timeout_s:.0f} s") from None
            finally:
                if process.poll() is None:  # strace's end alone would set the device free
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        seconds = time.monotonic() - begun_s
        # The device's last word, or the broker's for it; what was sent before has come before.
        until_s = time.monotonic() + _LAST_WORD_S
        while not any(b'"offline"' in payload for _, payload in heard) and time.monotonic() < until_s:
            time.sleep(0.02)
    keys = folder / "keys"
    return Recording(
        folder=folder,
        config=load_config(folder / "config.toml"),
        calls=read_calls(folder, "trace"),
        keys=keys.read_text("ascii") if keys.exists() else "",
        heard=list(heard),
        exit_code=exit_code,
        seconds=seconds,
        command="edge run --config config.toml",
    )


@contextmanager
def _broker(folder: Path, port: int) -> Iterator[int]:
    """Mosquitto with TLS 1.3 on a port of the loopback; yields the port."""
    program = find_mosquitto()
    write_certificate(folder)
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "tls_version tlsv1.3", "log_type error"]
    lines += [f"cafile {folder}/ca.pem", f"certfile {folder}/ca.pem", f"keyfile {folder}/ca.key"]
    lines += ["user root"] if os.geteuid() == 0 else []
    (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n")
    with (folder / "mosquitto.log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stdout=log, stderr=log)
    try:
        until_s = time.monotonic() + 10
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > until_s:
                raise BrokerMissingError(f"mosquitto did not start: {(folder / 'mosquitto.log').read_text()[:200]}")
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait(5)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextmanager
def _manager(path: Path) -> Iterator[None]:
    """The socket on which a service manager listens for READY, WATCHDOG and STOPPING; nobody has to read it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        yield


@contextmanager
def _subscriber(port: int, folder: Path) -> Iterator[list[tuple[str, bytes]]]:
    """Anyone who subscribes to everything; yields what arrives."""
    heard: list[tuple[str, bytes]] = []
    ready: list[bool] = []
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set(str(folder / "ca.pem"))
    client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: ready.append(True)
    client.on_message = lambda _client, _data, message: heard.append((message.topic, bytes(message.payload)))
    client.connect(HOST, port)
    client.loop_start()
    try:
        until_s = time.monotonic() + 10
        while not ready and time.monotonic() < until_s:
            time.sleep(0.01)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()
        client.on_connect = client.on_subscribe = client.on_message = None


def write_certificate(folder: Path) -> None:
    """A throw-away certificate that signs itself, for the loopback."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.timezone.utc)
    places = x509.SubjectAlternativeName([x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + _ONE_DAY)
        .add_extension(places, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.key").write_bytes(private)
    (folder / "ca.key").chmod(0o600)
