"""Passwords for a broker: made at random, kept in files that only their owner reads, hashed as Mosquitto 2 does.

Nothing here prints or logs. The hash has Mosquitto's own 101 rounds: rounds protect passwords that one could guess,
these have 256 random bits, and the broker's one thread pays for each round at every connection of a reconnect storm.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets

_ROUNDS = 101  # mosquitto_passwd 2.0.11's own
_SALT_BYTES = 12
_HASH_BYTES = 64
_PASSWORD_BYTES = 32


def make_password() -> str:
    """A new one: 256 random bits, 43 letters of URL-safe base64."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


def hash_password(password: str) -> str:
    """`$7$rounds$salt$hash`, PBKDF2 with SHA-512, as in a Mosquitto 2 password file."""
    salt = os.urandom(_SALT_BYTES)
    return f"$7${_ROUNDS}${_text(salt)}${_text(_derive(password, salt, _ROUNDS))}"


def fits(password: str, hashed: str) -> bool:
    """Whether a hash was made of a password, so that a second run can keep it."""
    parts = hashed.split("$")
    if len(parts) != 5 or parts[:2] != ["", "7"] or not parts[2].isdigit() or int(parts[2]) < 1:
        return False
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in parts[3:])
    except ValueError:
        return False
    return hmac.compare_digest(_derive(password, salt, int(parts[2])), expected)


def _derive(password: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, _HASH_BYTES)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
