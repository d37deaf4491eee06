"""The network addresses a service needs: its broker's and its resolver's. systemd's filter takes no names.

(systemd.resource-control(5), `IPAddressAllow=`, read November 2026)
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path

from edge.config import MqttConfig
from edge.errors import ConfigError

RESOLV_CONF = Path("/etc/resolv.conf")
# systemd-resolved listens on loopback, which the unit allows, and asks the real resolvers itself.


def broker_addresses(host: str, port: int) -> list[str]:
    """All addresses of the broker, sorted; loopback ones too.

    Raises:
        ConfigError: the name does not resolve.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        said = f"mqtt.host: {host} does not resolve ({error.strerror or error})"
        raise ConfigError(said, "is the name right and the network up?") from error
    return _sorted(str(entry[4][0]) for entry in found)


def resolver_addresses(path: Path = RESOLV_CONF) -> list[str]:
    """The resolvers that the system's configuration names, sorted; none where it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    named = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
    return _sorted(address for address in named if is_address(address))


def is_address(text: str) -> bool:
    """Whether a text is an IP address and not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def not_loopback(addresses: Iterable[str]) -> list[str]:
    """Those that the service's filter has to name: loopback is always allowed."""
    return [address for address in addresses if not ip_address(address).is_loopback]


def needs_resolver(mqtt: MqttConfig) -> bool:
    """Whether the service has to look up the broker's name."""
    return not (mqtt.loopback or is_address(mqtt.host))


def _sorted(addresses: Iterable[str]) -> list[str]:
    unscoped = {ip_address(address.partition("%")[0]) for address in addresses}
    return [str(address) for address in sorted(unscoped, key=lambda address: (address.version, address.packed))]
