import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from edge.publish.example import BUSY, QUIET

SUBSCRIBER = Path(__file__).parents[3] / "examples" / "subscriber.py"


@pytest.fixture
def subscriber(mosquitto, tmp_path, until):
    """Runs the example as its own program; gives a function that reads its table."""
    mosquitto.start()
    path = tmp_path / "windows.db"
    process = subprocess.Popen([sys.executable, SUBSCRIBER, "127.0.0.1", str(mosquitto.port), path])

    def rows() -> list[tuple[str, str]]:
        assert process.poll() is None
        if not path.exists():
            return []
        connection = sqlite3.connect(path)
        try:
            return connection.execute("SELECT id, body FROM windows ORDER BY id").fetchall()
        except sqlite3.OperationalError:  # not made yet
            return []
        finally:
            connection.close()

    log = tmp_path / "mosquitto.log"
    until(lambda: "affect-subscriber" in log.read_text())
    try:
        yield rows
    finally:
        process.terminate()
        process.wait(5)


def test_the_example_stores_each_window_and_a_second_delivery_changes_nothing(
    subscriber, mosquitto, make_publisher, until, listen
):
    publisher, outbox = make_publisher(epoch="00c0ffee")
    publisher.start()
    publisher.publish(BUSY)
    publisher.publish(QUIET)
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: len(subscriber()) == 2)
    stored = subscriber()
    assert [row[0] for row in stored] == ["door/00c0ffee/1", "door/00c0ffee/2"]

    listener = listen(mosquitto.port)
    _send(mosquitto.port, [json.dumps(json.loads(body) | {"historical": True}) for _, body in stored])
    until(lambda: len(listener.ids()) == 2)
    marker = make_publisher(epoch="0000beef")[0]  # its window comes after them: once it is stored, they were seen
    marker.start()
    marker.publish(BUSY)
    until(lambda: len(subscriber()) == 3)
    assert [row for row in subscriber() if "beef" not in row[0]] == stored


def _send(port: int, payloads: list[str]) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    for payload in payloads:
        client.publish("affect/v1/berlin/door/window", payload, qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def test_the_example_is_short():
    code = [line for line in SUBSCRIBER.read_text().splitlines() if line.strip()]
    assert len(code) <= 25
