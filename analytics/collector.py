"""Takes windows from a broker into a store: acknowledged when they are on the disk, so that none is lost or doubled.

One thread. Messages are read until none is waiting, written in one transaction, and then acknowledged. Whatever ends
in between, the broker sends again what was not acknowledged, and the store knows it by its `id`.
"""

from __future__ import annotations

import hashlib
import logging
import random
import signal
import ssl
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from analytics.broker import Broker
from analytics.lake import file_name, write_lake
from analytics.measures import Measures
from analytics.store import Store
from analytics.table import Row, row
from edge.contract import MAX_BYTES, Health, Status, Window, decode
from edge.errors import PublishError

log = logging.getLogger(__name__)

TOPICS = {kind: f"affect/v1/+/+/{kind}" for kind in ("window", "status", "health")}
_BATCH = 2000  # also how many the broker may send before an answer
_TICK_S = 0.5
_LONGEST_PAUSE_S = 30.0
_HOUSEKEEPING_S = 3600.0
_CHECK_S = 60.0
_PERMANENT = (0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C)  # malformed, version, name, password, not allowed


class Collector:
    """One subscriber and its store.

    Args:
        brokers: nodes of the one cluster that has the windows; when one is lost, the next is tried.
        store: open for writing; its owner closes it.
        name: client identifier; the broker keeps the session, and what waits, under it.
        share: group of collectors that divide the windows; "" for all of them.
        session_s: how long the broker keeps the session without a collector, seconds.

    Raises:
        PublishError: a certificate, key or password file cannot be used.
    """

    def __init__(
        self, brokers: Sequence[Broker], store: Store, *, name: str, share: str = "", session_s: int = 30 * 86_400
    ) -> None:
        self._brokers, self._store, self._share = list(brokers), store, share
        self._measures = Measures()
        self._pending: list[mqtt.MQTTMessage] = []
        self._stopping = False
        self._failure: PublishError | None = None
        self._properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        self._properties.SessionExpiryInterval = min(session_s, 2**32 - 2)
        self._properties.ReceiveMaximum = _BATCH
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5, manual_ack=True
        )  # fmt: skip
        broker = brokers[0]  # the login is the same for all
        context = broker.context()
        if context is not None:
            self._client.tls_set_context(context)
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password())
        self._client.on_connect, self._client.on_subscribe = self._connected, self._subscribed
        self._client.on_message, self._client.on_disconnect = self._heard, self._lost

    def run(self, *, keep_days: float = 0.0, lake: Path | None = None, metrics_port: int = 0) -> None:
        """Collects until SIGTERM or SIGINT.

        Args:
            keep_days: windows that ended longer ago are deleted; 0 keeps all.
            lake: exported to each hour, and at the end.
            metrics_port: of Prometheus metrics on the loopback; 0 for none.

        Raises:
            DataError: the store cannot be written; what was not written stays at the broker.
            PublishError: the broker refuses the login or the subscription, or its certificate cannot be trusted.
        """
        for kind in (signal.SIGTERM, signal.SIGINT):
            signal.signal(kind, self._stop)
        with self._measures.served(metrics_port):
            pause_s, kept_s, checked_s, exported = 1.0, 0.0, 0.0, None
            while not self._stopping:
                if time.monotonic() - kept_s > _HOUSEKEEPING_S or not kept_s:
                    kept_s, exported = time.monotonic(), self._keep_house(keep_days, lake, exported)
                if time.monotonic() - checked_s > _CHECK_S or not checked_s:
                    checked_s = time.monotonic()
                    self._measures.count_losses(self._store.windows())
                if self._open():
                    pause_s = 1.0
                    self._take()
                else:
                    self._wait(pause_s * random.uniform(0.5, 1.0))
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                if self._failure is not None:
                    raise self._failure
            self._write()
            self._client.disconnect()
            self._keep_house(keep_days, lake, exported)

    def _open(self) -> bool:
        """Whether there is a connection; tries to make one where there is none."""
        if self._client.socket() is not None:
            return True
        broker = self._brokers[0]
        try:
            self._client.connect(broker.host, broker.port, keepalive=60, clean_start=False, properties=self._properties)
        except ssl.SSLCertVerificationError as error:
            message = f"{self._place}: its certificate cannot be trusted ({error.verify_message})"
            raise PublishError(message, "name its authority with --ca-file") from error
        except OSError as error:
            log.warning("%s: no connection (%s); trying again", self._place, error)
            self._next()
            return False
        return True

    def _take(self) -> None:
        """Reads what is there; writes when nothing more waits."""
        before = len(self._pending)
        rc = self._client.loop(timeout=0.0 if before else _TICK_S)
        if len(self._pending) == before or before >= _BATCH:
            self._write()
        if rc != mqtt.MQTT_ERR_SUCCESS and self._client.socket() is None and not self._stopping:
            self._wait(random.uniform(0.1, 1.0))

    def _write(self) -> None:
        """Writes what was read, then acknowledges it."""
        batch, self._pending = self._pending, []
        if not batch:
            return
        now = datetime.now(timezone.utc)
        windows: dict[str, Row] = {}
        quarantine: dict[str, Row] = {}
        latest: dict[str, Row] = {}
        for message in batch:
            topic, payload = message.topic, bytes(message.payload)
            try:
                found = read(topic, payload, now)
            except ValueError as error:
                digest = hashlib.sha256(topic.encode() + b"\0" + payload).hexdigest()
                reason = f"{error}"[:300]
                quarantine[digest] = {
                    "digest": digest, "received": now, "topic": topic.replace("\0", ""),
                    "reason": reason.replace("\0", ""), "payload": payload[:MAX_BYTES],
                }  # fmt: skip
                log.warning("%s: set aside: %s", topic, reason)
                continue
            if "id" in found:
                windows.setdefault(str(found["id"]), found)
            else:
                latest[topic] = found
        new = self._store.keep(windows.values(), quarantine.values(), latest.values())
        for message in batch:
            if message.qos:
                self._client.ack(message.mid, message.qos)
        came = sum(message.topic.endswith("/window") for message in batch)
        self._measures.count(windows.values(), new=new, came=came, quarantined=len(quarantine))

    def _keep_house(self, keep_days: float, lake: Path | None, exported: datetime | None) -> datetime:
        begun = datetime.now(timezone.utc)
        if lake is not None:
            write_lake(self._store.windows(), lake, file_name(self._store.name), since=exported)
        if keep_days:
            self._store.purge(keep_days)
        return begun

    def _connected(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            log.warning("%s: refused: %s", self._place, reason)
            if reason.value in _PERMANENT:
                fix = "check --username, --password-file and --client-id"
                self._failure = PublishError(f"{self._place}: refused: {reason}", fix)
            return
        log.info("%s: connected, %s session", self._place, "the same" if flags.session_present else "a new")
        self._measures.connected.set(1)
        window = f"$share/{self._share}/{TOPICS['window']}" if self._share else TOPICS["window"]
        self._client.subscribe([(window, 1), (TOPICS["status"], 1), (TOPICS["health"], 0)])

    def _subscribed(self, _client: Any, _data: Any, _mid: int, reasons: Any, _properties: Any) -> None:
        if reasons[0].is_failure:
            message = f"{self._place}: the subscription to windows is refused: {reasons[0]}"
            self._failure = PublishError(message, "let this user read affect/v1/#")
        log.info("%s: subscribed", self._place)

    def _heard(self, _client: Any, _data: Any, message: mqtt.MQTTMessage) -> None:
        self._pending.append(message)

    def _lost(self, _client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        # An answer would go to another session, where its number may stand for another message.
        self._pending.clear()
        self._measures.connected.set(0)
        if not self._stopping:
            log.warning("%s: connection lost: %s", self._place, reason)
            self._next()

    def _next(self) -> None:
        self._brokers.append(self._brokers.pop(0))

    @property
    def _place(self) -> str:
        return f"{self._brokers[0].host}:{self._brokers[0].port}"

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _wait(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < end_s:
            time.sleep(min(0.2, seconds))


def read(topic: str, payload: bytes, now: datetime) -> Row:
    """A message as a row of `windows` or, for status and health, of `latest`.

    Raises:
        ValueError: it does not fit the contract, or is not what its topic says; says how.
    """
    if len(payload) > MAX_BYTES:
        raise ValueError(f"{len(payload)} bytes, more than {MAX_BYTES}")
    kind = topic.rpartition("/")[2]
    message: Window | Status | Health
    if kind == "window":
        message = decode(payload, Window)
        if message.id != f"{message.device}/{message.epoch}/{message.seq}":
            raise ValueError(f"id: {message.id!r} is not its device, epoch and seq")
    else:
        message = decode(payload, Status) if kind == "status" else decode(payload, Health)
    if topic != f"affect/v1/{message.site}/{message.device}/{kind}":
        raise ValueError(f"site, device: {message.site}/{message.device} are not its topic's")
    if isinstance(message, Window):
        return row(message, now)
    return {"topic": topic, "received": now, "payload": payload.decode()}
