"""The log of a broker session: one line for each change of state, none for each try."""

from __future__ import annotations

import logging

from edge.publish.session import REFUSED, End, Fate

log = logging.getLogger(__name__)

STABLE_S = 30.0  # a session that lives so long was a good one
_FLAPPING = 2  # short sessions in a row from which on a new one must prove itself before it is announced


class Journal:
    """Says what changed. Used by one thread.

    Args:
        where: host and port of the broker.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._connected = False
        self._told: End | None = None
        self._short_sessions = 0
        self._refusals: dict[str, int] = {}

    def alive(self, lived_s: float) -> None:
        """A session lives since `lived_s` seconds; called over and over."""
        stable = lived_s >= STABLE_S
        if stable:
            self._short_sessions = 0
        if not self._connected and (stable or self._short_sessions < _FLAPPING):
            self._connected, self._told = True, None
            log.info("%s: connected", self._where)

    def ended(self, end: End, *, greeted: bool, lived_s: float) -> None:
        """A session is over.

        Args:
            end: why.
            greeted: whether the broker had let us in.
            lived_s: seconds from its opening to its end.
        """
        if greeted:
            self._short_sessions = 0 if lived_s >= STABLE_S else self._short_sessions + 1
        # A connection that breaks before it was announced is no news: the line before says what is wrong.
        if end != self._told and (self._connected or end.fate is not Fate.LOST):
            log.warning("%s: %s (%s); windows wait in the outbox", self._where, end.fate.value, end.detail)
            self._told = end
        self._connected = False
        if greeted and self._short_sessions == _FLAPPING:
            # Mosquitto 2.0.11 takes a session over without the reason 0x8E that MQTT 5 has for it (seen 2026-11).
            log.warning(
                "%s: sessions break again and again soon after they began; does another device have this one's site "
                "and name, or does the broker drop whom it refuses? No more is logged until one lasts %.0f s",
                self._where,
                STABLE_S,
            )

    def acknowledged(self, what: str, reason_code: int) -> None:
        """The broker answered for a message.

        Args:
            what: `window`, `status` or `discovery`: an access list may let one pass and not the other.
            reason_code: of MQTT 5, below 0x80 when accepted.
        """
        if reason_code < REFUSED:
            if self._refusals.pop(what, None) is not None:
                log.info("%s: accepts this device's %s again", self._where, what)
        elif self._refusals.get(what) != reason_code:
            self._refusals[what] = reason_code
            log.warning(
                "%s: refuses this device's %s (reason 0x%02x%s)",
                self._where,
                what,
                reason_code,
                ", not authorized: check the broker's access list" if reason_code == 0x87 else "",
            )
