"""A connection that breaks between a message and its acknowledgement: the one case in which a window comes twice."""

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from edge.publish.example import BUSY


class Wire:
    """Stands between device and broker; on the first connection it swallows what the broker says after its hello."""

    def __init__(self, broker_port: int) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.cut = threading.Event()
        self.connections = 0
        self._broker_port = broker_port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self.cut.set()
        self._thread.join(5)
        self.server.close()

    def _serve(self) -> None:
        self.server.settimeout(0.1)
        while not self._over.is_set():
            try:
                device, _ = self.server.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with device, socket.create_connection(("127.0.0.1", self._broker_port)) as broker:
                self._relay(device, broker, deaf=self.connections == 1)

    def _relay(self, device: socket.socket, broker: socket.socket, *, deaf: bool) -> None:
        heard = 0
        while not self._over.is_set() and not (deaf and self.cut.is_set()):
            for end in select.select([device, broker], [], [], 0.05)[0]:
                data = end.recv(65536)
                if not data:
                    return
                if end is device:
                    broker.sendall(data)
                elif not deaf or heard == 0:
                    device.sendall(data)
                    heard += 1


@pytest.fixture
def wire(mosquitto) -> Iterator[Wire]:
    mosquitto.start()
    wire = Wire(mosquitto.port)
    try:
        yield wire
    finally:
        wire.close()


def test_a_window_without_acknowledgement_stays_owed_and_comes_again_under_the_same_id(
    wire, mosquitto, listen, make_publisher, until
):
    listener = listen(mosquitto.port)
    publisher, outbox = make_publisher(port=wire.port, epoch="00c0ffee")
    publisher.start()
    publisher.publish(BUSY)
    until(lambda: listener.ids() == ["door/00c0ffee/1"])
    assert outbox.counts().waiting == 1
    wire.cut.set()
    until(lambda: outbox.counts().waiting == 0)
    until(lambda: listener.ids() == ["door/00c0ffee/1"] * 2)
    assert publisher.counts().reconnects == 1
