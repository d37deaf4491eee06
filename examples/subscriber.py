"""Keeps every window in SQLite, each exactly once: python examples/subscriber.py HOST PORT windows.db"""

import json
import sqlite3
import sys

import paho.mqtt.client as mqtt

host, port, path = sys.argv[1:]
database = sqlite3.connect(path)
database.execute("CREATE TABLE IF NOT EXISTS windows (id TEXT PRIMARY KEY, device TEXT, start TEXT, body TEXT)")


def keep(_client, _userdata, message):
    """Called for each message, also for one that comes twice."""
    window = json.loads(message.payload)
    row = (window["id"], window["device"], window["start"], message.payload.decode())
    with database:  # committed before the broker hears that we have it
        database.execute("INSERT INTO windows VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING", row)


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "affect-subscriber", clean_session=False)
client.on_connect = lambda *_: client.subscribe("affect/v1/+/+/window", qos=1)
client.on_message = keep
client.connect(host, int(port))
client.loop_forever()
