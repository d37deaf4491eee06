import builtins
import logging
import threading
import time

import pytest

from edge.demo.broker import EmbeddedBroker
from edge.errors import EdgeError
from edge.publish import session

pytest.importorskip("amqtt", reason="needs the demo extra: pip install amqtt")


def test_windows_and_status_pass_through_the_embedded_broker(listen, make_publisher, until, put, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with EmbeddedBroker() as broker:
        listener = listen(broker.port)
        publisher, outbox = make_publisher(port=broker.port, protocol="3.1.1")
        publisher.start()
        for _ in range(20):
            put(publisher)
        until(lambda: outbox.delivery().waiting == 0)
        until(lambda: len(set(listener.ids())) == 20)
        publisher.close()
        until(lambda: listener.states() == ["online", "offline"])
        listener.close()
    assert not [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))]
    assert capfd.readouterr() == ("", "")


def test_mqtt_5_is_not_answered_and_the_log_says_where_to_look(make_publisher, until, caplog, monkeypatch):
    monkeypatch.setattr(session, "CONNECT_TIMEOUT_S", 0.3)
    caplog.set_level(logging.INFO, logger="edge.publish")
    with EmbeddedBroker() as broker:
        publisher, _ = make_publisher(port=broker.port)
        publisher.start()
        until(lambda: caplog.records)
        assert "protocol" in caplog.records[0].getMessage()
        publisher.close()


def test_stopping_is_quick_and_leaves_no_thread(listen):
    broker = EmbeddedBroker()
    broker.start()
    listen(broker.port)  # still connected when the broker stops
    begun_s = time.monotonic()
    broker.stop()
    broker.stop()
    assert time.monotonic() - begun_s < 4
    assert not [thread for thread in threading.enumerate() if thread.name == "affect-broker"]


def test_two_brokers_do_not_meet(listen, until):
    with EmbeddedBroker() as first, EmbeddedBroker() as second:
        assert first.port != second.port


def test_a_missing_amqtt_says_how_to_get_it(monkeypatch):
    real_import = builtins.__import__

    def without_amqtt(name, *rest):
        if name.startswith("amqtt"):
            raise ImportError(name)
        return real_import(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_amqtt)
    with pytest.raises(EdgeError, match=r"pip install 'affect-edge\[demo\]'"):
        EmbeddedBroker().start()
