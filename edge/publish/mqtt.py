"""Publishing over MQTT: a thread that keeps a broker session when it can, and owes windows when it cannot.

Owns the thread, the back-off and what is in flight; the outbox owns what is owed. The pipeline's thread only ever
puts a value down and returns: no broker, however broken, slows a frame.
"""

from __future__ import annotations

import logging
import select
import socket
import threading
import time
from contextlib import suppress

from edge.backoff import Backoff
from edge.clock import NS, Clock
from edge.config import Config, MqttConfig
from edge.errors import ConfigError
from edge.model.bundle import Bundle
from edge.publish.bucket import TokenBucket
from edge.publish.credentials import load_credentials
from edge.publish.egress import EgressError, Gate
from edge.publish.flight import Flight
from edge.publish.homeassistant import discovery_message
from edge.publish.journal import STABLE_S, Journal
from edge.publish.message import (
    Origin,
    PublishCounts,
    health_message,
    health_payload,
    nanoseconds,
    offline_message,
    online_message,
    origin_of,
    window_message,
)
from edge.publish.outbox import Outbox
from edge.publish.payload import HealthPayload
from edge.publish.session import REFUSED, BrokerSession, End, Fate
from edge.publish.stagger import stagger_s
from edge.values import HealthReport, Message, WindowAggregate

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
_IDLE_S = 1.0
_WINDOW_BYTES = 1024  # of a window with its topic and tags of ordinary length
_HEALTH_BYTES = 2048  # and of a health report
_BURSTS = 6  # the backlog may come in bursts of a sixth of a minute's share
_FAREWELL_S = 0.1  # kept of the closing time for the connection's own end


