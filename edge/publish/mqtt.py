"""Publishing over MQTT: a thread keeps a session with the broker and sends the windows in the outbox.

The main loop only puts windows into the outbox, so it never waits for the broker. The publishing thread owns the
session, the back-off and the messages in flight.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Literal

import msgspec

from edge.backoff import Backoff
from edge.clock import NS, Clock
from edge.config import Config
from edge.contract import Delivery, Health, Origin, Status, Window, encode, instant
from edge.errors import ConfigError, PublishError
from edge.publish.connection_log import STABLE_S, ConnectionLog
from edge.publish.credentials import load_credentials
from edge.publish.gate import Gate, GateError
from edge.publish.homeassistant import discovery_message
from edge.publish.outbox import Outbox
from edge.publish.outbox_file import STOPPED, Row
from edge.publish.pacing import Pace, stagger_s
from edge.publish.session import REFUSED, TOO_LARGE, Message, Session
from edge.version import VERSION, commit

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
_TICK_S = 0.2  # longest time until the thread notices a new window
_WINDOW_BYTES, _HEALTH_BYTES = 1024, 2048  # typical sizes, with topic and tags
_LIVE_BURST_S, _BACKLOG_BURST_S = 60.0, 10.0
_END_S = 0.1  # part of the closing time that is kept for disconnecting
_TEMPORARY = (0x87, 0x97)  # not authorized, quota exceeded: the broker may accept the same message later
_CLOCK_FIX = "let a time service run (timedatectl set-ntp true), or set outbox.hold_unsynced_s = 0"


class MqttPublisher:
    """Sends windows, status and health to one broker. Implements `Sink`.

    An unreachable broker is not an error: it is logged once, and `delivery` shows it.

    Args:
        config, clock: of the device.
        origin: site, device and model.
        outbox: owned by this publisher, which closes it.

    Attributes:
        failed: the error that ended the thread, None while it runs; `publish` and `report` raise it as a PublishError.

    Raises:
        ConfigError: `mqtt.bytes_per_minute` is too small.
        PublishError: a certificate, key or password file cannot be used, or the privacy gate does not work.
    """

    def __init__(self, config: Config, origin: Origin, outbox: Outbox, clock: Clock) -> None:
        mqtt, window_s = config.mqtt, config.window.window_s
        needed = _HEALTH_BYTES + _WINDOW_BYTES * -(-60 // window_s)
        if mqtt.bytes_per_minute < needed:
            message = f"mqtt.bytes_per_minute: windows of {window_s} s and health need {needed}"
            raise ConfigError(f"{message}, it is {mqtt.bytes_per_minute}", fix="raise it, or window.window_s")
        self.failed: Exception | None = None
        self._config, self._origin, self._outbox, self._clock = config, origin, outbox, clock
        self._discovery = discovery_message(config, origin)  # sent in every session after `online`
        self._stagger_s = stagger_s(origin.site, origin.device, window_s)
        self._live = Pace(mqtt.bytes_per_minute, _LIVE_BURST_S)
        self._backlog = Pace(config.outbox.backlog_per_minute, _BACKLOG_BURST_S)
        self._backoff = Backoff(FIRST_DELAY_S, mqtt.backoff_max_s)
        self._credentials = load_credentials(mqtt)
        fixed = {self._discovery.topic: self._discovery.payload} if self._discovery else {}
        self._gate = Gate(origin, outbox.words, fixed)
        self._log = ConnectionLog(f"{mqtt.host}:{mqtt.port}")
        self._session = self._new_session()  # here, so that the constructor raises if the gate does not work
        self._sessions = 0
        self._sent: dict[int, tuple[str, Row | None]] = {}  # messages in flight, by message id
        self._answered_s = 0.0  # monotonic time of the last answer, or of the first message in flight
        self._denied = self._status_refused = self._sent_offline = self._warned_unsynced = False
        self._status_due = False
        self._health: deque[Message] = deque(maxlen=1)
        self._wake, self._closing = threading.Event(), threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self._run, name="affect-publish", daemon=True)

    def start(self) -> None:
        """Starts the thread, which connects; returns at once."""
        self._thread.start()

    def number(self) -> tuple[str, int]:
        return self._outbox.number()

    def adopt(self, origin: Origin) -> None:
        self._outbox.adopt(origin)  # first: the gate takes its words
        self._origin, self._status_due = origin, True
        self._wake.set()

    def publish(self, window: Window, boot_ns: tuple[int, int] | None) -> None:
        if self._closing.is_set():
            raise RuntimeError("publish was called after close")
        self._outbox.keep(window, boot_ns)
        self._wake.set()
        if not self._warned_unsynced and self._outbox.held():
            self._warned_unsynced = True
            hold_s = self._config.outbox.hold_unsynced_s
            log.warning("the clock is not synchronized: windows wait up to %.0f s for it; %s", hold_s, _CLOCK_FIX)
        self._raise_failure()

    def report(self, health: Health) -> None:
        self._health.append(Message(self._origin.topic("health"), encode(health), qos=0))
        self._wake.set()
        self._raise_failure()

    def delivery(self) -> Delivery:
        known, reconnects = self._outbox.delivery(), max(self._sessions - 1, 0)
        return msgspec.structs.replace(known, connected=self._session.connected, reconnects=reconnects)

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what it can, then the status `offline`, and closes the outbox, all within `timeout_s`."""
        if self._closing.is_set():
            return
        self._deadline_s = time.monotonic() + timeout_s
        self._closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        waiting, held = self._outbox.delivery().waiting, self._outbox.held()
        self._outbox.close()
        if held:
            log.warning("windows that still wait for a synchronized clock: %d; %s", held, _CLOCK_FIX)
        if waiting > held:
            log.warning("windows that wait for the next run: %d", waiting - held)

    def _raise_failure(self) -> None:
        if self.failed is not None:
            message = f"publishing has ended ({type(self.failed).__name__})"
            raise PublishError(message, fix="see the log") from self.failed

    def _new_session(self) -> Session:
        expiry_s = min(int(self._config.outbox.max_age_days * 86_400), 2**32 - 1)  # MQTT's limit
        name = f"affect-{self._origin.site}-{self._origin.device}"
        return Session(self._config.mqtt, self._credentials, name, self._gate, self._status("offline"), expiry_s)

    def _status(self, state: Literal["online", "offline"], *, now: bool = False) -> Message:
        """A status message; with the time if it is sent `now`, without it as a last will."""
        origin, clock = self._origin, self._clock
        status = Status(schema="affect/v1/status", site=origin.site, device=origin.device, state=state)
        if now:
            since, trust = instant(clock.utc_ns(clock.monotonic_ns())), "synced" if clock.synced() else "unsynced"
            status = msgspec.structs.replace(status, since=since, clock=trust)
        if state == "online":
            told = {"model": origin.model, "policy": origin.policy}
            status = msgspec.structs.replace(status, version=VERSION, commit=commit(), **told)
        return Message(origin.topic("status"), encode(status), retain=True)

    def _run(self) -> None:
        try:
            while not self._closing.is_set():
                sessions = self._sessions
                lived_s = self._run_session(self._session)
                if self._session.end is not None:
                    self._log.ended(self._session.end, accepted=self._sessions > sessions, lived_s=lived_s)
                # Only a long session resets the back-off, since a broker may accept a connection and drop it at once.
                # When a broker drops many devices together, the stagger spreads their reconnections.
                lasted = lived_s >= STABLE_S
                self._closing.wait(self._backoff.next_s(lasted=lasted) + (self._stagger_s if lasted else 0.0))
                self._session = self._new_session()
        except Exception as error:
            self.failed = error
            log.exception("publishing has ended")

    def _run_session(self, session: Session) -> float:
        """Runs one session to its end; returns its length in seconds, less the final wait for an answer."""
        self._sent.clear()
        self._denied = self._status_refused = self._sent_offline = False
        begun_s, accepted_s, next_send_s = time.monotonic(), None, 0.0
        answer_timeout_s = self._config.mqtt.keepalive_s
        try:
            session.open()
            while session.end is None:
                now_s = time.monotonic()
                if session.connected and not self._time_is_up():
                    if accepted_s is None:
                        accepted_s, self._sessions = now_s, self._sessions + 1
                        self._outbox.readmit(sent=True)  # refused windows too: the broker's rules may have changed
                        self._send_online(session)
                    self._log.alive(now_s - accepted_s - self._silent_s())
                    if self._wake.is_set() or now_s >= next_send_s:
                        self._wake.clear()
                        next_send_s = now_s + self._send_waiting(session)
                if self._closing.is_set() and self._finish(session):
                    break
                for mid, reason in session.work(_END_S / 2 if self._closing.is_set() else _TICK_S):
                    self._handle_answer(session, mid, reason)
                if self._silent_s() > answer_timeout_s:
                    session.give_up(f"it acknowledged nothing for {answer_timeout_s} s")
            return time.monotonic() - begun_s - self._silent_s()
        finally:
            session.drop()

    def _silent_s(self) -> float:  # since the last acknowledgement; 0 with no message in flight
        return time.monotonic() - self._answered_s if self._sent else 0.0

    def _send_online(self, session: Session) -> None:
        online = self._status("online", now=True)
        self._live.spend(online.size)  # sent without waiting: the retained status must be correct
        self._send(session, "status", online)
        if self._discovery is not None:
            # Not counted towards the rate limit: windows would have to wait after each reconnection.
            self._send(session, "discovery", self._discovery)

    def _send_waiting(self, session: Session) -> float:
        """Sends what the rate limits allow; returns the seconds until more can be sent."""
        wait_s, now_ns = 1.0, self._clock.utc_ns(self._clock.monotonic_ns())
        if self._status_due:
            self._status_due = False
            self._send(session, "status", self._status("online", now=True))
        for row in self._outbox.owed(session.in_flight_limit - len(self._sent)):
            window, age_s = Message(row.topic, row.message), (now_ns - row.end_ns) / NS
            if 0 <= age_s < self._stagger_s and not self._closing.is_set():
                wait_s = min(wait_s, self._stagger_s - age_s)
                continue
            late = age_s > self._config.window.window_s
            pace, amount = (self._backlog, 1) if late else (self._live, window.size)
            if delay_s := pace.wait_s(amount):
                wait_s = min(wait_s, delay_s)
                if late:
                    break  # the rest are older
                continue
            pace.spend(amount)
            self._send(session, "window", window, row)
        if self._health:
            delay_s = self._live.wait_s(self._health[0].size)
            wait_s = min(wait_s, delay_s or wait_s)
            if not delay_s:
                health = self._health.popleft()
                self._live.spend(health.size)
                self._send(session, "health", health)
        return wait_s

    def _send(self, session: Session, what: str, message: Message, row: Row | None = None) -> None:
        """Sends a message; logs once if the privacy gate stops it or it is too large."""
        mid, reason = 0, TOO_LARGE
        try:
            if session.fits(message.size):
                mid = session.send(message)
            else:
                self._log.answered(what, reason)
        except GateError as error:
            reason = STOPPED
            self._log.stopped(what, str(error))
        if not mid and row is not None:
            self._outbox.refuse(row, reason)
        elif mid and message.qos:
            self._answered_s = self._answered_s if self._sent else time.monotonic()
            self._sent[mid] = (what, row)
            if row is not None:
                row.state = "sent"

    def _handle_answer(self, session: Session, mid: int, reason: int) -> None:
        """Handles an answer. If the broker accepts windows again, what it refused before is sent again."""
        if mid not in self._sent:  # a message with QoS 0
            return
        self._answered_s = time.monotonic()
        self._wake.set()
        what, row = self._sent.pop(mid)
        self._log.answered(what, reason)
        if what == "status":
            self._status_refused = reason >= REFUSED
        if row is None:
            return
        if reason >= REFUSED:
            self._denied |= reason in _TEMPORARY
            self._outbox.refuse(row, reason)
            return
        self._outbox.ack(row)
        if self._denied:  # the broker's rules were changed during the session
            self._denied = False
            self._outbox.readmit()
        if self._status_refused and not self._sent_offline:
            self._status_refused = False
            self._send_online(session)

    def _time_is_up(self) -> bool:
        return self._closing.is_set() and time.monotonic() > self._deadline_s - _END_S

    def _finish(self, session: Session) -> bool:
        """Waits for answers, then sends `offline`, then disconnects. True when done, or when time is up."""
        if self._time_is_up():
            return True  # the broker then publishes the last will, which also says `offline`
        if not session.connected or self._sent:
            return False
        if not self._sent_offline:
            self._sent_offline = True
            self._send(session, "status", self._status("offline", now=True))
            return False
        session.disconnect()
        return True
