"""Keeps every window in SQLite, each exactly once: python examples/subscriber.py HOST PORT windows.db"""

import argparse
import json
import sqlite3
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import paho.mqtt.client as mqtt

parser = argparse.ArgumentParser()
parser.add_argument("host")
parser.add_argument("port", type=int)
parser.add_argument("database")
parser.add_argument("--keep-days", type=float, help="delete what is older, such as `retention_days` of [deployment]")
parser.add_argument("--tls", action="store_true", help="use TLS, with the authorities that this system trusts")
parser.add_argument("--cafile", help="use TLS, with this authority")
parser.add_argument("--username")
parser.add_argument("--password-file", type=Path)
options = parser.parse_args()
broker, secure = f"{options.host}:{options.port}", bool(options.tls or options.cafile)

ZoneInfo("Europe/Berlin")  # a system without time zones fails here; there, `pip install tzdata` brings them
database = sqlite3.connect(options.database)
database.execute("PRAGMA secure_delete = ON")
database.executescript("""
    CREATE TABLE IF NOT EXISTS windows
        (id TEXT PRIMARY KEY, site TEXT, device TEXT, start TEXT, end TEXT, hour TEXT, body TEXT);
    CREATE TABLE IF NOT EXISTS unreadable (received TEXT DEFAULT CURRENT_TIMESTAMP, topic TEXT, body BLOB);
""")


def purge():
    """Deletes what is older than `--keep-days`; nothing of it stays readable in the file."""
    if not options.keep_days:
        return
    before = (datetime.now(timezone.utc) - timedelta(days=options.keep_days)).strftime("%Y-%m-%dT%H:%M:%SZ")
    with database:
        database.execute("DELETE FROM windows WHERE end < ?", (before,))
        database.execute("DELETE FROM unreadable WHERE received < ?", (before.replace("T", " ")[:19],))


def columns(payload):
    """A window as a row; fails for anything else. `hour` is local time at the device, such as `2026-11-02 12`."""
    window = json.loads(payload)
    start = datetime.fromisoformat(window["start"].replace("Z", "+00:00"))
    hour = start.astimezone(ZoneInfo(window["tz"])).strftime("%Y-%m-%d %H")
    row = [*(window[key] for key in ("id", "site", "device", "start", "end")), hour, payload.decode()]
    "".join(row).encode()  # all of it is text
    return row


def keep(_client, _userdata, message):
    """Called for each message, also for one that comes twice; acknowledged when this returns."""
    insert = "INSERT INTO windows VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
    try:
        row = columns(message.payload)
    except Exception as error:  # noqa: BLE001 — whatever is wrong with it, the broker would send it again and again
        print(f"{message.topic}: not readable, set aside: {error!r}", file=sys.stderr)
        insert, row = "INSERT INTO unreadable (topic, body) VALUES (?, ?)", (message.topic, message.payload)
    with database:
        database.execute(insert, row)
    purge()


def connected(client, _userdata, _flags, reason, _properties):
    """Called when the broker lets us in, or refuses to."""
    if reason.is_failure:
        sys.exit(f"{broker}: refused: {reason}")
    client.subscribe("affect/v1/+/+/window", qos=1)


def subscribed(_client, _userdata, _message_id, reasons, _properties):
    """Called when the broker has answered the subscription."""
    print(f"{broker}: {'refused' if reasons[0].is_failure else 'subscribed'}: {reasons[0]}", file=sys.stderr)


def lost(_client, _userdata, _flags, reason, _properties):
    """Called when a connection ends; another one is tried soon."""
    print(f"{broker}: lost: {reason}{'' if secure else '; does it want --tls or --cafile?'}", file=sys.stderr)


purge()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "affect-subscriber", clean_session=False)
client.on_connect, client.on_subscribe, client.on_message, client.on_disconnect = connected, subscribed, keep, lost
try:
    if secure:
        client.tls_set(options.cafile)
    if options.username:
        client.username_pw_set(options.username, options.password_file and options.password_file.read_text().strip())
    client.connect(options.host, options.port)
except OSError as error:  # a file that is not there, nobody who answers, a certificate that is not accepted
    sys.exit(f"{broker}: {error}")
client.loop_forever()