class MqttPublisher:
    """Sends windows, status and health to one broker. A `Sink`.

    An unreachable broker is no error, at start or later: it is logged once and shows in `counts`.

    Args:
        config: the broker.
        origin: who sends.
        outbox: what is owed; this publisher is the only one that takes from it.
        clock: tells when a window is historical.
        window_s: length of a window, seconds; one that is sent later than this after its end is historical.
        backlog_per_minute: how fast historical windows follow, beside the live ones.
        discovery: sent once in every session, after `online`.

    Raises:
        PublishError: a certificate, key or password file cannot be used.
    """

    def __init__(
        self,
        config: MqttConfig,
        origin: Origin,
        outbox: Outbox,
        clock: Clock,
        *,
        window_s: int,
        backlog_per_minute: int = 120,
        discovery: Message | None = None,
    ) -> None:
        self._config = config
        self._origin = origin
        self._outbox = outbox
        self._clock = clock
        self._window_ns = window_s * NS
        self._stagger_ns = int(stagger_s(origin.site, origin.device, window_s) * NS)
        self._live = TokenBucket(config.bytes_per_minute, config.bytes_per_minute)
        self._backlog = TokenBucket(backlog_per_minute, max(1.0, backlog_per_minute / _BURSTS))
        self._wait_s = _IDLE_S
        self._backoff = Backoff(FIRST_DELAY_S, config.backoff_max_s)
        self._lived_s = 0.0  # how long the last session was of use
        self._credentials = load_credentials(config)
        self._offline = offline_message(origin)
        self._discovery = discovery
        self._gate = Gate(origin, properties=config.protocol == "5", discovery=discovery)
        self._stopped = False
        self._client_id = f"affect-{origin.site}-{origin.device}"
        self._where = f"{config.host}:{config.port}"
        self._lock = threading.Lock()
        self._health: HealthReport | None = None
        self._sessions = 0
        self._closing_s: float | None = None  # monotonic second by which all must be over
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="affect-publish", daemon=True)
        self._journal = Journal(self._where)

    def start(self) -> None:
        """Begins to look for the broker; returns at once.

        Raises:
            RuntimeError: started before.
        """
        self._thread.start()

    def publish(self, aggregate: WindowAggregate) -> None:
        """Puts one closed window into the outbox.

        Raises:
            ValueError: the aggregate breaks the contract.
            RuntimeError: after `close`.
        """
        if self._closing_s is not None:
            raise RuntimeError("publish after close")
        self._outbox.insert(aggregate, self._origin)
        self._wake()

    def report(self, health: HealthReport) -> None:
        """Offers a health report, replacing one that was not sent yet; its counts of this publisher are added.

        Raises:
            ValueError: the report breaks the contract.
        """
        health_message(health, self._origin, self.counts(), self._clock)  # a breach is the caller's, so tell it here
        with self._lock:
            self._health = health
        self._wake()

    def describe(self, health: HealthReport) -> HealthPayload:
        """A health report as it would be sent now; may be called from any thread.

        Raises:
            ValueError: the report breaks the contract.
        """
        return health_payload(health, self._origin, self.counts(), self._clock)

    def counts(self) -> PublishCounts:
        """What waits, was lost, was refused, and how often the session was made anew."""
        outbox = self._outbox.counts()
        return PublishCounts(
            outbox=outbox.waiting,
            evicted=outbox.evicted,
            refused=outbox.refused,
            interrupted=outbox.interrupted,
            resets=outbox.resets,
            reconnects=max(self._sessions - 1, 0),
        )

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what is owed if the broker is there, says `offline`, and ends the thread.

        Returns after `timeout_s` seconds at the latest. A thread that is still waiting for a dead host then ends by
        itself within two `CONNECT_TIMEOUT_S`, without sending.
        """
        if self._closing_s is not None:
            return
        self._closing_s = time.monotonic() + timeout_s
        if self._thread.ident is not None:
            self._wake()
            self._thread.join(timeout_s)
        waiting = self._outbox.counts().waiting
        if waiting:
            log.warning("windows that wait for the next run: %d", waiting)
        if not self._thread.is_alive():
            self._wake_in.close()
            self._wake_out.close()

    def _wake(self) -> None:
        with suppress(OSError):  # full: it is awake already; closed: there is nobody to wake
            self._wake_in.send(b"\0")

    def _run(self) -> None:
        while self._closing_s is None and not self._stopped:
            sessions = self._sessions
            try:
                end = self._serve()
            except EgressError as error:
                self._stopped = True
                log.critical("publishing has stopped: %s was about to leave; please report this", error)
                return
            except Exception:  # one defect, here or in paho, must not end publishing for good
                log.exception("the session with %s broke down", self._where)
                end = End(Fate.LOST, "internal error")
            if end.fate is not Fate.CLOSED:
                self._journal.ended(end, greeted=self._sessions > sessions, lived_s=self._lived_s)
                # Being let in is not enough to start the back-off anew: a broker may let in and drop at once.
                lasted = self._lived_s >= STABLE_S
                # Whoever loses a good session may be one of many that lost theirs in the same second.
                self._pause(self._backoff.next_s(lasted=lasted) + (self._stagger_ns / NS if lasted else 0.0))

    def _pause(self, delay_s: float) -> None:
        until_s = time.monotonic() + delay_s
        while self._closing_s is None and (left_s := until_s - time.monotonic()) > 0:
            if select.select([self._wake_out], [], [], left_s)[0]:
                self._wake_out.recv(4096)

    def _serve(self) -> End:
        """One session, from its connection to its end."""
        session = BrokerSession(self._config, self._credentials, self._client_id, self._offline, self._gate)
        flight = Flight(session, self._outbox)
        begun_s, greeted_s = time.monotonic(), None
        try:
            session.open()
            while session.end is None:
                if session.connected and not self._time_is_up():
                    if greeted_s is None:
                        greeted_s = time.monotonic()
                        self._greet(flight)
                    self._journal.alive(time.monotonic() - greeted_s - flight.silent_s)
                    self._offer(flight)
                if self._closing_s is not None and self._farewell(session, flight):
                    break
                session.pump(self._wake_out, self._wait_s if self._closing_s is None else _FAREWELL_S / 2)
                self._settle(flight)
                if flight.silent_s > self._config.keepalive_s:
                    session.give_up(f"it acknowledged nothing for {self._config.keepalive_s} s")
        finally:
            self._lived_s = time.monotonic() - begun_s - flight.silent_s
            session.drop()
        return session.end or End(Fate.CLOSED, "")

    def _greet(self, flight: Flight) -> None:
        """Says `online`, and offers again what this broker refused in an earlier session: its rules may be new."""
        self._sessions += 1
        self._outbox.readmit()
        self._say_online(flight)

    def _say_online(self, flight: Flight) -> None:
        online = online_message(self._origin, self._clock)
        self._live.charge(online.size)  # it never waits: what is retained has to be true
        flight.send(online, None)
        if self._discovery is not None:
            # Not charged: it says the same every time, and in debt for it windows would wait after each reconnection.
            flight.send(self._discovery, None, "discovery")

    def _settle(self, flight: Flight) -> None:
        """Books what the broker answered. One that takes windows again gets the status it refused as well."""
        settled = flight.settle()
        for what, reason_code in settled:
            self._journal.acknowledged(what, reason_code)
        accepts = any(what == "window" and reason_code < REFUSED for what, reason_code in settled)
        if accepts and flight.status_refused and not flight.said_goodbye:
            flight.status_refused = False
            self._say_online(flight)

    def _offer(self, flight: Flight) -> None:
        """Sends what the outbox and the health slot hold, as far as the broker and the budgets take more."""
        self._wait_s = _IDLE_S
        now_ns = self._clock.utc_ns(self._clock.monotonic_ns())
        for window in self._outbox.pending(flight.room, flight.sending):
            age_ns = now_ns - nanoseconds(window.end)
            if 0 <= age_ns < self._stagger_ns and self._closing_s is None:
                self._wait_s = min(self._wait_s, (self._stagger_ns - age_ns) / NS)
                continue
            historical = age_ns > self._window_ns
            message = window_message(window, historical=historical)
            if self._may(self._backlog, 1) if historical else self._may(self._live, message.size):
                flight.send(message, window.seq)
            elif historical:
                break  # the newest come first: behind it are only older ones
        with self._lock:
            health = self._health
        if health is not None:
            message = health_message(health, self._origin, self.counts(), self._clock)
            if self._may(self._live, message.size):
                flight.send(message, None)
                with self._lock:
                    self._health = None if self._health is health else self._health

    def _may(self, bucket: TokenBucket, tokens: float) -> bool:
        allowed = bucket.take(tokens)
        if not allowed:
            self._wait_s = min(self._wait_s, max(bucket.wait_s(tokens), 0.01))
        return allowed

    def _time_is_up(self) -> bool:
        return self._closing_s is not None and time.monotonic() > self._closing_s - _FAREWELL_S

    def _farewell(self, session: BrokerSession, flight: Flight) -> bool:
        """Closes: first the windows, then `offline`, then the connection. True when all is said, or time is up."""
        if self._closing_s is None or self._time_is_up():
            return True  # cut off without an acknowledged `offline`: the broker speaks the last will, which says it
        if not session.connected or flight.waiting:  # what did not fit into the flight waits behind what did
            return False
        if not flight.said_goodbye:
            flight.send(self._offline, None)
            flight.said_goodbye = True
            return False
        session.disconnect()
        return True


def make_publisher(config: Config, bundle: Bundle, clock: Clock, outbox: Outbox) -> MqttPublisher:
    """The publisher that a configuration and a loaded bundle make, on an outbox that stays its caller's; not started.

    Raises:
        ConfigError: the tags are too long to be sent, or the windows too many for `mqtt.bytes_per_minute`.
        PublishError: a certificate, key or password file cannot be used.
    """
    needed = _HEALTH_BYTES + _WINDOW_BYTES * -(-60 // config.window.window_s)
    if config.mqtt.bytes_per_minute < needed:
        raise ConfigError(
            f"mqtt.bytes_per_minute: windows of {config.window.window_s} s and health need {needed}, "
            f"it is {config.mqtt.bytes_per_minute}; raise it, or window.window_s"
        )
    origin = origin_of(config.device, bundle)
    return MqttPublisher(
        config.mqtt,
        origin,
        outbox,
        clock,
        window_s=config.window.window_s,
        backlog_per_minute=config.outbox.backlog_per_minute,
        discovery=discovery_message(config.homeassistant, origin, window_s=config.window.window_s),
    )
