import signal
import subprocess
import sys
from pathlib import Path

import pytest

DEVICE = """
import sys, time
from edge.clock import SystemClock
from edge.config import Config, MqttConfig, OutboxConfig
from edge.publish.mqtt import MqttPublisher
from edge.publish.outbox import Outbox
from scripts.mqtt_examples import ORIGIN

config = Config(mqtt=MqttConfig(host="127.0.0.1", port=int(sys.argv[1]), protocol=sys.argv[2]))
clock = SystemClock()
MqttPublisher(config, ORIGIN, Outbox(None, OutboxConfig(), clock, ORIGIN), clock).start()
time.sleep(60)
"""


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_device_that_is_killed_is_declared_offline_by_the_broker_which_knows_no_time(
    mosquitto, listen, until, protocol
):
    mosquitto.start()
    listener = listen(mosquitto.port)
    root = Path(__file__).parents[3]
    device = subprocess.Popen([sys.executable, "-c", DEVICE, str(mosquitto.port), protocol], cwd=root)
    try:
        until(lambda: listener.states() == ["online"], 30)
    finally:
        device.send_signal(signal.SIGKILL)
        device.wait(5)
    until(lambda: listener.states() == ["online", "offline"])
    newcomer = listen(mosquitto.port)
    until(lambda: newcomer.states() == ["offline"])
    assert newcomer.messages[0].payload == listener.messages[-1].payload
    assert "since" not in newcomer.payloads("status")[0]
