"""The gate before the socket: what passes, and that each planted leak does not."""

from __future__ import annotations

import base64
import json
import logging

import numpy as np
import paho.mqtt.client as paho
import pytest

from edge.publish.egress import EgressError, Gate
from edge.publish.example import BUSY, ORIGIN, example_health, example_statuses, example_windows
from edge.publish.payload import encode
from edge.publish.session import _GatedClient

WINDOW = encode(example_windows()[0])
TOPIC = ORIGIN.topic("window")


def _varint(number: int) -> bytes:
    out = b""
    while True:
        number, byte = divmod(number, 128)
        out += bytes([byte | (0x80 if number else 0)])
        if not number:
            return out


def _publish(topic: str, payload: bytes, *, qos: int = 1, properties: bytes = b"\0") -> bytes:
    body = len(topic).to_bytes(2, "big") + topic.encode() + (b"\0\1" if qos else b"") + properties + payload
    return bytes([0x30 | qos << 1]) + _varint(len(body)) + body


@pytest.fixture
def gate() -> Gate:
    return Gate(ORIGIN, properties=True)


def test_the_devices_own_messages_pass(gate):
    for kind, payloads in {
        "window": example_windows(), "status": example_statuses(), "health": [example_health()]
    }.items():  # fmt: skip
        for payload in payloads:
            gate.check(_publish(ORIGIN.topic(kind), encode(payload), qos=0 if kind == "health" else 1))
    gate.check(b"\xc0\x00")
    gate.check(b"\xe0\x02\x00\x00")


JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 4
THUMBNAIL = base64.b64encode(JPEG).decode()


def _with(**fields: object) -> bytes:
    return json.dumps(json.loads(WINDOW) | fields, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (_publish(TOPIC, _with(valence={"mean": 0.21000123, "std": 0.18})), "finer than"),
        (_publish(TOPIC, _with(scored_s=84.30000001)), "finer than"),
        (_publish(TOPIC, JPEG), "none of the contract's"),
        (_publish(TOPIC, WINDOW + b" " * 4000), "PUBLISH packet of"),
        (_publish(TOPIC, WINDOW + b" "), "something beside"),
        (_publish(TOPIC, _with(thumbnail=THUMBNAIL[:200])), "something beside"),
        (_publish(TOPIC, _with(model={"name": THUMBNAIL[:60], "version": 3, "sha256": "5e" * 32})), "none of the"),
        (_publish(TOPIC, _with(embedding=np.zeros(8).tolist())), "something beside"),
        (_publish("affect/v1/berlin/door/picture", WINDOW), "to a topic"),
        (_publish("affect/v1/berlin/till/window", WINDOW), "to a topic"),
        (_publish(TOPIC, WINDOW, properties=b"\x05\x26\x00\x00\x00\x00"), "with properties"),
        (b"\x82\x05\x00\x01\x00\x00\x00", "type 8"),
        (b"\xf0\x00", "type 15"),
        (b"\xc0\x01\x00", "type 12 with"),
        (b"\xe0" + _varint(500) + b"\0" * 500, "type 14 with"),
        (b"\x10" + _varint(9000) + b"\0" * 9000, "CONNECT packet of"),
        (b"", "no MQTT packet"),
        (b"\x30", "no MQTT packet"),
        (b"\x30\xff\xff\xff\xff\x7f", "no MQTT packet"),
        (b"\x30\x05abc", "no MQTT packet"),
    ],
)
def test_what_is_not_the_contracts_does_not_pass(gate, packet, why):
    with pytest.raises(EgressError, match=why) as caught:
        gate.check(packet)
    assert "/9j/" not in str(caught.value)  # it never shows what it stopped


def test_under_3_1_1_there_are_no_properties():
    Gate(ORIGIN, properties=False).check(_publish(TOPIC, WINDOW, properties=b""))


def test_a_leak_past_everything_else_stops_publishing_and_says_so(
    mosquitto, listen, make_publisher, until, monkeypatch, caplog
):
    """Also the proof that paho still shows each packet to the gate."""
    mosquitto.start()
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher()
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: len(listener.ids()) == 1)
    monkeypatch.setattr("edge.publish.mqtt.window_message", lambda *_, **__: paho_message())
    caplog.set_level(logging.INFO)
    publisher.publish(BUSY)
    until(lambda: any("publishing has stopped" in record.getMessage() for record in caplog.records))
    until(lambda: listener.states()[-1] == "offline")
    assert len(listener.payloads("window")) == 1
    assert outbox.counts().waiting == 1
    publisher.publish(BUSY)  # measuring goes on
    assert outbox.counts().waiting == 2
    assert not [message for message in listener.messages if b"\xff\xd8" in message.payload]


def paho_message():
    from edge.values import Message

    return Message(topic=TOPIC, payload=JPEG, qos=1)


def test_paho_has_the_method_that_the_gate_stands_in():
    assert "_packet_queue" in vars(paho.Client)
    assert "_packet_queue" in vars(_GatedClient)
