"""Logs the state of the connection to the broker: each change, not each try."""

from __future__ import annotations

import logging

from edge.publish.session import CLOSED, LOST, REFUSED, TOO_LARGE, End

log = logging.getLogger(__name__)

STABLE_S = 30.0  # a session that lasts longer is stable
_FLAPPING = 2  # after so many short sessions in a row, a new one is logged only once it is stable
_REASONS = {
    0x87: ", not authorized: check the broker's access list",
    TOO_LARGE: ", it is larger than the broker takes: raise the broker's packet limit",
}


class ConnectionLog:
    """Logs changes; used by one thread. `where`: host and port of the broker."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._connected = self._delivered = False
        self._logged: End | None = None
        self._short_sessions = 0
        self._refusals: dict[tuple[str, bool], int] = {}  # by message, and whether it is for its size
        self._stopped: set[tuple[str, str]] = set()

    def alive(self, lived_s: float) -> None:
        """A session has worked for `lived_s` seconds; called again and again."""
        if lived_s >= STABLE_S:
            self._short_sessions = 0
        if not self._connected and self._short_sessions < _FLAPPING:
            self._connected, self._logged = True, None
            log.info("%s: connected", self._where)

    def ended(self, end: End, *, accepted: bool, lived_s: float) -> None:
        """A session has ended. `accepted`: by the broker. `lived_s`: for how many seconds it worked."""
        if end.what == CLOSED:
            return
        if accepted:
            self._short_sessions = 0 if lived_s >= STABLE_S else self._short_sessions + 1
        # If a connection breaks before it was logged, the line before still says what is wrong.
        if end != self._logged and (self._connected or end.what != LOST):
            log.warning("%s: %s (%s); windows wait in the outbox", self._where, end.what, end.why)
            self._logged = end
        self._connected = False
        if accepted and self._short_sessions == _FLAPPING:
            # Mosquitto 2.0.11 takes a session over without the reason 0x8E of MQTT 5 (seen 2026-11).
            log.warning(
                "%s: sessions break again and again soon after they began; does another device have this one's site "
                "and name, or does the broker drop whom it refuses? No more is logged until one lasts %.0f s",
                self._where,
                STABLE_S,
            )

    def answered(self, what: str, reason: int) -> None:
        """The broker answered a `window`, the `status` or the `discovery`; it may refuse only some of these."""
        if reason >= REFUSED:
            known = self._refusals.get((what, reason == TOO_LARGE))
            self._refusals[what, reason == TOO_LARGE] = reason
            if known != reason:
                said = _REASONS.get(reason, "")
                log.warning("%s: refuses this device's %s (reason 0x%02x%s)", self._where, what, reason, said)
            return
        if self._refusals.pop((what, False), None) is not None:
            log.info("%s: accepts this device's %s again", self._where, what)
        if what == "window" and not self._delivered:
            self._delivered = True
            log.info("%s: the first window was delivered", self._where)
        elif what == "window":
            log.debug("%s: a window was delivered", self._where)

    def stopped(self, what: str, why: str) -> None:
        """The privacy gate stopped a message."""
        if (what, why) not in self._stopped:
            self._stopped.add((what, why))
            log.critical("the privacy gate stopped a message (%s: %s); please report this", what, why)
